"""The settings `workers` and `jobs`: what their entries become, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from stack import sizes
from stack.file import StackError
from stack.jobs import Job, checked_schedule
from stack.settings import KEYS
from stack.workers import Worker

MAIL = {"command": "celery -A app worker"}
REPORT = {"command": "flask report --yesterday", "schedule": "cron(0 3 * * ? *)"}
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def worker(**fields):
    return {"workers": json.dumps({"mail": MAIL | fields})}


def job(**fields):
    return {"jobs": json.dumps({"report": REPORT | fields})}


def problems(load, **changes):
    with pytest.raises(StackError) as refused:
        load(**changes)
    return [line.strip() for line in str(refused.value).splitlines()[1:-1]]


def test_a_worker_has_the_web_tasks_size_and_one_task(configured):
    settings = configured(taskCpu="512", taskMemory="1024", **worker())
    assert settings.workers == (
        Worker(
            name="mail",
            command=("celery", "-A", "app", "worker"),
            count=1,
            cpu=512,
            memory=1024,
            stop_seconds=30,
        ),
    )


def test_each_field_of_a_worker_is_its_own(configured):
    """Numbers and texts alike: `pulumi config set --path` stores what looks like a number as one."""
    fields = {"count": "3", "cpu": 1024, "memory": 2048, "stopSeconds": 120}
    [found] = configured(**worker(**fields)).workers
    assert (found.count, found.cpu, found.memory, found.stop_seconds) == (3, 1024, 2048, 120)


def test_a_job_has_the_web_tasks_size_the_schedule_s_zone_and_an_hour(configured):
    settings = configured(scheduleTimeZone="Europe/Berlin", **job())
    assert settings.jobs == (
        Job(
            name="report",
            command=("flask", "report", "--yesterday"),
            schedule="cron(0 3 * * ? *)",
            time_zone="Europe/Berlin",
            cpu=256,
            memory=512,
            enabled=True,
            timeout_minutes=60,
        ),
    )
    assert str(settings.jobs[0].next_run(NOW)) == "2026-11-30 02:00:00+00:00"


def test_each_field_of_a_job_is_its_own(configured):
    fields = {"timeZone": "UTC", "cpu": 512, "memory": 1024, "enabled": False, "timeoutMinutes": 5}
    [found] = configured(**job(**fields)).jobs
    assert (found.time_zone, found.cpu, found.memory) == ("UTC", 512, 1024)
    assert (found.enabled, found.timeout_minutes, found.next_run(NOW)) == (False, 5, None)


def test_entries_are_sorted_by_their_names(configured):
    given = json.dumps({"b": MAIL, "a": MAIL})
    assert [each.name for each in configured(workers=given).workers] == ["a", "b"]


NAMES = "is part of the names of resources; use at most 20 lowercase letters, digits and single hyphens, a letter first"
EXPRESSION = (
    "is not an expression of EventBridge Scheduler: cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR) with ? as the day or the "
    "weekday, like cron(0 3 * * ? *), rate(VALUE UNIT), like rate(1 hour), or at(YYYY-MM-DDThh:mm:ss)"
)
CPU = "is not a Fargate CPU size; choose one of 256, 512, 1024, 2048, 4096, 8192, 16384, 32768"


@pytest.mark.parametrize("key", ["workers", "jobs"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        *((text, "it is not a map of names; set one field at a time: `pulumi config set --path {key}.NAME.command "
           "COMMAND`") for text in ("x", "[1]")),
        ('{"a": "sh"}', "a has no fields; set them one at a time: `pulumi config set --path {key}.a.command COMMAND`"),
        ('{"a": {}}', "a has no command, which it needs"),
        ('{"a": {"command": " "}}', "a.command: it is empty; give the program and its arguments"),
        ('{"a": {"command": ["sh"]}}', "a.command has a list or a map as its value; it has one text"),
        *((json.dumps({name: {}}), f"{name!r} {NAMES}") for name in ("Mail", "2nd", "a_b", "a--b", "a-", "", "a" * 21)),
    ],
)  # fmt: skip
def test_a_map_that_names_no_processes_is_refused(configured, key, text, says):
    assert problems(configured, **{key: text}) == [f"{key}: {says.format(key=key)}"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"cuont": 2}, "mail.cuont is an unknown field; it has command, count, cpu, memory, stopSeconds; did you "
         "mean count?"),
        ({"zzz": 2}, "mail.zzz is an unknown field; it has command, count, cpu, memory, stopSeconds"),
        ({"command": "'"}, 'mail.command: "\'" has a quotation mark without its partner, or ends with a backslash; add '
         "the missing mark, or put a backslash before a mark that is part of a word"),
        ({"count": -1}, "mail.count: -1 is outside 0 to 100"),
        ({"count": 101}, "mail.count: 101 is outside 0 to 100"),
        ({"count": True}, "mail.count: 'true' is not a whole number; it must be 0 to 100"),
        ({"count": None}, "mail has no count, which it needs"),
        ({"cpu": 300}, f"mail: 300 {CPU}"),
        ({"cpu": 1024}, "mail: 512 is not possible with cpu 1024; choose 2048 to 8192 in steps of 1024"),
        ({"memory": 700}, "mail: 700 is not possible with cpu 256; choose one of 512, 1024, 2048"),
        ({"stopSeconds": 1}, "mail.stopSeconds: 1 is outside 2 to 120 seconds"),
        ({"stopSeconds": 121}, "mail.stopSeconds: 121 is outside 2 to 120 seconds"),
    ],
)  # fmt: skip
def test_a_worker_that_ecs_would_not_run_is_refused(configured, fields, says):
    assert problems(configured, **worker(**fields)) == [f"workers: {says}"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"schedule": None}, "report has no schedule, which it needs"),
        *(({"schedule": text}, f"report.schedule: {text!r} {EXPRESSION}")
          for text in ("nightly", "cron(0 3 * * * *)", "cron(61 3 * * ? *)", "rate(0 hours)", "at(tomorrow)")),
        ({"schedule": "cron(0 3 30 2 ? *)"}, "report: cron(0 3 30 2 ? *) has no time in the future"),
        ({"schedule": "cron(0 3 * * ? 2020)"}, "report: cron(0 3 * * ? 2020) has no time in the future"),
        ({"schedule": "rate(30 minutes)"}, "report: rate(30 minutes) starts a run 30 minutes after the last one, which "
         "may take timeoutMinutes 60; set a shorter timeoutMinutes or a longer distance"),
        ({"schedule": "cron(0,10 3 * * ? *)"}, "report: cron(0,10 3 * * ? *) starts a run 10 minutes after the last "
         "one, which may take timeoutMinutes 60; set a shorter timeoutMinutes or a longer distance"),
        ({"timeZone": "Japan"}, "report.timeZone: 'Japan' is not a canonical IANA time zone, which AWS requires; write "
         "a name like Asia/Tokyo, or UTC"),
        ({"enabled": "maybe"}, "report.enabled: 'maybe' is neither true nor false"),
        ({"timeoutMinutes": 0}, "report.timeoutMinutes: 0 is outside 1 to 10080 minutes"),
        ({"memory": 700}, "report: 700 is not possible with cpu 256; choose one of 512, 1024, 2048"),
    ],
)  # fmt: skip
def test_a_job_that_would_not_run_by_its_schedule_is_refused(configured, fields, says):
    assert problems(configured, **job(**fields)) == [f"jobs: {says}"]


@pytest.mark.parametrize(
    "fields",
    [
        {"schedule": "rate(30 minutes)", "timeoutMinutes": 30},
        {"schedule": "cron(0,10 3 * * ? *)", "timeoutMinutes": 10},
        {"schedule": "at(2020-01-01T00:00:00)"},  # A later `up` must not fail by it.
    ],
)
def test_a_job_that_ends_before_the_next_run_is_accepted(configured, fields):
    [found] = configured(**job(**fields)).jobs
    assert checked_schedule(found, NOW) == found


@pytest.mark.parametrize("changes", [worker(), job()], ids=["workers", "jobs"])
def test_a_command_is_not_encrypted(configured, changes):
    [key] = changes
    [problem] = problems(configured, encrypted=(f"careapp:{key}",), **changes)
    assert problem.startswith(
        f"{key}: it is encrypted, but ECS shows a task's command in plain text"
    )


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"taskCpu": "300"}, "taskCpu"), ({"taskMemory": "700"}, "taskMemory")],
)
def test_the_web_tasks_size_is_not_blamed_twice(configured, changes, key):
    [problem] = problems(configured, **changes, **worker(), **job())
    assert problem.startswith(f"{key}: ")


def test_a_zone_that_jobs_inherit_is_not_blamed_twice(configured):
    [problem] = problems(configured, scheduleTimeZone="Japan", **job())
    assert problem.startswith("scheduleTimeZone: ")


def test_connections_and_vcpus_of_workers_and_jobs_are_counted(configured):
    """Old and new tasks, with one process for each vCPU, as the web's (docs/scale.md)."""
    alone = configured(databaseInstanceClass="db.m7g.large").sizes
    both = configured(
        databaseInstanceClass="db.m7g.large",
        **worker(count=3, cpu=2048, memory=4096),
        **job(cpu=512, memory=1024),
    ).sizes
    assert both.peak == alone.peak  # They are no targets of the load balancer.
    assert both.vcpus - alone.vcpus == 2 * 3 * 2 + 2 * 0.5
    assert both.connections - alone.connections == (2 * 3 * 2 + 2 * 1) * (4 + 2)


def test_workers_that_the_database_cannot_serve_are_refused_with_the_numbers(configured):
    assert problems(configured, **worker(count=20)) == [
        "desiredCount: 1 is too many: up to 2 tasks during a roll-out can open 254 connections (1 x 6 each, and 242 "
        "others), and db.t4g.micro allows at most 107; choose databaseInstanceClass db.t4g.medium or fewer workers and "
        "jobs"
    ]


def test_workers_that_no_database_can_serve_are_refused_without_a_number_that_would_not_help(
    configured,
):
    given = {name: MAIL | {"count": 100, "cpu": 4096, "memory": 8192} for name in "abc"}
    [problem] = problems(configured, workers=json.dumps(given))
    assert problem.endswith("; choose fewer workers and jobs")


def test_workers_near_the_limit_are_warned_of(configured):
    [found] = sizes.warnings(configured(**worker(count=7)).sizes)
    assert str(found).startswith(
        "desiredCount 1: up to 2 tasks during a roll-out can open 98 connect"
    )


@pytest.mark.parametrize("name", ["workers", "jobs"])
def test_a_map_s_default_is_empty_and_its_example_has_an_entry(configured, name):
    [key] = [each for each in KEYS if each.name == name]
    assert getattr(configured(), name) == ()
    assert len(getattr(configured(**{name: key.example}), name)) == 1
