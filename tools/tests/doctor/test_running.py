"""When doctor may say healthy, and what tasks say while ECS calls them healthy."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tools.diagnosis.case import Case
from tools.doctor.checks import databases, stages
from tools.doctor.diagnose import judge
from tools.doctor.screen import as_dict, plain
from tools.snapshot.cloudwatch import Measured, Minute
from tools.snapshot.elb import Target
from tools.snapshot.rds import Pause
from tools.snapshot.records import Part
from tools.snapshot.task_logs import Line, Logs
from tools.tests import stacks as a
from tools.tests.doctor.situations import (
    FOUND,
    LOST,
    MIGRATED,
    NONE_RUN,
    SITUATIONS,
    UNMIGRATED,
    asked,
    kinds,
)


def said(*lines):
    """What is found where the one task's log ends with these lines: ids and kinds."""
    return kinds(a.stack(logs=a.logs(a=[a.LISTENS, *lines])))


def test_a_database_that_is_away_is_a_cause_whatever_the_reason_until_it_is_back():
    assert said(LOST) == [("app-database-away", "cause")]
    assert said(LOST, FOUND) == []
    assert said(LOST, FOUND, LOST) == [("app-database-away", "cause")]
    first = judge(SITUATIONS["app-database-away"]).findings[0]
    assert str(first.seen[1]) == "something that nobody knows"


def test_a_migration_that_fails_is_a_cause_until_it_has_succeeded():
    assert said(UNMIGRATED) == [("app-cannot-migrate", "cause")]
    assert said(UNMIGRATED, MIGRATED) == []
    first = judge(SITUATIONS["app-cannot-migrate"]).findings[0]
    assert str(first.title) == 'Migration 0003_footer.sql fails: column "footer" does not exist'
    assert first.evidence == ('column "footer" does not exist', "LINE 1: SELECT footer")
    assert "webapp/migrations/0003_footer.sql" in str(first.fixes[0].text)


def test_what_a_failed_migration_leads_to_is_its_consequence():
    fails = [asked("/", 503)] * 3
    assert said(UNMIGRATED, LOST, *fails) == [
        ("app-cannot-migrate", "cause"),
        ("app-database-away", "consequence"),
        ("app-requests-fail", "consequence"),
    ]


@pytest.mark.parametrize(
    ("lines", "kinds"),
    [
        ([asked("/", 500)] * 3, ["cause"]),
        ([asked("/", 500)] * 2, ["warning"]),
        ([*[asked("/", 200)] * 50, *[asked("/", 503)] * 3], ["cause"]),
        ([*[asked("/", 500)] * 50, asked("/", 200)], []),
        ([*[asked("/", 200)] * 50, asked("/rare", 500), *[asked("/", 200)] * 50], ["warning"]),
        ([*[asked("/page", 500)] * 3, *[asked("/other", 200)] * 9], ["cause"]),
        ([asked("/?n=1", 500), asked("/?n=2", 500), asked("/?n=3", 500)], ["cause"]),
        ([asked("/", 404)] * 9, []),
        (['10.0.0.1 - - [x] "GET / HTTP/1.1" 500 3 "-" "curl"'] * 3, ["cause"]),
    ],
    ids=["all of three", "too few to be sure", "the newest", "recovered", "one among many",
         "one page of two", "queries", "not found", "another server's format"],
)  # fmt: skip
def test_the_newest_requests_for_a_path_decide(lines, kinds):
    assert [kind for _, kind in said(*lines)] == kinds


def test_a_page_that_raises_is_told_with_error_file_and_line():
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/app/webapp/pages.py", line 66, in home\n    1 / 0\n'
        "ZeroDivisionError: division by zero"
    )
    error = json.dumps({"level": "error", "message": "request failed", "traceback": trace})
    fails = [error, asked("/", 500)] * 3
    first, page = judge(a.stack(logs=a.logs(a=[a.LISTENS, *fails]), page=a.page(500))).findings
    assert (page.id, page.kind) == ("page-errors", "consequence")
    assert str(first.title) == (
        "/ ends with 500: ZeroDivisionError in webapp/pages.py, line 66: division by zero"
    )
    assert first.evidence[:2] == ('File "/app/webapp/pages.py", line 66, in home', "1 / 0")
    assert str(first.fixes[0].text) == "Correct webapp/pages.py, line 66, and deploy:"


def test_the_page_s_own_503_ranks_before_the_requests_that_it_answered():
    fails = a.logs(a=[a.LISTENS, *[asked("/", 503)] * 3])
    assert kinds(a.stack(logs=fails, page=a.page(503))) == [
        ("page-unavailable", "cause"),
        ("app-requests-fail", "consequence"),
    ]


def test_only_the_newest_deployment_s_tasks_are_listened_to():
    old = a.task("c" * 32, started_by="ecs-svc/1", definition=a.OLD)
    logs = a.logs(a=[a.LISTENS], c=[LOST, UNMIGRATED, *[asked("/", 500)] * 3])
    assert judge(a.stack(tasks=(a.task(), old), logs=logs)).findings == ()


def counted(*minutes, lines=(), since=-500):
    """What is found with so many requests and failures in each minute from ``since`` on."""
    measured = Measured(
        minutes=tuple(
            Minute(a.at(since + 60 * number), *each) for number, each in enumerate(minutes)
        )
    )
    logs = Logs(group="x", exists=True, lines={"a" * 32: tuple(Line(a.NOW, e) for e in lines)})
    return kinds(a.stack(measured=measured, logs=logs))


def test_without_requests_in_the_log_cloudwatch_s_minutes_decide():
    assert counted((4, 0), (2, 2), (1, 1)) == [("app-requests-fail", "cause")]
    assert counted((4, 0), (4, 1)) == [("app-requests-failed", "warning")]
    assert counted((2, 2)) == [("app-requests-failed", "warning")]
    assert counted((4, 4), (3, 0), (0, 0)) == []


def test_minutes_before_the_deployment_was_done_and_those_that_the_log_outdates_do_not_count():
    assert counted((9, 9), since=-600) == []
    assert counted((9, 9), lines=[asked("/", 200)]) == []


FULL = "FATAL: remaining connection slots are reserved for roles with privileges"


def full(count, **changes):
    measured = Measured(connections=count)
    snapshot = a.stack(logs=a.logs(a=[a.LISTENS, FULL]), measured=measured, **changes)
    return judge(snapshot).findings[0]


def test_connections_that_others_hold_are_not_called_the_tasks_own():
    first = full(101)
    assert first.id == "app-too-many-connections"
    assert str(first.why) == "At least 95 of them do not belong to this stack's tasks."
    assert [str(each) for each in first.seen[1:]] == [
        "DatabaseConnections is 101 (CloudWatch).",
        "db.t4g.micro allows some 112.",
        "1 task runs; it opens 6 at most.",
    ]
    asked = f'./careapp db psql -s poc -c "{databases.WHO}"'
    bastion = ("pulumi config set bastionEnabled true -s poc", "pulumi up -s poc")
    assert first.fixes[0].commands == (*bastion, asked)
    assert full(101, settings=a.choices(bastionEnabled="true")).fixes[0].commands == (asked,)
    assert full(101, settings=a.choices(execEnabled="true")).fixes[0].commands == (asked,)


def test_the_pool_counts_as_the_task_definition_has_it():
    definition = a.definition(
        environment={**a.definition().environment, "DB_POOL_SIZE": "9", "WEB_CONCURRENCY": "2"}
    )
    assert str(full(101, main=definition).seen[-1]) == "1 task runs; it opens 22 at most."


def test_whose_connections_they_are_is_said_only_as_far_as_the_numbers_tell():
    alone = full(None)
    assert str(alone.why).startswith("The tasks of this stack cannot use all of them")
    many = tuple(a.task(f"{number:032}", address=f"10.0.17.{number}") for number in range(40))
    assert "may open more connections" in str(full(112, tasks=(a.task(), *many)).why)
    unknown = full(112, database=a.database(kind="db.z9.odd"))
    assert str(unknown.why).startswith("max_connections are open")


def test_the_metrics_that_cannot_be_read_hide_nothing():
    diagnosis = judge(replace(a.stack(), measured=Part(problem=a.DENIED)))
    assert (diagnosis.healthy, [str(each.part) for each in diagnosis.unread]) == (
        True,
        ["the metrics"],
    )


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
    database = a.database(status="stopped", pause=Pause(a.NOW))
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


def test_one_task_that_died_since_the_deployment_is_a_cause_and_a_leak_is_not_cured_by_memory():
    words = "OutOfMemoryError: Container killed due to memory usage"
    died = a.ended("Essential container in task exited", name="d" * 32, code=137, container=words)
    found = judge(a.stack(tasks=(a.task(), died)))
    assert ([each.id for each in found.causes], found.exit_code) == (["tasks-die"], 1)
    [cause] = found.causes
    assert "by a leak. docs/repair.md" in str(cause.fixes[1].text)
    assert "taskMemory" not in "".join(each for fix in cause.fixes for each in fix.commands)
    before = replace(died, stopping=a.at(-700), stopped=a.at(-690))
    assert judge(a.stack(tasks=(a.task(), before))).exit_code == 0


def test_a_death_beside_an_interruption_is_counted_alone():
    died = a.ended("Essential container in task exited", name="d" * 32, code=1)
    both = dict(kinds(a.stack(tasks=(a.task(), interrupted("b"), died))))
    assert both == {"tasks-die": "cause", "spot-interrupted": "warning"}
