"""Pause and resume over an account of moto: what they change, in which order, and after an interrupt at any change."""

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from careapp.additions.parts import pauses
from careapp.additions.parts.jobs import switch_schedules
from careapp.additions.parts.pauses import Pause
from careapp.pause import processes, steps
from careapp.pause.processes import declared
from careapp.pause.steps import Pausable, check_pausable
from ecs_gate.aws.session import Session
from ecs_gate.parts import rds
from ecs_gate.text import Refused
from tests import stacks as a
from tests.calls import make
from tests.conftest import NAMES, client

SCHEDULE = {"schedule": "rate(1 day)", "command": "sh", "timeoutMinutes": 5}
CHOICES = {
    **{"desiredCount": "2", "minCount": "2", "maxCount": "4", "scaleCpuTarget": "60"},
    "databaseInstanceClass": "db.t4g.medium",
    "workers": json.dumps({"mail": {"command": "sh", "count": 3}}),
    "jobs": json.dumps({"report": SCHEDULE, "off": {**SCHEDULE, "enabled": False}}),
}
OFFICE = {"schedule": "sun 08:00-20:00", "scheduleTimeZone": "UTC"}
INSIDE, OUTSIDE = (datetime(2026, 11, 29, hour, tzinfo=UTC) for hour in (9, 22))
CHANGES = ("update", "register", "add", "remove", "stop", "start", "enable", "disable")
WEB, MAIL, OLD = NAMES.service, NAMES.worker("mail"), NAMES.worker("old")


class Interrupted(BaseException):
    """A Ctrl-C at the next change."""


@pytest.fixture(scope="module")
def deployed(stack):
    """A scaled web service, a worker and two jobs of the stack file, and one worker and job that it has no more."""
    make(client, Path(__file__).with_name("calls.json"), stack, names=NAMES)
    for name in NAMES.alarms_of_a_pause:
        client("cloudwatch").put_metric_alarm(
            AlarmName=name, ComparisonOperator="LessThanThreshold", EvaluationPeriods=1,
            MetricName="m", Namespace="n", Period=60, Statistic="Minimum", Threshold=1,
        )  # fmt: skip
    return stack


@pytest.fixture
def changes(monkeypatch):
    """What is changed at AWS; the change at which a command is interrupted is in ``at``."""

    class Made(list):
        at = None

    made, call = Made(), Session.call

    def noted(self, service, operation, /, **params):
        if operation.startswith(CHANGES):
            if made.at is not None and len(made) == made.at:
                raise Interrupted
            made.append((operation, params.get("desiredCount", params.get("MaxCapacity"))))
        return call(self, service, operation, **params)

    monkeypatch.setattr(Session, "call", noted)
    return made


@pytest.fixture
def pausable(deployed, wait, changes, monkeypatch):
    """The stack of that account, running; its tasks are healthy as soon as they are wanted."""
    monkeypatch.setattr(steps, "overview", lambda *_: a.stack())
    made = Pausable(deployed.session, a.choices(**CHOICES), wait)
    made.pause()
    made.resume()
    changes.clear()
    return made


def stands():
    """Counts, range and suspension, schedules, alarms' actions, the database and its tag."""
    found = client("ecs").describe_services(cluster=NAMES.cluster, services=[WEB, MAIL, OLD])
    [target] = client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")[
        "ScalableTargets"
    ]
    schedules = client("scheduler").list_schedules(GroupName=NAMES.prefix)["Schedules"]
    alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]
    [database] = client("rds").describe_db_instances()["DBInstances"]
    return (
        {service["serviceName"]: service["desiredCount"] for service in found["services"]},
        (target["MinCapacity"], target["MaxCapacity"], *target["SuspendedState"].values()),
        sorted(schedule["Name"] for schedule in schedules if schedule["State"] == "ENABLED"),
        {alarm["ActionsEnabled"] for alarm in alarms},
        (
            database["DBInstanceStatus"],
            pauses.read({tag["Key"]: tag["Value"] for tag in database["TagList"]}) is not None,
        ),
    )


PAUSED = ({WEB: 0, MAIL: 0, OLD: 0}, (0, 0, True, True, True), [], {False}, ("stopped", True))
RUNS = ({WEB: 2, MAIL: 3, OLD: 0}, (2, 4, False, False, True), ["report"], {True}, ("available", False))  # fmt: skip


def test_a_pause_tags_first_and_stops_the_database_last(pausable, changes):
    assert stands() == RUNS
    pausable.pause()
    assert (changes[0], changes[-1]) == (("add_tags_to_resource", None), ("stop_db_instance", None))
    assert (stands(), pausable.is_paused()) == (PAUSED, True)


def test_a_resume_starts_the_database_first_and_deletes_the_tag_last(pausable, changes):
    pausable.pause()
    changes.clear()
    pausable.resume()
    assert changes[0] == ("start_db_instance", None)
    assert changes[-1] == ("remove_tags_from_resource", None)
    # RegisterScalableTarget moves the count into the range: the count comes first.
    assert changes.index(("update_service", 2)) < changes.index(("register_scalable_target", 4))
    assert (stands(), pausable.is_paused()) == (RUNS, False)


@pytest.mark.slow
@pytest.mark.parametrize("again", [Pausable.pause, Pausable.resume])
@pytest.mark.parametrize("first", [Pausable.pause, Pausable.resume])
def test_after_an_interrupt_at_any_change_both_commands_work(pausable, changes, first, again):
    for at in range(100):
        if first == Pausable.resume:
            pausable.pause()
        changes.clear()
        changes.at = at
        try:
            first(pausable)
        except Interrupted:
            changes.at = None
        else:
            break
        again(pausable)
        if again == Pausable.pause:
            assert stands() == PAUSED, f"interrupted at {at}"
            pausable.resume()
        assert stands() == RUNS, f"interrupted at {at}"
    assert at > 6


def test_resume_of_a_running_stack_only_starts_what_somebody_set_to_0(pausable, changes):
    pausable.resume()
    assert changes == []
    client("ecs").update_service(cluster=NAMES.cluster, service=WEB, desiredCount=0)
    pausable.resume()
    assert stands() == RUNS


def test_a_schedule_is_otherwise_as_it_was(deployed, pausable):
    """UpdateSchedule replaces what it is not given by defaults (API reference)."""
    place = {"GroupName": NAMES.prefix, "Name": "report"}
    kept = {"ScheduleExpressionTimezone", "Target", "ScheduleExpression", "FlexibleTimeWindow"}
    before = client("scheduler").get_schedule(**place)
    switch_schedules(deployed.session, NAMES, ())
    after = client("scheduler").get_schedule(**place)
    assert after["State"] == "DISABLED"
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}


@pytest.mark.parametrize(
    ("choices", "at", "web", "worker", "scheduled"),
    [
        ({}, OUTSIDE, (2, 4), 3, True),
        (OFFICE, INSIDE, (2, 4), 3, False),
        (OFFICE, OUTSIDE, (0, 0), 0, False),
        ({"minCount": "1", "maxCount": "0", "scaleCpuTarget": "60"}, INSIDE, (2, 2), 3, True),
    ],
)
def test_counts_are_those_of_the_stack_file_at_this_time(choices, at, web, worker, scheduled):
    found = declared(a.choices(**{**CHOICES, **choices}), at)
    assert (found[WEB].low, found[WEB].high) == web
    assert found[MAIL].low == worker
    assert found[WEB].suspended[processes.SCHEDULED] is scheduled


def test_stage_1_has_a_database_only(account, wait):
    session = Session(account)
    empty = Pausable(session, replace(a.choices(), stack="dev"), wait)
    assert (empty.services(), empty._stop_tasks()) == ({}, None)
    switch_schedules(session, empty.settings.names, ())


def test_tasks_are_waited_for_before_their_database_stops(pausable, monkeypatch, changes):
    stopping = [a.task(status="DEACTIVATING"), a.task(status="STOPPED")]
    looks = iter([stopping, stopping, stopping[1:]])
    monkeypatch.setattr(steps.ecs, "tasks_of", lambda *_: next(looks))
    pausable.pause()
    assert ("stop_db_instance", None) in changes
    assert next(looks, None) is None
    monkeypatch.setattr(steps.ecs, "tasks_of", lambda *_: stopping)
    monkeypatch.setattr(steps, "TASKS_MINUTES", 0.1)
    with pytest.raises(Refused, match="min tasks still to stop: 1; "):
        pausable.pause()


def test_a_busy_database_is_stopped_when_it_is_available_again(pausable, monkeypatch, changes):
    statuses = iter(["available", "backing-up", "modifying", "available", "stopping", "stopped"])
    found = rds.database(pausable.session, NAMES.database, full=False)
    monkeypatch.setattr(
        steps.rds, "database", lambda *_, **__: a.database(status=next(statuses), arn=found.arn)
    )
    pausable.pause()
    assert [name for name, _ in changes].count("stop_db_instance") == 1


@pytest.mark.parametrize(
    ("status", "kept", "protected", "refused"),
    [
        ("available", "final", False, "can be paused only while it is protected: .*Nothing was c"),
        ("available", "final", True, ""),
        ("available", "", False, ""),
        ("failed", "", False, "careapp-poc is failed, which does not change without action"),
    ],
)
def test_a_database_that_cannot_be_stopped_or_deleted_is_refused(status, kept, protected, refused):
    database = a.database(status=status, protected=protected)
    with pytest.raises(Refused, match=refused) if refused else nullcontext():
        check_pausable(database, a.choices(databaseFinalSnapshot=kept))


def test_the_tag_holds_a_pause_by_aws_s_clock_also_one_that_a_person_changed(monkeypatch):
    monkeypatch.setattr(pauses.local_cloud, "now", lambda: INSIDE)
    pause = Pause.now()
    assert pauses.read(pause.tags) == pause == Pause(INSIDE)
    assert pauses.read({pauses.AT: "today"}).since.year == 1970
    assert pauses.read({"Name": "x"}) is None
