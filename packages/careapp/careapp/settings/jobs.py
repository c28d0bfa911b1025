"""Jobs: commands of the app's image by the clock of EventBridge Scheduler."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from careapp.settings import image, maps, rules, scaling, service
from careapp.settings.file import Reader
from careapp.settings.rules import Change, Invalid, Key
from careapp.settings.schedule_expressions import each_time, next_time
from careapp.settings.workers import CPU, MEMORY, sizes
from ecs_gate.text import t

LOOKED_AT = 100
"""Runs from now on whose distances are compared with `timeoutMinutes`."""


def expression(text: str) -> str:
    """Return an expression of EventBridge Scheduler. Raises ValueError."""
    try:
        next_time(text, "UTC", datetime.now(UTC))
    except ValueError:
        raise Invalid(
            "{text!r} is not an expression of EventBridge Scheduler: cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR) with "
            "? as the day or the weekday, like cron(0 3 * * ? *), rate(VALUE UNIT), like rate(1 hour), or "
            "at(YYYY-MM-DDThh:mm:ss)",
            text=text,
        ) from None
    return text


def runs(text: str, zone: str, after: datetime) -> Iterator[datetime]:
    """Yield the times of the next runs from a moment on, in UTC; those of a rate as if it began then."""
    return each_time(next_time(text, zone, after), after)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job: `cpu` in 1/1024 vCPU, `memory` in MiB, and the minutes after which a run is stopped."""

    name: str
    command: tuple[str, ...] = maps.given(image.command)
    schedule: str = maps.given(expression)
    time_zone: str = maps.given(scaling.time_zone, inherited=True)
    cpu: int = maps.given(CPU, inherited=True)
    memory: int = maps.given(MEMORY, inherited=True)
    enabled: bool = maps.given(rules.boolean, "true")
    timeout_minutes: int = maps.given(rules.Integer(1, 10080, t(" minutes")), "60")


JOBS = Key(
    "jobs",
    "{}",
    maps.rule_of("jobs", Job),
    "commands of the app's image by the clock: `jobs.NAME.command`, `schedule` (EventBridge Scheduler's `cron(…)`, "
    "`rate(…)` or `at(…)`), and `timeZone` (`scheduleTimeZone`), `cpu`, `memory` (those of the web tasks), `enabled` "
    "(true), `timeoutMinutes` (60) (docs/your-app.md)",
    example='{"report": {"command": "true", "schedule": "cron(0 3 * * ? *)"}}',
    change=Change(
        "a new entry only adds its schedule, and one that is taken away deletes only that; a run that has begun ends "
        "as it was"
    ),
    shown=rules.SHOWN,
)


def jobs(read: Reader, cpu: int, memory: int) -> tuple[Job, ...]:
    """Return the jobs, by name. ``cpu`` and ``memory`` are the web task's."""
    declared, zone = read(JOBS), read(scaling.SCHEDULE_TIME_ZONE)

    def checked() -> tuple[Job, ...]:
        now, made = datetime.now(UTC), []
        for name, each in sorted(declared.items()):
            own = sizes(name, each["cpu"] or cpu, each["memory"] or memory)
            job = Job(name=name, **each | own | {"time_zone": each["time_zone"] or zone})
            made.append(checked_schedule(job, now))
        return tuple(made)

    others = (scaling.SCHEDULE_TIME_ZONE, service.TASK_CPU, service.TASK_MEMORY)
    return read.together(checked, JOBS, *others, otherwise=())


def checked_schedule(job: Job, now: datetime) -> Job:
    """Return the job. Raises ValueError where it never runs, or a run may begin before the last one ends."""
    known = list(islice(runs(job.schedule, job.time_zone, now), LOOKED_AT))
    if not known and not job.schedule.startswith("at("):
        raise Invalid(
            "{name}: {schedule} has no time in the future", name=job.name, schedule=job.schedule
        )
    shortest = min((later - earlier for earlier, later in pairwise(known)), default=None)
    if shortest and shortest < timedelta(minutes=job.timeout_minutes):
        raise Invalid(
            "{name}: {schedule} starts a run {minutes} minutes after the last one, which may take "
            "timeoutMinutes {timeout}; set a shorter timeoutMinutes or a longer distance",
            name=job.name,
            schedule=job.schedule,
            minutes=int(shortest.total_seconds() // 60),
            timeout=job.timeout_minutes,
        )
    return job
