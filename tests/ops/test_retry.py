"""`./careapp retry`: what it changes on AWS, how it follows, and when it refuses."""

import boto3
import pytest

from i18n import verbatim
from ops.rollout import retry as retrying
from ops.rollout.verdict import End, Outcome, Verdict
from tests.ops import stacks as a
from tests.ops.conftest import NAMES, REGION

SETTINGS = {
    "healthPath": "/health", "healthMatcher": "200-299", "healthInterval": "20",
    "healthTimeout": "10", "healthyThreshold": "3", "unhealthyThreshold": "4",
    "healthGracePeriod": "90",
}  # fmt: skip


@pytest.fixture
def ended(monkeypatch):
    """The roll-out that a retry follows ends as the test says."""
    followed = []

    def end(outcome, text="It ended."):
        async def follow(_session, expected, *_rest, certainty):
            followed.append(expected)
            return End(Verdict(outcome=outcome, text=verbatim(text)), None)

        monkeypatch.setattr(retrying, "follow", follow)
        monkeypatch.setattr(retrying, "diagnosis", lambda *_: "THE DIAGNOSIS")
        return followed

    return end


@pytest.fixture
def updates(monkeypatch, stack):
    """The parameters of every UpdateService and ModifyTargetGroup."""
    made = []
    call = stack.session.__class__.call

    def noted(self, service, operation, /, **params):
        if operation in ("update_service", "modify_target_group"):
            made.append((operation, params))
        return call(self, service, operation, **params)

    monkeypatch.setattr(stack.session.__class__, "call", noted)
    return made


def declare(folder, **values):
    lines = "".join(f"  careapp:{key}: '{value}'\n" for key, value in values.items())
    (folder / "Pulumi.poc.yaml").write_text(f"config:\n  aws:region: {REGION}\n{lines}")


def test_the_newest_revision_is_deployed_anew_and_its_roll_out_followed(
    run, folder, ended, updates, stack
):
    declare(folder, healthGracePeriod="0")
    followed = ended(Outcome.RUNS, "careapp-poc:1 runs.")
    code, shown, complaint = run("retry")
    assert (code, complaint) == (0, "")
    assert shown == "ECS deploys careapp-poc:1 again.\ncareapp-poc:1 runs.\n"
    assert updates == [
        ("update_service",
         {"cluster": NAMES.cluster, "service": NAMES.service, "taskDefinition": stack.definition,
          "forceNewDeployment": True})
    ]  # fmt: skip
    assert [each.target_group for each in followed] == [stack.group]


def test_the_stack_file_s_health_check_and_grace_period_come_before_the_try(
    run, folder, ended, updates, stack
):
    ended(Outcome.RUNS)
    declare(folder, **SETTINGS)
    code, shown, _ = run("retry")
    assert code == 0
    assert "The health check of the target group gets healthMatcher 200-299" in shown
    assert "The service gets healthGracePeriod 90" in shown
    assert [name for name, _ in updates] == ["modify_target_group", "update_service"]
    assert updates[1][1]["healthCheckGracePeriodSeconds"] == 90
    elb = boto3.client("elbv2", region_name=REGION)
    group = elb.describe_target_groups(TargetGroupArns=[stack.group])["TargetGroups"][0]
    assert group["Matcher"] == {"HttpCode": "200-299"}
    assert (group["HealthCheckIntervalSeconds"], group["HealthCheckTimeoutSeconds"]) == (20, 10)
    assert (group["HealthyThresholdCount"], group["UnhealthyThresholdCount"]) == (3, 4)


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(run, folder, updates, stack):
    declare(folder, healthPath="/other")
    code, shown, _ = run("retry", "--dry-run")
    assert (code, updates) == (0, [])
    path = "The health check of the target group gets healthPath /other, as the stack file says."
    assert path in shown.splitlines()
    assert shown.splitlines()[-2:] == [
        "ECS deploys careapp-poc:1 again.",
        "--dry-run: nothing was changed.",
    ]


def test_a_try_that_fails_ends_with_the_cause_and_exit_code_1(run, ended, updates):
    ended(Outcome.GAVE_UP, "ECS gave careapp-poc:1 up.")
    code, _, complaint = run("retry")
    assert code == 1
    assert complaint.startswith("careapp: the roll-out failed: ECS gave careapp-poc:1 up.")
    assert "THE DIAGNOSIS" in complaint
    assert "  ./careapp retry -s poc" in complaint


def test_an_interrupt_leaves_the_roll_out_to_ecs_and_says_where_to_watch(run, monkeypatch, updates):
    async def follow(*_, certainty):
        raise KeyboardInterrupt

    monkeypatch.setattr(retrying, "follow", follow)
    code, _, complaint = run("retry")
    assert (code, updates[-1][0]) == (130, "update_service")
    assert "./careapp status -w -s poc" in complaint


def test_without_a_service_or_a_task_to_run_there_is_nothing_to_try(run, stack, updates):
    ecs = boto3.client("ecs", region_name=REGION)
    where = {"cluster": NAMES.cluster, "service": NAMES.service}
    ecs.update_service(**where, desiredCount=0)
    code, _, complaint = run("retry")
    assert (code, "desired count of the service" in complaint) == (1, True)
    ecs.update_service(**where, desiredCount=1)
    (code, _, complaint), done = run("retry", "--stack", "poc", "--dry-run"), list(updates)
    assert (code, complaint, done) == (0, "", [])


def test_every_declared_setting_of_the_health_check_has_a_parameter():
    check = {"healthPath": "/up", "healthMatcher": "204", "healthInterval": "20"}
    check |= {"healthTimeout": "7", "healthyThreshold": "7", "unhealthyThreshold": "7"}
    group = a.target_group()
    assert retrying._differing(a.choices(**check), group).keys() == retrying.PARAMETERS.keys()
