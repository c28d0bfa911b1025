"""A task definition that ECS never got, because its deployCommand failed: what the doctor and `retry` say of it."""

import pytest

from careapp.additions.owner import inquiry_of
from careapp.settings.settings import Settings
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.doctor import judge
from ecs_gate.parts.gather import gather
from ecs_gate.parts.records import Part
from ecs_gate.text import verbatim
from tests import stacks as a
from tests.conftest import client
from tests.doctor.situations import COMMAND

DEPLOYED = "arn:aws:ecs:ap-northeast-1:123456789012:service-revision/s"


@pytest.fixture
def newer(stack):
    """A second revision of the family, as `pulumi up` has registered it before its deployCommand."""
    known = client("ecs").describe_task_definition(taskDefinition=stack.definition)
    fields = ("family", "containerDefinitions", "cpu", "memory", "networkMode", "executionRoleArn")
    made = client("ecs").register_task_definition(
        **{name: known["taskDefinition"][name] for name in fields}
    )["taskDefinition"]["taskDefinitionArn"]
    yield made
    client("ecs").deregister_task_definition(taskDefinition=made)


@pytest.fixture
def history(calls):
    """What ECS tells of its deployments: those of the given task definitions, twenty revisions at once."""

    def put(*definitions, status="SUCCESSFUL"):
        known = {f"{DEPLOYED}/{number}": each for number, each in enumerate(definitions)}
        row = {"createdAt": a.NOW, "status": status}
        keys = ("serviceDeploymentArn", "targetServiceRevisionArn")
        rows = [{**dict.fromkeys(keys, arn), **row} for arn in known]

        def revisions(asked):
            chosen = asked["serviceRevisionArns"]
            assert len(chosen) <= 20
            return {"serviceRevisions": [{"taskDefinition": known[arn]} for arn in chosen]}

        calls.answers["list_service_deployments"] = {"serviceDeployments": rows}
        calls.answers["describe_service_revisions"] = revisions
        return calls

    return put


def test_retry_refuses_a_revision_that_ecs_never_got(run, stack, newer, history):
    asked = history(*[stack.definition] * 45)
    code, shown, complaint = run("retry")
    assert (code, shown, asked.of("update_service")) == (1, "", [])
    assert complaint == (
        f"careapp: ECS was never told to deploy {newer.rpartition('/')[2]}, so there is nothing to try "
        "again: `pulumi up` ended before it changed the service, as it does when deployCommand fails. "
        "`pulumi up -s poc` runs deployCommand and deploys.\n"
    )


def test_retry_tries_what_ecs_has_given_up(run, stack, newer, history):
    history(*[stack.definition] * 30, newer)
    code, shown, _ = run("retry", "--dry-run")
    assert (code, f"ECS deploys {newer.rpartition('/')[2]} again." in shown) == (0, True)


def test_the_record_is_read_only_where_the_service_runs_another_revision(
    stack, folder, newer, history
):
    asked = history(stack.definition)
    settings = Settings.read("poc", folder)
    found = gather(inquiry_of(settings, stack.session))
    assert (found.was_deployed, found.command_tasks) == (Part(False), Part(None))
    assert gather(inquiry_of(settings, stack.session, stack.definition)).was_deployed == Part(None)
    network = {"subnets": ["one"], "securityGroups": ["sg"], "assignPublicIp": True}
    declared = {"networkConfiguration": network}
    new = gather(inquiry_of(settings, stack.session, newer, declared=declared))
    service = new.service.value
    assert (new.wanted, new.was_deployed) == (newer, Part(False))
    assert (service.subnets, service.groups, service.public_ip) == (("one",), ("sg",), True)
    (folder / "Pulumi.poc.yaml").write_text(
        f"config:\n  aws:region: ap-northeast-1\n  careapp:deployCommand: {COMMAND}\n"
    )
    read = gather(inquiry_of(Settings.read("poc", folder), stack.session))
    assert read.command_tasks == Part(())
    families = [call for _, call in asked if "family" in call and "desiredStatus" in call]
    assert [family["desiredStatus"] for family in families] == ["RUNNING", "STOPPED"]
    assert all("startedBy" not in family for family in families)


@pytest.mark.parametrize(
    ("status", "chosen"), [("SUCCESSFUL", True), ("ROLLBACK_SUCCESSFUL", False)]
)
def test_what_was_deployed_after_the_newest_revision_is_expected_unless_ecs_went_back_to_it(
    stack, folder, newer, history, status, chosen
):
    history(stack.definition, newer, status=status)
    found = gather(inquiry_of(Settings.read("poc", folder), stack.session))
    assert found.wanted == (stack.definition if chosen else newer)


@pytest.mark.parametrize("case", ["the only one", "a newer one was", "an older one runs"])
def test_revision_that_runs_is_expected_though_it_was_deregistered(
    stack, folder, newer, calls, case
):
    revisions = {each: {**_definition(each)} for each in (stack.definition, newer)}
    revisions[stack.definition]["status"] = "INACTIVE"
    if case == "a newer one was":
        # The newest that is left is older than the one that runs.
        revisions[newer]["taskDefinitionArn"] = f"{stack.definition.rpartition(':')[0]}:0"

    def answer(asked):
        name = asked["taskDefinition"]
        if name not in revisions and case == "the only one":
            raise AwsProblem("missing", verbatim("No."), verbatim("-"), "ClientException")
        return {"taskDefinition": revisions.get(name, revisions[newer])}

    calls.answers["describe_task_definition"] = answer
    found = gather(inquiry_of(Settings.read("poc", folder), stack.session))
    newest_counts = case == "an older one runs"
    assert found.wanted == (newer if newest_counts else stack.definition)
    named = "revision-deregistered" in {finding.id for finding in judge(found).findings}
    assert named is not newest_counts


def _definition(arn):
    return client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
