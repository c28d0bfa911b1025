"""Pause and resume of a stack whose tasks a range or a schedule holds as well."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from i18n import Refused
from ops.pause import commands as screen
from ops.pause import steps
from ops.pause.state import ScalingRange
from ops.snapshot.rds import Pause
from tests.ops import simulated
from tests.ops import stacks as a
from tests.ops.simulated import BY_HOURS, FREE, HELD, RANGE, Simulated, interrupted, pause, resume

TOKYO = ZoneInfo("Asia/Tokyo")
NOON, NIGHT = (datetime(2026, 11, 25, hour, tzinfo=TOKYO) for hour in (12, 23))
OFFICE = {"schedule": "mon-fri 08:00-20:00", "scheduleTimeZone": "Asia/Tokyo"}
BY_DAY, BY_NIGHT = ScalingRange(2, 2, BY_HOURS), ScalingRange(0, 0, BY_HOURS)
WHY = (
    "it is outside of the hours mon-fri 08:00-20:00 (Asia/Tokyo), and the schedule starts the tasks"
)


def office(*, day, **values):
    """A stack with hours, as it stands by day or by night."""
    stands = {"count": 2, "scaled": BY_DAY} if day else {"count": 0, "scaled": BY_NIGHT}
    return Simulated(**{**stands, "at": NOON if day else NIGHT, **OFFICE, **values})


def told(pausable, now):
    pausable.session = type("Session", (), {"region": a.REGION})()
    return "\n".join(line.text for line in screen.lines(now, pausable))


@pytest.mark.parametrize("paused_by_day", [True, False])
def test_a_stack_comes_back_in_its_hours_whenever_it_was_paused(wait, paused_by_day):
    pausable = office(day=paused_by_day)
    pause(pausable, wait)
    pausable.at = NOON
    now = resume(pausable, wait)
    assert pausable.state() == (2, "available", BY_DAY, True, False)
    assert "runs: 2 of 2 tasks, all healthy" in told(pausable, now)


@pytest.mark.parametrize("paused_by_day", [True, False])
def test_outside_of_its_hours_only_its_database_comes_back_and_it_is_said_why(wait, paused_by_day):
    pausable = office(day=paused_by_day)
    pause(pausable, wait)
    pausable.at = NIGHT
    now = resume(pausable, wait)
    assert pausable.state() == (0, "available", BY_NIGHT, True, False)
    said = told(pausable, now)
    assert WHY in said
    assert "tasks, all healthy" not in said


def test_by_night_a_stack_that_is_not_paused_is_left_alone(wait):
    pausable = office(day=False)
    resume(pausable, wait)
    assert pausable.changes() == []
    running = office(day=False, count=1)
    resume(running, wait)
    assert running.changes() == []


def test_by_night_what_somebody_has_brought_back_runs_on_until_the_next_stop(wait):
    pausable = office(day=True)
    pause(pausable, wait)
    pausable.at, pausable.status, pausable.count = NIGHT, "available", 1
    resume(pausable, wait)
    assert pausable.state() == (1, "available", ScalingRange(0, 1, BY_HOURS), True, False)


def test_a_stack_with_hours_and_a_range_gets_its_range_back_and_no_more_tasks_than_that(wait):
    pausable = office(day=False, minCount="2", maxCount="4")
    pause(pausable, wait)
    pausable.at, pausable.pause = NOON, Pause(simulated.SINCE, 9)
    resume(pausable, wait)
    assert pausable.state()[:3] == (4, "available", ScalingRange(2, 4, BY_HOURS))
    assert ("count", 4) in pausable.changes()


def test_hours_that_the_stack_file_has_no_more_do_not_hold_the_tasks_at_nothing(wait):
    pausable = Simulated(count=0, scaled=BY_NIGHT, at=NIGHT, minCount="1", maxCount="4")
    pause(pausable, wait)
    resume(pausable, wait)
    assert pausable.state() == (2, "available", RANGE, True, False)


def test_a_range_of_somebody_s_own_stays_where_no_hours_are_declared(wait):
    own = replace(RANGE, high=8)
    pausable = Simulated(scaled=own, minCount="1", maxCount="4")
    pause(pausable, wait)
    resume(pausable, wait)
    assert pausable.scaled == own


@pytest.mark.parametrize("day", [True, False])
@pytest.mark.parametrize("again", [pause, resume])
def test_with_hours_too_any_interrupt_can_be_gone_on_from(wait, again, day):
    runs = (2, "available", BY_DAY, True, False) if day else (0, "available", BY_NIGHT, True, False)
    after, more = 0, True
    while more:
        pausable = office(day=not day)
        pause(pausable, wait)
        pausable.at = NOON if day else NIGHT
        more = interrupted(resume, pausable, wait, after)
        again(pausable, wait)
        if again is pause:
            assert steps.is_paused(pausable.read()), f"interrupted at call {after}"
            assert pausable.scaled.suspended == HELD
            resume(pausable, wait)
        assert pausable.state() == runs, f"interrupted at call {after}"
        after += 1
    assert after > 8


@pytest.mark.parametrize("late", [False, True])
def test_a_pause_takes_back_the_tasks_that_its_own_suspension_starts(wait, late):
    """Of a service that somebody has set to 0, AWS moves the count to the minimum."""
    pausable = Simulated(count=0, scaled=ScalingRange(2, 4, FREE))
    if late:
        _move_at_the_stop_of_the_database(pausable)
    now = pause(pausable, wait)
    assert (now.service.desired, now.left, now.database.status) == (0, (), "stopped")
    assert steps.is_paused(now)
    assert not pausable.alarm_actions


def _move_at_the_stop_of_the_database(pausable):
    """AWS does not say how soon it moves the count."""
    moved, pausable._register = pausable.count, lambda *_: None
    stop = pausable.call_rds

    def late(operation):
        stop(operation)
        pausable.count = 2 if moved == 0 else moved

    pausable.call_rds = late


def test_a_service_that_stays_at_nothing_is_never_said_to_run(wait):
    pausable = Simulated(count=0)
    pausable.set_desired_count = lambda count: pausable.record("count", count)
    with pytest.raises(Refused, match=r"After 15 minutes the service is set to run no task"):
        resume(pausable, wait)


def test_a_stack_file_that_wants_no_task_is_said_to(wait):
    pausable = Simulated(count=0, scaled=None, desiredCount="0")
    pause(pausable, wait)
    now = resume(pausable, wait)
    assert "no task runs: the stack file's desiredCount is 0" in told(pausable, now)


def test_a_stack_that_was_to_run_nothing_comes_back_as_the_stack_file_wants_it_now(wait):
    pausable = Simulated(count=0, scaled=None)
    pausable.pause = Pause(simulated.SINCE, 0)
    resume(pausable, wait)
    assert pausable.count == 2
