"""Merges what happens to the service, its tasks, its jobs and its database, and log lines, into one timeline."""

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from careapp.additions.parts import jobs as job_runs
from careapp.additions.parts.jobs import Run
from careapp.additions.target import session_of, target_of
from careapp.command_line import (
    CANNOT_READ,
    print_json,
    raise_if_blind,
    settings_to_look,
)
from careapp.settings.names import StackNames
from careapp.watch.logs import LogQuery, Search, masked
from careapp.watch.status import plain
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.parts import ecs, rds
from ecs_gate.parts.rds import Database
from ecs_gate.parts.records import Deployment, Part, Service, Task, read_part
from ecs_gate.parts.stack_secrets import learn_aloud
from ecs_gate.screen import Line, dated_time, display
from ecs_gate.text import Text, t, verbatim

ABOUT_TARGETS = re.compile(r"is unhealthy in|registered \d+ targets|deregistered \d+ targets")

SUBJECT = re.compile(r"^\(service [^)]+\) ")

ARN = re.compile(r"arn:aws[\w-]*:\S+?/([\w-]+)/[0-9a-f]{8,}")

ALARM = re.compile(r"monitor alarm \S+ in state ALARM triggered")
"""The name of target tracking's alarm says no more than the policy's does."""

TASK = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24}\b")

LOG_LINES = 1000

NEWEST_ACTIVITIES = 50
"""DescribeScalingActivities answers no more on one page (botocore). AWS keeps those of six weeks."""
FAILED_ACTIVITIES = ("Failed", "Unfulfilled")
"""Values of StatusCode (botocore, ScalingActivity)."""


@dataclass(frozen=True)
class Event:
    """One event. ``kind`` is one of LABELS, ``who`` the short id of a task or deployment."""

    at: datetime
    kind: str
    who: str
    text: Text
    bad: bool = False


@dataclass(frozen=True)
class Timeline:
    """The events, oldest first, and the calls that failed."""

    events: tuple[Event, ...]
    problems: tuple[AwsProblem, ...]


def timeline(
    session: Session,
    names: StackNames,
    since: timedelta | None,
    log: bool,
    *,
    workers: Sequence[str] = (),
    jobs: Sequence[str] = (),
) -> Timeline:
    """Return the events within ``since`` of the newest one, or all that AWS still has.

    They are those of the web service, the database and these workers and jobs.
    """
    services = [names, *map(names.of_worker, workers)]
    with ThreadPoolExecutor(4) as pool:
        service = [pool.submit(read_part, ecs.service, session, process) for process in services]
        tasks = [pool.submit(read_part, ecs.tasks, session, process) for process in services]
        scaled = pool.submit(read_part, of_scaling, session, names)
        database = pool.submit(read_part, rds.database, session, names.database)
        runs = pool.submit(read_part, job_runs.runs, session, names, jobs)
    futures: list[Future[Any]] = [*service, *tasks, scaled, database, runs]
    parts: list[Part[Any]] = [future.result() for future in futures]
    events: list[Event] = []
    for process, seen, started in zip(services, service, tasks, strict=True):
        events += of_service(seen.result().value, process.process)
        events += of_tasks(started.result().value or ())
    events += scaled.result().value or ()
    events += of_jobs(runs.result().value or ())
    events += of_database(database.result().value)
    if log:
        newest = max((event.at for event in events), default=None)
        floor = newest - since if newest and since else None
        lines = read_part(_lines, session, names, floor)
        parts += [lines]
        events += lines.value or ()
    problems = tuple(part.problem for part in parts if part.problem)
    return Timeline(tuple(_recent(events, since)), problems)


def _recent(events: Iterable[Event], since: timedelta | None) -> list[Event]:
    ordered = sorted(events, key=lambda event: event.at)
    if since is None or not ordered:
        return ordered
    return [event for event in ordered if event.at >= ordered[-1].at - since]


def of_service(service: Service | None, worker: str = "") -> Iterator[Event]:
    """Yield the service's deployments and events; the texts of a worker's events begin with its name."""
    for event in service.events if service else ():
        text = SUBJECT.sub(f"{worker}: " if worker else "", event.message)
        kind = "target" if ABOUT_TARGETS.search(text) else "service"
        task = TASK.search(text)
        bad = "unhealthy" in text or "failed" in text or "unable" in text
        yield Event(event.at, kind, task[1] if task else "", verbatim(short(text)), bad)
    for deployment in service.deployments if service else ():
        yield from _of_deployment(deployment)


def short(text: str) -> str:
    """Return AWS's message with names instead of ARNs and short task ids."""
    return TASK.sub(r"\1", ARN.sub(r"\1", text))


def _of_deployment(deployment: Deployment) -> Iterator[Event]:
    revision, who = deployment.revision, deployment.id.rpartition("/")[2][-8:]
    begun = t("deployment of {revision} begins", revision=revision)
    yield Event(deployment.created, "deployment", who, begun)
    if deployment.rollout in ("COMPLETED", "FAILED"):
        text = t(
            "deployment of {revision}: {state} {reason}",
            revision=revision,
            state=deployment.rollout,
            reason=deployment.reason,
        )
        yield Event(deployment.updated, "deployment", who, text, deployment.rollout == "FAILED")


def of_tasks(tasks: Iterable[Task]) -> Iterator[Event]:
    """Yield the events of each task."""
    for task in tasks:
        known = (
            (task.created, t("created from {revision}", revision=task.revision), False),
            (task.started, t("started, address {address}", address=task.address or "-"), False),
            (task.stopping, t("stops: {reason}", reason=short(task.reason)), task.failed),
            (task.stopped, _ended(task), task.failed),
        )
        for moment, text, bad in known:
            if moment is not None:
                yield Event(moment, "task", task.short, text, bad)


def _ended(task: Task) -> Text:
    codes = [f"{name}: {code}" for name, code in task.exit_codes.items()]
    if task.stopping is None:
        return t("stopped: {reason}", reason=short(task.reason))
    return t("stopped; exit codes: {codes}", codes=", ".join(codes) or "-")


def of_scaling(session: Session, names: StackNames) -> list[Event]:
    """Return what Application Auto Scaling did to the desired count, and why, the newest of it. Raises AwsProblem."""
    answer = session.call(
        "application-autoscaling",
        "describe_scaling_activities",
        ServiceNamespace="ecs",
        ScalableDimension="ecs:service:DesiredCount",
        ResourceId=f"service/{names.cluster}/{names.service}",
        MaxResults=NEWEST_ACTIVITIES,
    )
    events = []
    for raw in answer["ScalingActivities"]:
        failed, cause = raw["StatusCode"] in FAILED_ACTIVITIES, ALARM.sub("alarm of", raw["Cause"])
        text = verbatim(f"{raw['StatusMessage'] if failed else raw['Description']} ({cause})")
        events.append(Event(raw["StartTime"], "scaling", "", text, failed))
    return events


def of_jobs(runs: Iterable[Run]) -> Iterator[Event]:
    """Yield the starts and ends of the runs of jobs."""
    for run in runs:
        who = run.task[:8]
        if run.started is not None:
            yield Event(run.started, "job", who, t("{job} started", job=run.job))
        if run.ended is None:
            continue
        if run.exit_code is None:
            text = t("{job} did not start: {reason}", job=run.job, reason=short(run.reason))
        else:
            text = t("{job} ended with exit code {code}", job=run.job, code=run.exit_code)
        yield Event(run.ended, "job", who, text, run.failed)


def of_database(database: Database | None) -> Iterator[Event]:
    """Yield RDS's events, which are read only for a database that is not available."""
    for event in database.events if database else ():
        yield Event(event.at, "database", "", verbatim(event.text))


def _lines(session: Session, names: StackNames, floor: datetime | None) -> tuple[Event, ...]:
    lines = masked(Search(session, names, LogQuery(last=LOG_LINES)).latest(floor))
    return tuple(
        Event(line.at, "log", line.task[:8], verbatim(line.text.rstrip())) for line in lines
    )


STYLES = {"deployment": "cyan", "task": "", "service": "", "target": "magenta", "log": "dim"}

LABELS = {
    "deployment": t("deploy"),
    "task": t("task"),
    "service": t("service"),
    "target": t("target"),
    "scaling": t("scaling"),
    "job": t("job"),
    "database": t("database"),
    "log": t("log"),
}

WIDTH = 8


def lines(timeline: Timeline) -> Iterator[Line]:
    """Yield the timeline, oldest first."""
    if not timeline.events:
        yield Line(t("AWS has no events of this stack."))
    for event in timeline.events:
        label = str(LABELS[event.kind])
        # A Japanese character is two columns wide.
        wide = sum(ord(letter) > 0x2E80 for letter in label)
        style = "bold red" if event.bad else STYLES.get(event.kind, "")
        yield Line(
            f"{dated_time(event.at)} {label:<{WIDTH - wide}} {event.who:<8} {event.text!s}", style
        )
    for problem in dict.fromkeys(event.as_text() for event in timeline.problems):
        yield Line(f"{t('Not read:')!s} {problem}", "yellow")


def as_dicts(timeline: Timeline) -> dict[str, Any]:
    """Return the timeline for scripts."""
    return {
        "events": plain(timeline.events),
        "problems": [problem.as_text() for problem in timeline.problems],
    }


def run(stack: str, as_json: bool, since: timedelta | None, log: bool) -> int:
    """Print the timeline; return 0, or 2 when a part of it could not be read."""
    settings = settings_to_look(stack)
    session = session_of(settings)
    target = target_of(settings)
    learn_aloud(session, target.names, target.login.secret_arn, public=target.public_words)
    events = timeline(
        session,
        settings.names,
        since,
        log,
        workers=[worker.name for worker in settings.workers],
        jobs=[job.name for job in settings.jobs],
    )
    raise_if_blind(events.problems)
    if as_json:
        print_json(as_dicts(events))
    else:
        display(lines(events))
    return CANNOT_READ if events.problems else 0
