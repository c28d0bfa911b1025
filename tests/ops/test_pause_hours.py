"""Pause and resume of a stack whose tasks a range or a schedule holds as well."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from i18n import Refused
from ops.pause import commands as screen
from ops.pause import pausing
from ops.pause.standing import Scaled
from ops.snapshot.rds import Pause
from tests.ops import simulated
from tests.ops import stacks as a
from tests.ops.simulated import BY_HOURS, FREE, HELD, RANGE, Simulated, back, halt, interrupted

TOKYO = ZoneInfo("Asia/Tokyo")
NOON, NIGHT = (datetime(2026, 11, 25, hour, tzinfo=TOKYO) for hour in (12, 23))
OFFICE = {"schedule": "mon-fri 08:00-20:00", "scheduleTimeZone": "Asia/Tokyo"}
BY_DAY, BY_NIGHT = Scaled(2, 2, BY_HOURS), Scaled(0, 0, BY_HOURS)
WHY = (
    "it is outside of the hours mon-fri 08:00-20:00 (Asia/Tokyo), and the schedule starts the tasks"
)


def office(*, day, **values):
    """A stack with hours, as it stands by day or by night."""
    stands = {"count": 2, "scaled": BY_DAY} if day else {"count": 0, "scaled": BY_NIGHT}
    return Simulated(**{**stands, "at": NOON if day else NIGHT, **OFFICE, **values})


def told(station, now):
    station.session = type("Session", (), {"region": a.REGION})()
    return "\n".join(line.text for line in screen.lines(now, station))


@pytest.mark.parametrize("paused_by_day", [True, False])
def test_a_stack_comes_back_in_its_hours_whenever_it_was_paused(wait, paused_by_day):
    station = office(day=paused_by_day)
    halt(station, wait)
    station.at = NOON
    now = back(station, wait)
    assert station.state() == (2, "available", BY_DAY, True, False)
    assert "runs: 2 of 2 tasks, all healthy" in told(station, now)


@pytest.mark.parametrize("paused_by_day", [True, False])
def test_outside_of_its_hours_only_its_database_comes_back_and_it_is_said_why(wait, paused_by_day):
    station = office(day=paused_by_day)
    halt(station, wait)
    station.at = NIGHT
    now = back(station, wait)
    assert station.state() == (0, "available", BY_NIGHT, True, False)
    said = told(station, now)
    assert WHY in said
    assert "tasks, all healthy" not in said


def test_by_night_a_stack_that_is_not_paused_is_left_alone(wait):
    station = office(day=False)
    back(station, wait)
    assert station.changes() == []
    running = office(day=False, count=1)
    back(running, wait)
    assert running.changes() == []


def test_by_night_what_somebody_has_brought_back_runs_on_until_the_next_stop(wait):
    station = office(day=True)
    halt(station, wait)
    station.at, station.status, station.count = NIGHT, "available", 1
    back(station, wait)
    assert station.state() == (1, "available", Scaled(0, 1, BY_HOURS), True, False)


def test_a_stack_with_hours_and_a_range_gets_its_range_back_and_no_more_tasks_than_that(wait):
    station = office(day=False, minCount="2", maxCount="4")
    halt(station, wait)
    station.at, station.pause = NOON, Pause(simulated.SINCE, 9)
    back(station, wait)
    assert station.state()[:3] == (4, "available", Scaled(2, 4, BY_HOURS))
    assert ("scale", 4) in station.changes()


def test_hours_that_the_stack_file_has_no_more_do_not_hold_the_tasks_at_nothing(wait):
    station = Simulated(count=0, scaled=BY_NIGHT, at=NIGHT, minCount="1", maxCount="4")
    halt(station, wait)
    back(station, wait)
    assert station.state() == (2, "available", RANGE, True, False)


def test_a_range_of_somebody_s_own_stays_where_no_hours_are_declared(wait):
    own = replace(RANGE, high=8)
    station = Simulated(scaled=own, minCount="1", maxCount="4")
    halt(station, wait)
    back(station, wait)
    assert station.scaled == own


@pytest.mark.parametrize("day", [True, False])
@pytest.mark.parametrize("again", [halt, back])
def test_with_hours_too_any_interrupt_can_be_gone_on_from(wait, again, day):
    runs = (2, "available", BY_DAY, True, False) if day else (0, "available", BY_NIGHT, True, False)
    after, more = 0, True
    while more:
        station = office(day=not day)
        halt(station, wait)
        station.at = NOON if day else NIGHT
        more = interrupted(back, station, wait, after)
        again(station, wait)
        if again is halt:
            assert pausing.done(station.look()), f"interrupted at call {after}"
            assert station.scaled.suspended == HELD
            back(station, wait)
        assert station.state() == runs, f"interrupted at call {after}"
        after += 1
    assert after > 8


@pytest.mark.parametrize("late", [False, True])
def test_a_pause_takes_back_the_tasks_that_its_own_suspension_starts(wait, late):
    """Of a service that somebody has set to 0, AWS moves the count to the minimum."""
    station = Simulated(count=0, scaled=Scaled(2, 4, FREE))
    if late:
        _move_at_the_stop_of_the_database(station)
    now = halt(station, wait)
    assert (now.service.desired, now.left, now.database.status) == (0, (), "stopped")
    assert pausing.done(now)
    assert not station.rings


def _move_at_the_stop_of_the_database(station):
    """AWS does not say how soon it moves the count."""
    moved, station._register = station.count, lambda *_: None
    stop = station.database

    def late(operation):
        stop(operation)
        station.count = 2 if moved == 0 else moved

    station.database = late


def test_a_service_that_stays_at_nothing_is_never_said_to_run(wait):
    station = Simulated(count=0)
    station.scale = lambda count: station.happen("scale", count)
    with pytest.raises(Refused, match=r"After 15 minutes the service is set to run no task"):
        back(station, wait)


def test_a_stack_file_that_wants_no_task_is_said_to(wait):
    station = Simulated(count=0, scaled=None, desiredCount="0")
    halt(station, wait)
    now = back(station, wait)
    assert "no task runs: the stack file's desiredCount is 0" in told(station, now)


def test_a_stack_that_was_to_run_nothing_comes_back_as_the_stack_file_wants_it_now(wait):
    station = Simulated(count=0, scaled=None)
    station.pause = Pause(simulated.SINCE, 0)
    back(station, wait)
    assert station.count == 2
