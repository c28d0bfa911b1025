"""A task of RunTask: `./careapp run`, and `deployCommand` as `pulumi up` runs it."""

import asyncio
import os
import signal

import pytest

from careapp import single_task
from careapp.update import deploy_command
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.pulumi import RolloutFailed
from ecs_gate.text import t, verbatim
from tests import stacks as a
from tests.conftest import NAMES, Told, client

ARN = "arn:aws:ecs:ap-northeast-1:123456789012:task/careapp-poc-cluster/0123456789abcdef"
THROTTLED = AwsProblem("throttled", verbatim("Slow down."), verbatim("Wait."))


def task(status, code=None, **change):
    container = {"name": NAMES.container, "lastStatus": status}
    container |= {} if code is None else {"exitCode": code}
    definition = "arn:x:task-definition/careapp-poc:1"
    return {
        "taskArn": ARN, "taskDefinitionArn": definition, "lastStatus": status,
        "desiredStatus": "RUNNING", "containers": [container], **change,
    }  # fmt: skip


def described(*tasks):
    return {"tasks": list(tasks), "failures": []}


def stopped(code, why="Essential"):
    return described(task("STOPPED", code, stoppedReason=why))


RUNNING, ENDED = described(task("RUNNING")), stopped(0)
NOT_PLACED = {"run_task": {"tasks": [], "failures": [{"reason": "Capacity is unavailable"}]}}
NOT_FOUND = "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"
NEVER_RAN = {"describe_tasks": [stopped(None, NOT_FOUND)]}


def page(token, *lines):
    return {"events": [{"message": line} for line in lines], "nextForwardToken": token}


@pytest.fixture
def ecs(calls, monkeypatch, stack, folder):
    """ECS and the log by prepared answers, and what was asked."""
    monkeypatch.setattr(single_task, "POLL_SECONDS", 0.0)
    calls.answers |= {
        "run_task": {"tasks": [task("PROVISIONING")], "failures": []},
        "describe_tasks": [RUNNING, ENDED],
        "get_log_events": page("end"),
        "stop_task": {"task": task("STOPPED")},
    }
    return calls


def test_the_command_runs_in_a_task_like_the_service_s(run, ecs, stack):
    code, _, said = run("run", "--", "flask", "--app", "webapp", "routes")
    assert code == 0
    [asked] = ecs.of("run_task")
    assert len(asked.pop("clientToken")) == 32
    network = asked.pop("networkConfiguration")["awsvpcConfiguration"]
    assert network.keys() == {"subnets", "securityGroups", "assignPublicIp"}
    override = {"name": NAMES.container, "command": ["flask", "--app", "webapp", "routes"]}
    assert asked == {
        "cluster": NAMES.cluster,
        "taskDefinition": stack.definition,
        "launchType": "FARGATE",
        "startedBy": "careapp-run",
        "overrides": {"containerOverrides": [override]},
        "propagateTags": "TASK_DEFINITION",
    }
    assert said.splitlines() == [
        "ECS is starting a task of careapp-poc:1; on Fargate that takes about a minute.",
        "01234567 of careapp-poc:1: RUNNING",
        "01234567 of careapp-poc:1: STOPPED",
        "The command ended with exit code 0.",
    ]


def test_each_line_of_the_log_is_printed_once_and_the_exit_code_is_the_command_s(run, ecs):
    ecs.answers["describe_tasks"] = [RUNNING, RUNNING, stopped(7)]
    missing = AwsProblem("missing", verbatim("No stream."), verbatim(""))
    ecs.answers["get_log_events"] = [
        *(missing, page("a", "one"), page("a"), THROTTLED),
        *(page("b", "two", "three"), page("b")),
    ]
    code, shown, _ = run("run", "--", "true")
    assert (code, shown) == (7, "one\ntwo\nthree\n")
    tokens = [call.get("nextToken") for call in ecs.of("get_log_events")]
    assert tokens[:6] == [None, None, "a", "a", "a", "b"]


@pytest.mark.parametrize(
    ("given", "code", "last"),
    [
        ({"describe_tasks": [described(), THROTTLED, ENDED]}, 0, "The command ended with exit code 0."),
        (NEVER_RAN, 125, f"The command did not run: {NOT_FOUND}"),
        (NOT_PLACED, 125, "careapp: ECS started no task: Capacity is unavailable."),
    ],
    ids=["read early or throttled", "never ran", "not placed"],
)  # fmt: skip
def test_run_says_how_it_ended_with_its_exit_code(run, ecs, given, code, last):
    ecs.answers |= given
    found, _, said = run("run", "--", "true")
    assert (found, said.splitlines()[-1]) == (code, last)


def test_task_that_ecs_no_longer_knows_ends_the_wait(run, ecs, monkeypatch):
    monkeypatch.setattr(single_task, "VISIBLE_SECONDS", 0.0)
    ecs.answers["describe_tasks"] = [described()]
    code, _, said = run("run", "--", "true")
    assert (code, f"ECS no longer knows the task {ARN}." in said) == (125, True)


@pytest.mark.slow
def test_ctrl_c_stops_the_task_and_waits_for_its_end(run, ecs):
    ends = described(task("DEPROVISIONING"))
    ecs.answers["describe_tasks"] = [RUNNING, KeyboardInterrupt(), RUNNING, ends, stopped(143)]
    lines = {None: page("a", "one", "two"), "a": page("a")}
    ecs.answers["get_log_events"] = [lambda params: lines[params.get("nextToken")]]
    code, shown, said = run("run", "--", "sleep", "600")
    assert code == 130
    assert (shown, said.count(": RUNNING")) == ("one\ntwo\n", 1)
    assert [call["task"] for call in ecs.of("stop_task")] == [ARN]
    assert "Ctrl-C: ECS is stopping the task; the command has 30 s to end." in said
    assert "01234567 of careapp-poc:1: STOPPED" in said


@pytest.mark.parametrize(
    ("enabled", "way"),
    [
        ("false", "stage 2 is off. `pulumi config set ecsEnabled true -s poc`, then `pulumi up"),
        # A deployCommand that failed, for example: the service comes after it.
        (
            "true",
            "the `pulumi up` that makes it has not come so far. See `./careapp doctor -s poc`",
        ),
    ],
)
def test_without_a_service_run_is_refused(run, ecs, folder, enabled, way):
    ecs.answers["describe_services"] = {"services": []}
    file = folder / "Pulumi.poc.yaml"
    file.write_text(file.read_text().replace("ecsEnabled: 'true'", f"ecsEnabled: '{enabled}'"))
    code, _, said = run("run", "--", "true")
    assert code == 125
    assert f"There is no service {NAMES.service}" in said
    assert way in said
    assert ecs.of("run_task") == []


NO_DATABASE = (
    "The database careapp-poc is stopped, and the command would run without it: "
    "`./careapp resume -s poc` first."
)


def test_command_is_refused_while_the_stack_is_paused(run, ecs, up):
    client("rds").stop_db_instance(DBInstanceIdentifier=NAMES.database)
    code, _, said = run("run", "--", "true")
    assert (code, said) == (125, f"careapp: {NO_DATABASE}\n")
    assert red(up) == NO_DATABASE
    client("rds").start_db_instance(DBInstanceIdentifier=NAMES.database)
    assert ecs.of("run_task") == []


def test_during_a_roll_out_the_serving_version_runs():
    old = a.deployment(status="ACTIVE", definition=a.OLD, running=1, rollout="COMPLETED")
    new = a.deployment(definition=a.NEW, running=1, rollout="IN_PROGRESS")
    service = a.service(definition=a.NEW, deployments=(new, old))
    assert single_task._running(service) == a.OLD
    assert single_task._running(a.service(definition=a.NEW, deployments=(new,))) == a.NEW


NETWORK = {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}
OLD, NEW = {"taskDefinition": "careapp-poc:1"}, {"taskDefinition": "careapp-poc:2"}
AFTER = "\n\nThe service was not changed. The next `pulumi up` runs the command again."
HOW = "flask 'db upgrade' ended with exit code {} in 01234567 of careapp-poc:1: "
NO_ROLE = AwsProblem(
    "refused", verbatim("AWS refused ecs run_task."), verbatim("Try again."), "ClientException",
    "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/x' that was provided",
)  # fmt: skip


@pytest.fixture
def log():
    return Told()


@pytest.fixture
def up(ecs, stack, log):
    """Run the command as the hook does, with the inputs of the ECS service."""
    network = NETWORK | {"assignPublicIp": True}
    inputs = {"cluster": NAMES.cluster, "taskDefinition": stack.definition}

    def run(**settings):
        chosen = a.choices(deployCommand="flask 'db upgrade'", **settings)
        given = inputs | {"networkConfiguration": network}
        return asyncio.run(deploy_command._run(chosen, given, log))

    return run


def red(up, **settings):
    with pytest.raises(RolloutFailed) as failed:
        up(**settings)
    said = str(failed.value)
    assert said.endswith(AFTER)
    return said.removesuffix(AFTER)


@pytest.mark.parametrize(
    ("old", "new", "due"), [(None, NEW, True), (OLD, NEW, True), (NEW, NEW | {"x": 1}, False)]
)
def test_it_is_due_with_a_new_service_and_with_another_task_definition(old, new, due):
    assert deploy_command.gets_another_definition(old, new) is due


def test_a_command_that_succeeds_is_one_line_that_stays(up, ecs, log, stack):
    ecs.answers["get_log_events"] = [page("a", "one"), page("a")]
    up()
    [asked] = ecs.of("run_task")
    assert (asked["taskDefinition"], asked["startedBy"]) == (stack.definition, "careapp-deploy")
    network = asked["networkConfiguration"]["awsvpcConfiguration"]
    assert network == NETWORK | {"assignPublicIp": "ENABLED"}
    [override] = asked["overrides"]["containerOverrides"]
    options = [{"name": "PGOPTIONS", "value": TEN}]
    assert override == {"name": "app", "command": ["flask", "db upgrade"], "environment": options}
    where = "01234567 of careapp-poc:1"
    assert log.moments == [f"{where}: RUNNING", "one", f"{where}: STOPPED"]
    assert log.lastings == [f"deployCommand: flask 'db upgrade' ended with exit code 0 in {where}"]


TEN = "-c lock_timeout=10s"


@pytest.mark.parametrize(
    ("definition", "options"),
    [
        ({}, TEN),
        ({"environment": {"PGOPTIONS": "-c lock_timeout=1min"}}, f"{TEN} -c lock_timeout=1min"),
        ({"secrets": {"PGOPTIONS": "arn:x"}}, None),
    ],
)
def test_lock_timeout_stands_before_the_app_s_own_options(definition, options):
    found = deploy_command.with_lock_timeout(a.definition(**definition))
    assert found.get("PGOPTIONS") == options


def test_a_lock_of_another_session_is_named_with_the_way_out(up, ecs):
    ecs.answers["describe_tasks"] = [stopped(1)]
    why = "another session's open transaction held a lock"
    for line, named in (("LockNotAvailable: canceling statement due to lock timeout", True),
                        ("canceling statement due to statement timeout", False)):  # fmt: skip
        ecs.answers["get_log_events"] = [page("a", line), page("a")]
        assert (why in red(up).lower()) is named


def test_command_that_fails_is_red_with_its_last_lines(up, ecs, log):
    ecs.answers["describe_tasks"] = [stopped(3, "Essential container in task exited")]
    ecs.answers["get_log_events"] = [
        page("a", *(f"line {number}" for number in range(12))),
        page("a"),
    ]
    lines = "".join(f"\n  line {number}" for number in range(2, 12))
    assert red(up) == (
        f"{HOW.format(3)}Essential container in task exited\nThe last lines of its log:{lines}"
    )
    assert log.lastings == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (NEVER_RAN, f"01234567 of careapp-poc:1 did not run flask 'db upgrade': {NOT_FOUND}"),
        (NOT_PLACED, "ECS started no task: Capacity is unavailable."),
        ({"run_task": {}}, "KeyError: 'failures'"),  # a mistake of ours
    ],
    ids=["never ran", "not placed", "a mistake"],
)
def test_command_that_does_not_run_is_red(up, ecs, given, why):
    ecs.answers |= given
    assert red(up) == why


def test_a_command_that_does_not_end_is_stopped_at_the_limit(up, ecs, monkeypatch):
    monkeypatch.setenv("LOCAL_CLOUD_SPEED", "1000000000")
    ecs.answers["describe_tasks"] = [RUNNING] * 3 + [ENDED]
    late = "it had not ended after 2 min (rolloutTimeoutMinutes)"
    assert red(up, rolloutTimeoutMinutes="2") == HOW.format(0) + late
    [end] = ecs.of("stop_task")
    assert (end["task"], end["reason"]) == (ARN, late)


def test_an_interrupt_stops_the_task(up, ecs, log, monkeypatch):
    monkeypatch.setattr(single_task, "POLL_SECONDS", 0.05)
    ecs.answers["describe_tasks"] = [RUNNING] * 20 + [stopped(143)]
    log.heard = lambda line: "RUNNING" in line and os.kill(os.getpid(), signal.SIGINT)
    assert red(up) == f"{HOW.format(143)}`pulumi up` was interrupted"
    assert len(ecs.of("stop_task")) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_role_that_is_too_new_is_waited_for(up, ecs, log, monkeypatch):
    ecs.answers["run_task"] = [NO_ROLE, NO_ROLE, ecs.answers["run_task"]]
    up()
    assert log.moments[:2] == ["ECS does not know the new role yet; trying again"] * 2
    monkeypatch.setattr(deploy_command, "ROLE_SECONDS", 0.0)
    ecs.answers["run_task"] = NO_ROLE
    ecs.clear()
    assert red(up) == "AWS refused ecs run_task. Try again."
    assert len(ecs.of("run_task")) == 1


def test_the_task_of_an_interrupted_up_is_stopped_first(up, ecs):
    ecs.answers["list_tasks"] = {"taskArns": [f"{ARN}-left"]}
    ecs.answers["describe_tasks"] = [stopped(143), ENDED]
    up()
    assert ecs.of("list_tasks") == [{"cluster": NAMES.cluster, "startedBy": "careapp-deploy"}]
    order = [(name, params.get("task")) for name, params in ecs if name.endswith("_task")]
    assert order == [("stop_task", f"{ARN}-left"), ("run_task", None)]


def test_the_log_of_deploy_command_is_masked_or_says_what_is_not():
    asked, shown = [], []
    refused = AwsProblem("denied", t("No permission for x."), t("Patterns alone mask it."))

    def learn():
        asked.append(len(shown))
        return refused

    run = deploy_command.CommandRun(None, ("x",), 1, 1.0, shown.append, learn=learn)
    assert str(run._with_lines(t("it failed"))) == "it failed"
    run._show("a line")
    assert (asked, str(shown[0])) == ([0], "a line"), "the values are read before the line is shown"
    assert str(run._with_lines(t("it failed"))) == (
        "it failed\nThe last lines of its log:\n  a line\nNo permission for x. Patterns alone mask it."
    )
