"""The settings `workers` and `jobs`: what their entries become, and what is refused."""

import json
from datetime import UTC, datetime

import pytest

from careapp.settings.jobs import Job, checked_schedule, runs
from careapp.settings.workers import Worker

MAIL = {"command": "celery -A app worker"}
REPORT = {"command": "flask report --yesterday", "schedule": "cron(0 3 * * ? *)"}
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def worker(**fields):
    return {"workers": json.dumps({"mail": MAIL | fields})}


def job(**fields):
    return {"jobs": json.dumps({"report": REPORT | fields})}


def test_a_worker_has_the_web_tasks_size_and_one_task(configured):
    [found] = configured(taskCpu="512", taskMemory="1024", **worker()).workers
    own = {"name": "mail", "command": ("celery", "-A", "app", "worker")}
    assert found == Worker(**own, count=1, cpu=512, memory=1024, stop_seconds=30)


def test_each_field_of_a_worker_is_its_own(configured):
    """Numbers and texts alike: `pulumi config set --path` stores what looks like a number as one."""
    fields = {"count": "3", "cpu": 1024, "memory": 2048, "stopSeconds": 120}
    [found] = configured(**worker(**fields)).workers
    assert (found.count, found.cpu, found.memory, found.stop_seconds) == (3, 1024, 2048, 120)


def test_a_job_has_the_web_tasks_size_the_schedule_s_zone_and_an_hour(configured):
    [found] = configured(scheduleTimeZone="Europe/Berlin", **job()).jobs
    own = {"name": "report", "command": ("flask", "report", "--yesterday")}
    when = {"schedule": "cron(0 3 * * ? *)", "time_zone": "Europe/Berlin", "enabled": True}
    assert found == Job(**own, **when, cpu=256, memory=512, timeout_minutes=60)
    assert str(next(runs(found.schedule, found.time_zone, NOW))) == "2026-11-30 02:00:00+00:00"


def test_each_field_of_a_job_is_its_own(configured):
    fields = {"timeZone": "UTC", "cpu": 512, "memory": 1024, "enabled": False, "timeoutMinutes": 5}
    [found] = configured(**job(**fields)).jobs
    assert (found.time_zone, found.cpu, found.memory) == ("UTC", 512, 1024)
    assert (found.enabled, found.timeout_minutes) == (False, 5)


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


def test_connections_and_vcpus_of_workers_and_jobs_are_counted(configured):
    """Old and new tasks, with one process for each vCPU, as the web's (docs/scale.md)."""
    alone = configured(databaseInstanceClass="db.m7g.large").sizes
    both = configured(
        databaseInstanceClass="db.m7g.large",
        **worker(count=3, cpu=2048, memory=4096),
        **job(cpu=512, memory=1024),
    ).sizes
    assert both.peak == alone.peak  # They are no targets of the load balancer.
    assert both.other_vcpus - alone.other_vcpus == 2 * 3 * 2 + 2 * 0.5
    assert both.connections - alone.connections == (2 * 3 * 2 + 2 * 1) * (4 + 2)
