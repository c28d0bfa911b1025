"""Pause and resume as commands, over an account of moto: words, refusals, data for scripts."""

import json

import boto3
import pytest

from tools.pause.state import SCALING, PausableStack, ScalingRange
from tools.snapshot.rds import Pause
from tools.tests import stacks as a
from tools.tests.conftest import NAMES, Terminal
from tools.tests.pause.simulated_stack import BY_HOURS, SINCE


@pytest.fixture
def pausable(stack, folder):
    return PausableStack(stack.session, NAMES, a.choices())


def test_every_call_is_understood_by_aws(pausable):
    scaling = boto3.client("application-autoscaling", region_name=a.REGION)
    where = {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{NAMES.cluster}/{NAMES.service}",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    assert pausable.read().suspended is None
    scaling.register_scalable_target(**where, MinCapacity=1, MaxCapacity=4)
    assert pausable.read().suspended is False
    pausable.suspend_scaling()
    pausable.tag_paused(pausable.read().database, Pause(SINCE, 3))
    pausable.set_desired_count(0)
    pausable.call_rds("stop_db_instance")
    alarms = boto3.client("cloudwatch", region_name=a.REGION)
    for name in NAMES.alarms_of_a_pause:
        alarms.put_metric_alarm(
            AlarmName=name, ComparisonOperator="LessThanThreshold", EvaluationPeriods=1,
            MetricName="m", Namespace="n", Period=60, Statistic="Minimum", Threshold=1,
        )  # fmt: skip
    told = []
    for rings in (False, True):
        pausable.set_alarm_actions(rings)
        told.append([each["ActionsEnabled"] for each in alarms.describe_alarms()["MetricAlarms"]])
    alarms.delete_alarms(AlarmNames=list(NAMES.alarms_of_a_pause))
    assert told == [[False, False], [True, True]]
    now = pausable.read()
    assert (now.suspended, now.pause, now.service.desired) == (True, Pause(SINCE, 3), 0)
    assert now.database.status == "stopped"
    [target] = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    assert target["SuspendedState"] == dict.fromkeys(SCALING, True)
    pausable.set_scaling(ScalingRange(2, 3, BY_HOURS))
    assert pausable.read().scaled == ScalingRange(2, 3, BY_HOURS)
    pausable.call_rds("start_db_instance")
    pausable.untag_paused(now.database)
    now = pausable.read()
    assert (now.pause, now.database.status) == (None, "available")
    pausable.set_desired_count(1)
    scaling.deregister_scalable_target(**where)


@pytest.mark.usefixtures("stack")
def test_without_a_terminal_pause_is_refused(run, pausable):
    code, shown, complaint = run("pause")
    assert (code, shown) == (1, "")
    assert (
        "pause asks for confirmation before it stops careapp-poc, but there is no terminal; use --yes"
        in (complaint)
    )
    assert pausable.read().database.status == "available"


@pytest.mark.usefixtures("stack")
def test_pause_without_consent_changes_nothing(run, pausable, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("n"))
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    code, shown, _ = run("pause")
    assert code == 1
    assert "careapp-poc in ap-northeast-1:" in shown
    assert "the database careapp-poc stops; its data stays" in shown
    assert pausable.read().pause is None


@pytest.mark.slow
@pytest.mark.usefixtures("stack")
def test_pause_prints_json_and_status_and_doctor_report_it(run, pausable, monkeypatch):
    monkeypatch.setenv("CAREAPP_POLL_SECONDS", "0.01")
    code, shown, progress = run("pause", "--yes", "--json")
    found = json.loads(shown)
    assert (code, found["paused"], found["count"], found["desired"]) == (0, True, 1, 0)
    assert found["database"] == "stopped"
    assert "the load balancer and its public addresses" in found["still_costs"]
    assert "stopping the database" in progress
    code, shown, _ = run("status")
    assert code == 0
    assert "Paused: since " in shown
    code, shown, _ = run("doctor")
    assert "The stack is paused" in shown
    assert "./careapp resume -s poc" in shown
    assert "The database is stopped" not in shown
    assert "set to run no task" not in shown
    code, shown, _ = run("preflight")
    assert "✗ The database is available" in shown


def test_an_interrupt_says_how_to_continue(run, monkeypatch, stack):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(PausableStack, "read", stopped)
    code, _, complaint = run("pause", "--yes")
    assert code == 130
    assert (
        "continue with `./careapp pause -s poc`, or go back with `./careapp resume -s poc`"
        in complaint
    )


def test_a_missing_stack_cannot_be_paused(run, account, monkeypatch):
    monkeypatch.setattr("tools.pause.state.overview", lambda *_: a.stack(database=None))
    code, _, complaint = run("pause", "--yes")
    assert code == 1
    assert "There is no database careapp-poc in ap-northeast-1" in complaint
