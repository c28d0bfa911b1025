"""Pause and resume: what they change, in which order, and that they continue after any interrupt."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from tools.aws.errors import AwsProblem
from tools.i18n import Refused, Text, t
from tools.pause import commands as screen
from tools.pause import steps
from tools.pause.state import ScalingRange
from tools.snapshot import rds
from tools.snapshot.rds import Pause
from tools.tests import stacks as a
from tools.tests.pause import simulated_stack
from tools.tests.pause.simulated_stack import (
    BY_HOURS,
    FREE,
    HELD,
    RANGE,
    SINCE,
    Simulated,
    interrupted,
    pause,
    resume,
)
from tools.watch import status as watch_status


def now_with(**database):
    """A stack that runs, with other values of its database."""
    now = Simulated().read()
    return replace(now, database=replace(now.database, **database))


def told(pausable, now):
    pausable.session = type("Session", (), {"region": a.REGION})()
    return "\n".join(line.text for line in screen.lines(now, pausable))


def test_pause_writes_the_tags_first_and_stops_the_database_last(wait):
    pausable = Simulated()
    now = pause(pausable, wait)
    assert pausable.changes() == [
        ("tag", 3), ("register", HELD), ("alarm actions", False), ("count", 0), ("stop_db_instance",),
    ]  # fmt: skip
    assert (now.database.status, now.left, now.suspended) == ("stopped", (), True)
    assert steps.is_paused(now)


def test_pause_waits_for_the_tasks_before_it_stops_their_database(wait):
    pausable = Simulated(count=3)
    pause(pausable, wait)
    stop = pausable.calls.index(("stop_db_instance",))
    looks = pausable.calls[pausable.calls.index(("count", 0)) : stop].count(("read",))
    assert looks >= 4


def test_resume_starts_the_tasks_after_the_database_and_deletes_the_tags_last(wait):
    pausable = Simulated()
    pause(pausable, wait)
    pausable.calls.clear()
    now = resume(pausable, wait)
    assert pausable.changes() == [
        ("start_db_instance",), ("count", 3), ("register", FREE, 1, 4), ("alarm actions", True), ("untag",),
    ]  # fmt: skip
    assert (now.steady, now.pause) == (True, None)


@pytest.mark.parametrize("scaled", [RANGE, None])
def test_after_an_interrupted_pause_both_commands_work(wait, scaled):
    for again in (pause, resume):
        wanted = Simulated(scaled=scaled)
        pause(wanted, wait)
        if again is not pause:
            resume(wanted, wait)
        after = 0
        while True:
            pausable = Simulated(scaled=scaled)
            if not interrupted(pause, pausable, wait, after):
                break
            again(pausable, wait)
            assert pausable.state() == wanted.state(), f"interrupted at call {after}"
            after += 1
        assert after > 8


def test_after_an_interrupted_resume_both_commands_work(wait):
    for again in (pause, resume):
        after = 0
        while True:
            pausable = Simulated()
            pause(pausable, wait)
            if not interrupted(resume, pausable, wait, after):
                break
            again(pausable, wait)
            runs = (3, "available", RANGE, True, False)
            wanted = (
                (0, "stopped", replace(RANGE, suspended=HELD), False, True)
                if again is pause
                else runs
            )
            assert pausable.state() == wanted, f"interrupted at call {after}"
            resume(pausable, wait)
            assert pausable.state() == runs
            after += 1
        assert after > 8


def test_a_repeated_command_changes_nothing(wait):
    pausable = Simulated()
    resume(pausable, wait)
    assert pausable.changes() == []
    pause(pausable, wait)
    pausable.calls.clear()
    pause(pausable, wait)
    assert pausable.changes() == []


def test_in_stage_1_only_the_database_is_paused(wait):
    pausable = Simulated(service=False)
    pause(pausable, wait)
    assert pausable.changes() == [("tag", None), ("stop_db_instance",)]
    pausable.calls.clear()
    resume(pausable, wait)
    assert pausable.changes() == [("start_db_instance",), ("untag",)]


def test_a_service_at_0_resumes_with_the_stack_file_s_count_paused_or_not(wait):
    pausable = Simulated(count=0)
    resume(pausable, wait)
    assert pausable.changes() == [("count", 2)]
    assert "the stack file's desiredCount is 2" in str(wait.said[0])
    pausable = Simulated(count=0)
    pause(pausable, wait)
    assert pausable.pause.count == 2


def test_resume_keeps_tasks_that_were_started_by_hand(wait):
    pausable = Simulated()
    pause(pausable, wait)
    pausable.status, pausable.count = "available", 1
    resume(pausable, wait)
    assert pausable.state() == (1, "available", RANGE, True, False)


def test_a_database_that_is_busy_is_stopped_when_it_is_available_again(wait):
    pausable = Simulated(service=False, status="upgrading")
    pause(pausable, wait)
    assert pausable.status == "stopped"


def test_resume_does_not_wait_for_a_failed_database(wait):
    pausable = Simulated(status="failed")
    with pytest.raises(
        Refused, match="careapp-poc is failed, which does not change without action"
    ):
        steps.check_pausable(pausable.read(), pausable.settings)
    with pytest.raises(Refused, match="is failed"):
        resume(pausable, wait)


def test_a_wait_that_times_out_names_what_it_waited_for(wait):
    pausable = Simulated()
    pausable.read()
    pausable.running = 1000
    with pytest.raises(
        Refused, match=r"After 10 minutes tasks still to stop: \d+; ./careapp doctor"
    ):
        pause(pausable, wait)


@pytest.mark.parametrize("link", [{"replicas": ("copy",)}, {"source": "copy"}])
def test_a_database_with_a_replica_is_not_paused_and_nothing_is_changed(link):
    with pytest.raises(
        Refused, match=r"read replica or is one \(copy\)\. Delete the replica first"
    ):
        steps.check_pausable(now_with(**link), a.choices())


def test_a_multi_az_database_may_be_paused():
    steps.check_pausable(now_with(multi_az=True), a.choices())


@pytest.mark.parametrize(
    ("kept", "protected", "refused"),
    [("final", False, True), ("final", True, False), ("", False, False), ("", True, False)],
)
def test_a_stack_that_a_destroy_would_only_half_delete_is_not_paused(kept, protected, refused):
    """Pulumi refuses to destroy a protected stack, and RDS to lift the protection of a stopped database."""
    now, settings = now_with(protected=protected), a.choices(databaseFinalSnapshot=kept)
    if not refused:
        steps.check_pausable(now, settings)
        return
    words = (
        r"can be paused only while it is protected: .* Protect it: pulumi config set protect true -s poc && pulumi up "
        r"-s poc; or keep no snapshot: pulumi config set databaseFinalSnapshot '' -s poc .*Nothing was changed"
    )
    with pytest.raises(Refused, match=words):
        steps.check_pausable(now, settings)


def costs(multi_az=False, **values):
    now = now_with(multi_az=multi_az, storage_gb=20)
    return [str(each) for each in steps.still_costs(now, a.choices(**values))]


def test_the_list_of_costs_follows_the_settings():
    assert costs() == [
        "the load balancer and its public addresses",
        "NAT (single) and its public address",
        "the database's storage, 20 GB, and its backups",
        "the secret with the database's password",
        "images in ECR, logs, alarms",
    ]
    assert "the database's storage, 20 GB in each of two zones, and its backups" in costs(True)
    assert costs(natStrategy="none")[1].startswith("the database's storage")
    assert costs(bastionEnabled="true")[-1] == "the bastion"
    assert costs(uploadsEnabled="true")[-1] == "the bucket with the app's files"


@pytest.mark.parametrize("on", ["true", "false"])
def test_the_plan_says_that_files_stay_and_can_still_be_fetched_by_signed_addresses(on):
    pausable = Simulated(uploadsEnabled=on)
    pausable.session = SimpleNamespace(region=a.REGION)
    said = [each.text for each in screen.plan(pausable.read(), pausable)]
    words = (
        "  - the bucket with the app's files stays, and signed addresses of its files stay valid"
    )
    assert (words in said) is (on == "true")


def test_the_day_on_which_aws_starts_the_database_is_what_aws_says():
    starts = datetime(2026, 12, 2, 18, 30, tzinfo=UTC)
    text = told(Simulated(), now_with(starts=starts, pause=Pause(SINCE, 1)))
    assert "AWS starts the database automatically on 2026-12-02 18:30 UTC" in text


@pytest.mark.parametrize(("kept", "first"), [("", False), ("final", True)])
def test_a_stack_that_keeps_a_final_snapshot_is_resumed_before_it_is_destroyed(kept, first):
    pausable = Simulated(databaseFinalSnapshot=kept)
    shown = told(pausable, now_with(pause=Pause(SINCE, 1)))
    assert ("delete everything" in shown) is not first
    paused = a.stack(
        database=a.database(pause=Pause(SINCE, 1)),
        service=a.service(desired=0, running=0),
        settings=pausable.settings,
    )
    status = "\n".join(line.text for line in watch_status.lines(paused))
    for said in (shown, status):
        assert (str(rds.RESUME_FIRST) in said) is first


def test_the_tags_hold_a_pause():
    pause = Pause(SINCE, 3)
    assert rds.read(pause.tags()) == pause
    assert rds.read(Pause(SINCE, None).tags()) == Pause(SINCE, None)
    assert rds.read([{"Key": "Name", "Value": "x"}]) is None


def test_a_handwritten_tag_still_means_paused():
    found = rds.read([{"Key": rds.AT, "Value": "today"}, {"Key": rds.COUNT, "Value": "?"}])
    assert (found.since.year, found.count) == (1970, None)


def test_a_wait_survives_temporary_problems(wait):
    silent = AwsProblem("unreachable", t("ecs does not answer."), t("Wait."))
    looks = iter([silent, silent, None])

    def look():
        found = next(looks)
        if found:
            raise found
        return found

    wait.until_done(look, 1)
    assert all(isinstance(each, Text) for each in wait.said)
    assert "AWS does not answer for now" in str(wait.said[0])


def test_a_wait_ends_with_a_permission_problem(wait):
    refused = AwsProblem("denied", t("You may not."), t("Ask."))

    def look():
        raise refused

    with pytest.raises(AwsProblem):
        wait.until_done(look, 1)
    assert wait.said == []


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


@pytest.mark.parametrize("paused_by_day", [True, False])
def test_in_its_hours_a_stack_resumes_whenever_it_was_paused(wait, paused_by_day):
    pausable = office(day=paused_by_day)
    pause(pausable, wait)
    pausable.at = NOON
    now = resume(pausable, wait)
    assert pausable.state() == (2, "available", BY_DAY, True, False)
    assert "runs: 2 of 2 tasks, all healthy" in told(pausable, now)


@pytest.mark.parametrize("paused_by_day", [True, False])
def test_outside_of_its_hours_only_the_database_starts_and_the_reason_is_shown(wait, paused_by_day):
    pausable = office(day=paused_by_day)
    pause(pausable, wait)
    pausable.at = NIGHT
    now = resume(pausable, wait)
    assert pausable.state() == (0, "available", BY_NIGHT, True, False)
    said = told(pausable, now)
    assert WHY in said
    assert "tasks, all healthy" not in said


def test_outside_of_its_hours_a_stack_that_is_not_paused_is_unchanged(wait):
    pausable = office(day=False)
    resume(pausable, wait)
    assert pausable.changes() == []
    running = office(day=False, count=1)
    resume(running, wait)
    assert running.changes() == []


def test_tasks_started_by_hand_outside_of_the_hours_run_on(wait):
    pausable = office(day=True)
    pause(pausable, wait)
    pausable.at, pausable.status, pausable.count = NIGHT, "available", 1
    resume(pausable, wait)
    assert pausable.state() == (1, "available", ScalingRange(0, 1, BY_HOURS), True, False)


def test_a_stack_with_hours_and_a_range_gets_its_range_back_and_no_more_tasks_than_that(wait):
    pausable = office(day=False, minCount="2", maxCount="4")
    pause(pausable, wait)
    pausable.at, pausable.pause = NOON, Pause(simulated_stack.SINCE, 9)
    resume(pausable, wait)
    assert pausable.state()[:3] == (4, "available", ScalingRange(2, 4, BY_HOURS))
    assert ("count", 4) in pausable.changes()


def test_hours_removed_from_the_stack_file_do_not_keep_the_tasks_at_0(wait):
    pausable = Simulated(count=0, scaled=BY_NIGHT, at=NIGHT, minCount="1", maxCount="4")
    pause(pausable, wait)
    resume(pausable, wait)
    assert pausable.state() == (2, "available", RANGE, True, False)


def test_without_hours_a_range_set_by_hand_stays(wait):
    own = replace(RANGE, high=8)
    pausable = Simulated(scaled=own, minCount="1", maxCount="4")
    pause(pausable, wait)
    resume(pausable, wait)
    assert pausable.scaled == own


@pytest.mark.parametrize("day", [True, False])
@pytest.mark.parametrize("again", [pause, resume])
def test_after_an_interrupt_with_hours_both_commands_work(wait, again, day):
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
def test_a_pause_stops_tasks_that_the_suspension_starts(wait, late):
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


def test_a_service_that_stays_at_0_is_not_running(wait):
    pausable = Simulated(count=0)
    pausable.set_desired_count = lambda count: pausable.record("count", count)
    with pytest.raises(Refused, match=r"After 15 minutes the service is set to run no task"):
        resume(pausable, wait)


def test_resume_names_a_desired_count_of_0(wait):
    pausable = Simulated(count=0, scaled=None, desiredCount="0")
    pause(pausable, wait)
    now = resume(pausable, wait)
    assert "no task runs: the stack file's desiredCount is 0" in told(pausable, now)


def test_a_stack_paused_at_0_resumes_with_the_current_desired_count(wait):
    pausable = Simulated(count=0, scaled=None)
    pausable.pause = Pause(simulated_stack.SINCE, 0)
    resume(pausable, wait)
    assert pausable.count == 2
