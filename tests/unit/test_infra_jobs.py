"""Jobs: who hears of a run that failed, or that was missed."""

from __future__ import annotations

import json

import pytest
from moto.events.models import EventPattern

from infra.jobs import Jobs, JobsArgs
from tests.unit.conftest import NAME, TAGS, service

RULE, TARGET = "aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/eventTarget:EventTarget"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
DECLARED = json.dumps({"report": {"command": "flask report", "schedule": "cron(0 3 * * ? *)"}})


@pytest.fixture
def build(declare):
    def jobs(topic):
        def part(settings):
            args = JobsArgs(settings=settings, service=service(settings), topic_arn=topic)
            return Jobs(NAME, args)

        return declare(part, jobs=DECLARED)

    return jobs


def stopped(code, **changes):
    """An event of a task with one container, as ECS sends it; the code of one that did not start is None."""
    detail = {
        "lastStatus": "STOPPED",
        "group": "family:careapp-poc-job-report",
        # moto compares with one object of a list, as the local cloud gives it.
        "containers": {"name": "app"} | ({} if code is None else {"exitCode": code}),
        **changes,
    }
    return {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail}


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        (stopped(0), False),
        (stopped(1), True),
        (stopped(124), True),
        (stopped(None), True),
        (stopped(None, lastStatus="RUNNING"), False),
        (stopped(1, group="service:careapp-poc-service"), False),
        (stopped(1, group="family:careapp-prod-job-report"), False),
        (stopped(1) | {"detail-type": "ECS Service Action"}, False),
    ],
)
def test_a_run_that_ends_otherwise_than_with_0_is_sent_to_the_topic(engine, build, event, heard):
    build("the-topic")
    [rule] = engine.inputs(RULE).values()
    assert EventPattern.load(rule["eventPattern"]).matches_event(event) is heard
    assert rule["tags"] == TAGS
    [target] = engine.inputs(TARGET).values()
    assert (target["arn"], target["rule"]) == ("the-topic", "careapp-poc-job-failed")


def test_the_message_names_the_exit_code_and_the_command_that_shows_the_log(engine, build):
    build("the-topic")
    [target] = engine.inputs(TARGET).values()
    text, paths = (
        target["inputTransformer"]["inputTemplate"],
        target["inputTransformer"]["inputPaths"],
    )
    assert json.loads(text) == (
        "A job failed at <at>: <group>, exit code <code> (none: it did not start). <reason> "
        "./careapp jobs logs NAME --stack poc shows its log: NAME is what follows careapp-poc-job-. "
        "./careapp doctor --stack poc names the cause."
    )
    assert paths == {
        "at": "$.time",
        "group": "$.detail.group",
        "code": "$.detail.containers[0].exitCode",
        "reason": "$.detail.stoppedReason",
    }


def test_a_run_that_eventbridge_scheduler_gives_up_is_an_alarm(engine, build):
    build("the-topic")
    alarm = engine.inputs(ALARM)["careapp-poc-jobs-missed"]
    known = ("namespace", "metricName", "dimensions", "statistic", "threshold", "treatMissingData")
    assert [alarm[each] for each in known] == [
        *("AWS/Scheduler", "InvocationDroppedCount", {"ScheduleGroup": "careapp-poc"}, "Sum"),
        *(0, "notBreaching"),
    ]
    assert (alarm["evaluationPeriods"], alarm["alarmActions"]) == (1, ["the-topic"])


def test_without_alarms_there_is_neither(engine, build):
    build(None)
    assert engine.inputs(RULE) == {}
    assert "careapp-poc-jobs-missed" not in engine.inputs(ALARM)
