"""``./careapp jobs``: each job's schedule, last and next runs; a run by hand; the log of a job."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from careapp import run_task, single_task
from careapp.additions.parts import jobs as known
from careapp.additions.parts.jobs import Run, Schedule
from careapp.additions.parts.pauses import pause_of
from careapp.additions.target import session_of
from careapp.command_line import print_json, settings_to_look
from careapp.settings.jobs import Job
from careapp.settings.settings import Settings
from careapp.watch import logs
from careapp.watch.logs import LogQuery, LogScreen
from ecs_gate.aws import local_cloud
from ecs_gate.aws.session import Session
from ecs_gate.parts import rds
from ecs_gate.parts.records import read_existing
from ecs_gate.screen import Line, dated_time, display
from ecs_gate.text import Refused, Text, joined, t
from ecs_gate.waiting import duration

SHOWN = 5
"""Runs of each job."""
NO_RUN = t("No run is known.")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A job of the stack file, what differs from it on AWS, its last runs, newest first, and its next run."""

    job: Job
    differences: tuple[Text, ...]
    runs: tuple[Run, ...]
    next: datetime | None
    paused: bool = False
    """Whether the stack is paused, which disables every schedule."""

    @property
    def well(self) -> bool:
        """Return whether AWS has it as declared, and its last run is not known to have failed."""
        last = next((each for each in self.runs if each.ended), None)
        return not self.differences and not (last and last.failed)


def read(session: Session, settings: Settings) -> list[Row]:
    """Return the jobs of the stack file. Raises AwsProblem."""
    names, declared = settings.names, [job.name for job in settings.jobs]
    schedules = known.schedules(session, names, declared)
    database = read_existing(rds.database, session, names.database, False)
    # Without a cluster or a log group nothing has run.
    by_ecs = read_existing(known.runs, session, names, declared) or ()
    by_log = read_existing(known.logged_runs, session, names, declared) or ()
    of_ecs = {each.task for each in by_ecs}
    runs = (*by_ecs, *(each for each in by_log if each.task not in of_ecs))
    now, paused = _moment(runs, schedules.values()), pause_of(database) is not None
    return [_row(job, schedules[job.name], runs, now, paused=paused) for job in settings.jobs]


def _row(
    job: Job, schedule: Schedule | None, runs: Sequence[Run], now: datetime, *, paused: bool
) -> Row:
    mine = tuple(run for run in runs if run.job == job.name)
    return Row(
        job=job,
        differences=tuple(known.differences(job, schedule, paused=paused)),
        runs=mine[:SHOWN],
        next=schedule.next_run(now) if schedule else None,
        paused=paused,
    )


def _moment(runs: Sequence[Run], schedules: Any) -> datetime:
    """Return now, or the newest time that AWS tells if that is later: a local cloud writes its time twice a second."""
    times = [run.ended or run.started for run in runs]
    times += [schedule.changed for schedule in schedules if schedule]
    return max([local_cloud.now(), *(moment for moment in times if moment)])


def lines(rows: Sequence[Row], settings: Settings) -> Iterator[Line]:
    """Yield the screen."""
    if not rows:
        yield Line(t("The stack file has no jobs (jobs.NAME.command, docs/your-app.md)."))
    for row in rows:
        job = row.job
        yield Line(f"{job.name}  {job.schedule}  {job.time_zone}", "bold")
        for text in row.differences:
            yield Line(f"  {text!s}", "red")
        if row.differences:
            yield Line(f"  {_restored(settings)!s}")
        yield Line(f"  {_next(row)!s}")
        if not row.runs:
            yield Line(f"  {NO_RUN!s}", "dim")
        if (going := sum(each.ended is None for each in row.runs)) > 1:
            yield Line(f"  {t('{count} runs at the same time.', count=going)!s}", "yellow")
        for run in row.runs:
            yield Line(f"  {run_text(run)!s}", "red" if run.failed else "")


def _restored(settings: Settings) -> Text:
    if not settings.ecs_enabled:
        return _stage2(settings)
    return t(
        "`pulumi up -s {stack}`, or `./careapp resume -s {stack}` of a paused stack, restores it.",
        stack=settings.stack,
    )


def _stage2(settings: Settings) -> Text:
    return t(
        "Jobs belong to stage 2: `pulumi config set ecsEnabled true -s {stack}`, then `pulumi up`.",
        stack=settings.stack,
    )


def _next(row: Row) -> Text:
    if row.next is None:
        return t("No next run while the stack is paused.") if row.paused else t("No next run.")
    there = row.next.astimezone(ZoneInfo(row.job.time_zone))
    return t(
        "Next run: {there} in {zone}, {here} here.",
        there=f"{there:%Y-%m-%d %H:%M %Z}",
        zone=row.job.time_zone,
        here=f"{row.next.astimezone():%Y-%m-%d %H:%M %Z}",
    )


def run_text(run: Run) -> Text:
    """Return a run in one line: when it began, its task, how long it took, and how it ended."""
    begun = dated_time(run.at) if run.at else "-"
    values = {
        "time": begun,
        "task": run.task[:8],
        "took": duration(run.took.total_seconds()) if run.took else "-",
    }
    hand = (t("by hand"),) if run.by_hand else ()
    if not run.known:
        text = t("{time} {task} {took:>9}  exit code ? (ECS forgets it after an hour)", **values)
    elif run.ended is None:
        text = t("{time} {task} runs", **values)
    elif run.exit_code is None:
        text = t("{time} {task} did not start: {reason}", reason=run.reason or "-", **values)
    else:
        text = t("{time} {task} {took:>9}  exit code {code}", code=run.exit_code, **values)
    return joined("  ", (text, *hand))


def as_dict(rows: Sequence[Row], stack: str) -> dict[str, Any]:
    """Return the jobs for scripts; times as ISO 8601."""
    return {"stack": stack, "jobs": [*map(_job_dict, rows)]}


def _job_dict(row: Row) -> dict[str, Any]:
    return {
        "name": row.job.name,
        "schedule": row.job.schedule,
        "timeZone": row.job.time_zone,
        "enabled": row.job.enabled,
        "differences": [str(difference) for difference in row.differences],
        "next": row.next.isoformat() if row.next else None,
        "runs": [
            {
                "task": run.task,
                "started": run.started.isoformat() if run.started else None,
                "ended": run.ended.isoformat() if run.ended else None,
                "seconds": run.took.total_seconds() if run.took else None,
                "exitCode": run.exit_code,
                "known": run.known,
                "reason": run.reason,
                "byHand": run.by_hand,
            }
            for run in row.runs
        ],
    }


def show(stack: str, as_json: bool) -> int:
    """Print the jobs; return 0, or 1 where one is not as declared or its last run failed."""
    settings = settings_to_look(stack)
    rows = read(session_of(settings), settings)
    if as_json:
        print_json(as_dict(rows, settings.names.prefix))
    else:
        display(lines(rows, settings))
    return 0 if all(row.well for row in rows) else 1


def declared(settings: Settings, name: str) -> Job:
    """Return a job of the stack file. Raises Refused."""
    for job in settings.jobs:
        if job.name == name:
            return job
    raise Refused(
        "The stack {stack} has no job {name}; its stack file has: {known}.",
        stack=settings.stack,
        name=name,
        known=", ".join(job.name for job in settings.jobs) or "-",
    )


def run(stack: str, name: str) -> int:
    """Run a job now, as its schedule would; return the command's exit code, like ``./careapp run``."""

    def plan(session: Session, settings: Settings) -> single_task.OneOff:
        names = settings.names
        job = declared(settings, name)
        if not settings.ecs_enabled:
            raise Refused(_stage2(settings))
        schedule = known.schedules(session, names, [job.name])[job.name]
        if schedule is None:
            raise Refused(
                "The job {name} is not on AWS yet: `pulumi up -s {stack}` first.",
                name=name,
                stack=stack,
            )
        others = read_existing(known.runs, session, names, [name]) or ()
        if any(other.ended is None for other in others):
            message = t("The job {name} runs already: both runs go on at the same time.", name=name)
            print(str(message), file=sys.stderr, flush=True)
        return single_task.planned(session, settings, (), schedule.definition)

    return run_task.run_planned(stack, plan)


def show_log(stack: str, name: str, screen: LogScreen, query: LogQuery, is_following: bool) -> int:
    """Print log lines of a job and return 0."""
    settings = Settings.read(stack)
    streams = settings.names.job_streams(declared(settings, name).name)
    return logs.run(stack, screen, replace(query, streams=streams), is_following)
