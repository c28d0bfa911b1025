"""A task definition that ECS never got, because its deployCommand failed: what the doctor and `retry` say of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stack.settings import Settings
from tools.doctor.checks import connections
from tools.snapshot import gather
from tools.snapshot.records import Part
from tools.tests import stacks as a
from tools.tests.conftest import client
from tools.tests.doctor.situations import (
    COMMAND,
    command_task,
    findings,
    kinds,
    not_deployed,
    rules,
)

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
def history(monkeypatch, stack, calls):
    """What ECS tells of its deployments: those of the given task definitions, twenty revisions at once."""
    call = stack.session.__class__.call

    def put(*definitions, status="SUCCESSFUL"):
        known = {f"{DEPLOYED}/{number}": each for number, each in enumerate(definitions)}

        def scripted(self, service, operation, /, **params):
            if operation == "list_service_deployments":
                row = {"createdAt": a.NOW, "status": status}
                rows = [{"targetServiceRevisionArn": arn, **row} for arn in known]
                return {"serviceDeployments": rows}
            if operation == "describe_service_revisions":
                chosen = params["serviceRevisionArns"]
                assert len(chosen) <= 20
                return {"serviceRevisions": [{"taskDefinition": known[arn]} for arn in chosen]}
            return call(self, service, operation, **params)

        monkeypatch.setattr(stack.session.__class__, "call", scripted)
        return calls

    return put


def changes(asked):
    return [params for operation, params in asked if operation == "update_service"]


def test_retry_refuses_a_revision_that_ecs_never_got(run, stack, newer, history):
    asked = history(*[stack.definition] * 45)
    code, shown, complaint = run("retry")
    assert (code, shown, changes(asked)) == (1, "", [])
    assert complaint == (
        f"careapp: ECS was never told to deploy {newer.rpartition('/')[2]}, so there is nothing to try "
        "again: `pulumi up` ended before it changed the service, as it does when deployCommand fails. "
        "`pulumi up -s poc` runs deployCommand and deploys.\n"
    )


def test_retry_tries_what_ecs_has_given_up(run, stack, newer, history):
    history(*[stack.definition] * 30, newer)
    code, shown, _ = run("retry", "--dry-run")
    assert (code, f"ECS deploys {newer.rpartition('/')[2]} again." in shown) == (0, True)


def test_the_first_cause_is_the_failed_command_with_its_last_lines():
    lines = ["Running upgrade 1 -> 2", "psycopg.errors.UndefinedColumn: column x does not exist"]
    [found] = findings(not_deployed(command_task(3), logs=a.logs(b=lines)))
    assert (found.id, found.kind, found.evidence) == (
        "deploy-command-failed", "cause", tuple(lines),
    )  # fmt: skip
    assert str(found.title) == f"deployCommand ended with exit code 3: {COMMAND}"
    assert [each.commands for each in found.fixes] == [("pulumi up -s poc",)]


def test_a_command_that_waited_for_a_lock_has_a_way_out():
    lines = ["psycopg.errors.LockNotAvailable: canceling statement due to lock timeout"]
    settings = a.choices(deployCommand=COMMAND, bastionEnabled="true")
    [found] = findings(not_deployed(command_task(1), settings=settings, logs=a.logs(b=lines)))
    assert "It waited for a lock" in str(found.seen[-1])
    ask, end = found.fixes[0].commands
    assert (connections.OPEN in ask, connections.END_OPEN in end) == (True, True)
    assert (found.fixes[1].commands, found.fixes[1].then) == (("pulumi up -s poc",), True)


def test_a_cause_below_the_command_comes_first_and_no_command_is_a_retry():
    found = findings(not_deployed(command_task(), network=rules(db_in=())))
    assert [(each.id, each.kind) for each in found] == [
        ("task-cannot-reach-database", "cause"),
        ("deploy-command-failed", "consequence"),
    ]
    assert not [each for fix in found[0].fixes for each in fix.commands if "retry" in each]


def test_a_command_that_ecs_could_not_start_has_no_exit_code():
    task = command_task(None, name="b" * 32)
    [found] = findings(not_deployed(task))
    assert str(found.title) == f"deployCommand did not run: {COMMAND}"


@pytest.mark.parametrize(
    ("commands", "kind"),
    [((), "cause"), ((command_task(0),), "cause"), ((a.task(started_by="careapp-deploy"),), "note")],
    ids=["forgotten after an hour", "succeeded", "still running"],
)  # fmt: skip
def test_without_a_failed_task_only_that_ecs_never_got_it_is_said(commands, kind):
    [found] = findings(not_deployed(*commands))
    assert (found.id, found.kind) == ("not-deployed", kind)
    assert str(found.title) == "ECS was never told to deploy careapp-poc:7"


def test_events_of_the_version_that_runs_are_not_quoted_for_one_that_ecs_never_got():
    snapshot = not_deployed()
    service = replace(snapshot.service.value, events=(a.failed_check(),))
    assert kinds(replace(snapshot, service=Part(service))) == [("not-deployed", "cause")]


def test_before_the_first_roll_out_the_command_is_named_and_not_the_missing_service():
    first = a.stage1(
        a.choices(deployCommand=COMMAND), command_tasks=(command_task(),), logs=a.logs(b=["no"])
    )
    [found] = findings(first)
    assert (found.id, found.evidence) == ("deploy-command-failed", ("no",))


def test_the_record_is_read_only_where_the_service_runs_another_revision(
    stack, folder, newer, history
):
    asked = history(stack.definition)
    settings = Settings.read("poc", folder)
    found = gather(settings, stack.session)
    assert (found.was_deployed, found.command_tasks) == (Part(False), Part(None))
    assert gather(settings, stack.session, stack.definition).was_deployed == Part(None)
    (folder / "Pulumi.poc.yaml").write_text(
        f"config:\n  aws:region: ap-northeast-1\n  careapp:deployCommand: {COMMAND}\n"
    )
    read = gather(Settings.read("poc", folder), stack.session)
    assert read.command_tasks == Part(())
    families = [each for _, each in asked if "family" in each and "desiredStatus" in each]
    assert [each["desiredStatus"] for each in families] == ["RUNNING", "STOPPED"]
    assert all("startedBy" not in each for each in families)


@pytest.mark.parametrize(
    ("status", "chosen"), [("SUCCESSFUL", True), ("ROLLBACK_SUCCESSFUL", False)]
)
def test_what_was_deployed_after_the_newest_revision_is_expected_unless_ecs_went_back_to_it(
    stack, folder, newer, history, status, chosen
):
    history(stack.definition, newer, status=status)
    found = gather(Settings.read("poc", folder), stack.session)
    assert found.wanted == (stack.definition if chosen else newer)
