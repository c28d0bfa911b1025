"""When doctor may say healthy: a roll-out that goes on, hours in which nothing runs, Spot."""

from datetime import UTC, datetime

import pytest

from ops.diagnosis.case import Case
from ops.doctor.checks import stages
from ops.doctor.diagnose import judge
from ops.doctor.screen import as_dict, plain
from ops.snapshot.elb import Target
from ops.snapshot.rds import Pause
from tests.ops import stacks as a
from tests.ops.situations import NONE_RUN, kinds

INTERRUPTED = "Your Spot Task was interrupted."


def rolling(running=0, desired=1, targets=(), **changes):
    primary = a.deployment(rollout="IN_PROGRESS", running=running, desired=desired, pending=1)
    service = a.service(running=running, desired=desired, pending=1, deployments=(primary,))
    return a.stack(service=service, targets=targets, **changes)


def healthy(*addresses):
    return tuple(Target(address=each, port=3000, state="healthy") for each in addresses)


def test_the_first_roll_out_is_not_healthy_before_a_target_is():
    provisioning = a.task(status="PROVISIONING", started=None, health="UNKNOWN", address="")
    diagnosis = judge(rolling(tasks=(provisioning,)))
    assert [each.id for each in diagnosis.findings] == ["roll-out-going-on"]
    assert (diagnosis.healthy, diagnosis.exit_code, diagnosis.unread) == (False, 2, ())
    said = "No cause found, but the roll-out has not ended yet: its result is not known."
    assert said in plain(diagnosis)
    assert "Healthy" not in plain(diagnosis)
    asked = as_dict(diagnosis)
    assert (asked["healthy"], asked["unfinished"], asked["exitCode"]) == (False, True, 2)


def test_a_roll_out_with_fewer_healthy_targets_than_wanted_has_not_ended():
    both = (a.task(), a.task("c" * 32, address="10.0.16.5"))
    one, two = healthy("10.0.16.4"), healthy("10.0.16.4", "10.0.16.5")
    assert judge(rolling(2, 2, one, tasks=both)).exit_code == 2
    assert judge(rolling(2, 2, two, tasks=both)).exit_code == 0


def test_a_cause_comes_before_that_the_roll_out_has_not_ended():
    closed = a.network(groups=a.groups(app_in=()))
    assert judge(rolling(tasks=(a.task(),), network=closed)).exit_code == 1


def test_what_could_not_be_looked_at_is_told_before_that_the_roll_out_has_not_ended():
    text = plain(judge(rolling(tasks=(), execution=a.DENIED)))
    assert "some parts could not be read" in text


# NOW is a Wednesday, 21:00 in Tokyo.
@pytest.mark.parametrize(
    ("hours", "zone", "inside"),
    [
        ("mon-fri 08:00-20:00", "Asia/Tokyo", False),
        ("mon-fri 08:00-22:00", "Asia/Tokyo", True),
        ("mon-fri 08:00-21:00", "Asia/Tokyo", False),
        ("mon,wed 20:55-22:00", "Asia/Tokyo", True),
        ("mon,wed 20:56-22:00", "Asia/Tokyo", False),
        ("wed 08:00-22:00", "Asia/Tokyo", True),
        ("thu 08:00-22:00", "Asia/Tokyo", False),
        ("mon,tue,thu,fri 08:00-22:00", "Asia/Tokyo", False),
        ("mon-fri 08:00-20:00", "UTC", True),
    ],
)
def test_no_task_within_the_hours_is_a_cause_and_outside_of_them_a_warning(hours, zone, inside):
    settings = a.choices(schedule=hours, scheduleTimeZone=zone, desiredCount="2")
    [only] = judge(a.stack(settings, **NONE_RUN)).findings
    wanted = ("scaled-to-zero-by-schedule", "warning")
    assert (only.id, only.kind) == (("scaled-to-zero-in-hours", "cause") if inside else wanted)
    assert only.fixes[0].commands[0].endswith("--desired-count 2")


def test_a_clock_that_runs_ahead_tells_the_time():
    stopped = a.event("has reached a steady state.", seconds=2 * 3600)
    quiet = a.service(desired=0, running=0, events=(stopped,))
    early, late = (
        Case(a.stack(a.choices(schedule=hours), service=quiet))
        for hours in ("mon-fri 08:00-22:00", "mon-fri 22:30-23:30")
    )
    assert early.now.at == datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    assert (stages.in_hours(early), stages.in_hours(late)) == (False, True)


def test_a_pause_within_the_hours_is_meant():
    settings = a.choices(schedule="mon-fri 08:00-22:00")
    database = a.database(status="stopped", pause=Pause(a.NOW, 1))
    snapshot = a.stack(settings, database=database, **NONE_RUN)
    assert kinds(snapshot) == [("stack-paused", "note")]


def interrupted(name):
    return a.ended(INTERRUPTED, name=name * 32, stop="SpotInterruption")


def test_interruptions_of_spot_are_no_deaths_and_no_failures():
    settings = a.choices(fargateSpot="true")
    snapshot = a.stack(settings, tasks=(a.task(), interrupted("b"), interrupted("c")))
    [only] = judge(snapshot).findings
    assert (only.id, only.kind, judge(snapshot).exit_code) == ("spot-interrupted", "warning", 0)
    assert str(only.seen[0]) == f"Task bbbbbbbb: {INTERRUPTED}"
    assert only.fixes[0].commands[0] == "pulumi config set fargateSpot false -s poc"
    assert Case(snapshot).failed_tasks == ()


def test_a_death_beside_an_interruption_is_counted_alone():
    died = a.ended("Essential container in task exited", name="d" * 32, code=1)
    both = dict(kinds(a.stack(tasks=(a.task(), interrupted("b"), died))))
    assert both == {"tasks-die": "warning", "spot-interrupted": "warning"}
