"""`./careapp run`: which task it starts, what it prints, and its exit code."""

import pytest

from i18n import verbatim
from ops import run_task
from ops.aws.errors import AwsProblem
from tests.ops import stacks as a
from tests.ops.conftest import NAMES
from tests.ops.one_off_answers import ARN, THROTTLED, asked_for, described, page, script, task


@pytest.fixture
def ecs(monkeypatch, stack):
    return script(monkeypatch, stack.session)


def test_the_command_runs_in_a_task_like_the_service_s(run, ecs, stack):
    code, _, said = run("run", "--", "flask", "--app", "webapp", "routes")
    assert code == 0
    [asked] = asked_for(ecs, "run_task")
    assert len(asked.pop("clientToken")) == 32
    assert asked == {
        "cluster": NAMES.cluster,
        "taskDefinition": stack.definition,
        "launchType": "FARGATE",
        "startedBy": "careapp-run",
        "networkConfiguration": asked["networkConfiguration"],
        "overrides": {
            "containerOverrides": [
                {"name": NAMES.container, "command": ["flask", "--app", "webapp", "routes"]}
            ]
        },
        "propagateTags": "TASK_DEFINITION",
    }
    assert set(asked["networkConfiguration"]["awsvpcConfiguration"]) == {
        "subnets", "securityGroups", "assignPublicIp"
    }  # fmt: skip
    assert said.splitlines() == [
        "ECS is starting a task of careapp-poc:1; on Fargate that takes about a minute.",
        "01234567 of careapp-poc:1: RUNNING",
        "01234567 of careapp-poc:1: STOPPED",
        "The command ended with exit code 0.",
    ]


def test_each_line_of_the_log_is_printed_once_and_the_exit_code_is_the_command_s(run, ecs):
    ecs[0]["describe_tasks"] = [described(task("RUNNING"))] * 2 + [described(task("STOPPED", 7))]
    missing = AwsProblem("missing", verbatim("No stream."), verbatim(""))
    ecs[0]["get_log_events"] = [
        *(missing, page("a", "one"), page("a"), THROTTLED),
        *(page("b", "two", "three"), page("b")),
    ]
    code, shown, _ = run("run", "--", "true")
    assert (code, shown) == (7, "one\ntwo\nthree\n")
    tokens = [each.get("nextToken") for each in asked_for(ecs, "get_log_events")]
    assert tokens[:6] == [None, None, "a", "a", "a", "b"]


def test_a_throttled_or_early_read_of_the_task_is_repeated(run, ecs):
    ecs[0]["describe_tasks"] = [described(), THROTTLED, described(task("STOPPED", 0))]
    assert run("run", "--", "true")[0] == 0


def test_a_read_that_is_throttled_later_does_not_end_the_wait(run, ecs, monkeypatch):
    monkeypatch.setattr(run_task, "VISIBLE_SECONDS", 0.2)
    monkeypatch.setattr(run_task, "POLL_SECONDS", 0.15)
    running = described(task("RUNNING"))
    ecs[0]["describe_tasks"] = [running, running, running, THROTTLED, described(task("STOPPED", 0))]
    assert run("run", "--", "true")[0] == 0


def test_a_task_that_ecs_no_longer_knows_ends_the_wait(run, ecs, monkeypatch):
    monkeypatch.setattr(run_task, "VISIBLE_SECONDS", 0.0)
    ecs[0]["describe_tasks"] = [described()]
    code, _, said = run("run", "--", "true")
    assert (code, f"ECS no longer knows the task {ARN}." in said) == (125, True)


def test_a_command_that_never_ran_has_the_reason_and_no_exit_code_of_its_own(run, ecs):
    why = "CannotPullContainerError: not found"
    ecs[0]["describe_tasks"] = [described(task("STOPPED", None, stoppedReason=why))]
    code, _, said = run("run", "--", "true")
    assert (code, said.splitlines()[-1]) == (125, f"The command did not run: {why}")


def test_a_task_that_ecs_cannot_place_is_refused_with_its_reason(run, ecs):
    ecs[0]["run_task"] = [{"tasks": [], "failures": [{"reason": "Capacity is unavailable"}]}]
    code, _, said = run("run", "--", "true")
    assert (code, said.splitlines()[-1]) == (
        125,
        "careapp: ECS started no task: Capacity is unavailable.",
    )


def test_ctrl_c_stops_the_task_and_waits_for_its_end(run, ecs):
    ecs[0]["describe_tasks"] = [
        *(described(task("RUNNING")), KeyboardInterrupt()),
        *(described(task("DEPROVISIONING")), described(task("STOPPED", 143))),
    ]
    code, _, said = run("run", "--", "sleep", "600")
    assert code == 130
    [stopped] = asked_for(ecs, "stop_task")
    assert stopped["task"] == ARN
    assert "Ctrl-C: ECS is stopping the task; the command has 30 s to end." in said
    assert "01234567 of careapp-poc:1: STOPPED" in said


def test_without_stage_2_run_is_refused(run, ecs, monkeypatch):
    ecs[0]["describe_services"] = [{"services": []}]
    code, _, said = run("run", "--", "true")
    assert code == 125
    assert f"There is no service {NAMES.service}" in said
    assert "`pulumi config set ecsEnabled true -s poc`" in said
    assert asked_for(ecs, "run_task") == []


def test_during_a_roll_out_the_serving_version_runs():
    old = a.deployment(status="ACTIVE", definition=a.OLD, running=1, rollout="COMPLETED")
    new = a.deployment(definition=a.NEW, running=1, rollout="IN_PROGRESS")
    service = a.service(definition=a.NEW, deployments=(new, old))
    assert run_task._running(service) == a.OLD
    assert run_task._running(a.service(definition=a.NEW, deployments=(new,))) == a.NEW
