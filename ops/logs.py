"""The app's log: the last lines, those of a task that ended, or all as they come."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.aws import AwsProblem, Session
from ops.names import StackNames
from ops.snapshot import compute
from ops.snapshot.records import Task
from ops.snapshot.task_logs import at
from ops.texts import t

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
POLL_SECONDS = 2.0
OVERLAP = timedelta(seconds=30)
"""CloudWatch may show a line later than a younger one of another stream."""
REMEMBERED = 20_000
MOST = 10_000


@dataclass(frozen=True)
class LogLine:
    """A line of the log and the task that wrote it."""

    at: datetime
    task: str
    text: str
    id: str = ""


@dataclass(frozen=True)
class Wanted:
    """Which lines: CloudWatch's filter pattern, a task by the beginning of its id, how far back."""

    pattern: str = ""
    task: str = ""
    since: timedelta | None = None
    last: int = 100


def parse_since(text: str) -> timedelta:
    """``90s``, ``10m``, ``2h``, ``1d``. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ValueError(t("{text!r} is not a time like 90s, 10m, 2h or 1d.", text=text))
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def read(session: Session, names: StackNames, wanted: Wanted) -> list[LogLine]:
    """The wanted lines, oldest first. Raises AwsProblem."""
    if wanted.since is None and not wanted.pattern:
        return _tail(session, names, wanted)
    begin = newest(session, names) - (wanted.since or timedelta(days=3650))
    lines = list(_matching(session, names, wanted, max(begin, datetime.fromtimestamp(0, UTC))))
    return lines if wanted.since else lines[-wanted.last :]


def newest(session: Session, names: StackNames) -> datetime:
    """Now, or the time of the last line where that is later: a local cloud's clock runs ahead."""
    streams = _streams(session, names, 5)
    stamps = [at(each["lastEventTimestamp"]) for each in streams if "lastEventTimestamp" in each]
    return max([datetime.now(UTC), *stamps])


def _streams(session: Session, names: StackNames, most: int) -> list[dict[str, Any]]:
    """The streams that were written to last. Raises AwsProblem."""
    try:
        found: list[dict[str, Any]] = session.call(
            "logs",
            "describe_log_streams",
            logGroupName=names.log_group,
            orderBy="LastEventTime",
            descending=True,
            limit=most,
        )["logStreams"]
    except AwsProblem as problem:
        if problem.kind == "missing":
            raise _no_group(names, problem) from problem
        raise
    return found


def _no_group(names: StackNames, problem: AwsProblem) -> AwsProblem:
    return AwsProblem(
        "missing",
        t(
            "There is no log group {group}: ECS is off, or somebody deleted it.",
            group=names.log_group,
        ),
        t("See `./careapp status` and `./careapp doctor`."),
        problem.code,
    )


def _tail(session: Session, names: StackNames, wanted: Wanted) -> list[LogLine]:
    """The end of the log, from the streams that were written to last."""
    found: list[LogLine] = []
    for stream in _streams(session, names, 50 if wanted.task else 8):
        name = stream["logStreamName"]
        task = name.rpartition("/")[2]
        if task.startswith(wanted.task):
            found += stream_end(session, names, name, wanted.last)
        if wanted.task and found:
            break
    return sorted(found, key=lambda each: each.at)[-wanted.last :]


def stream_end(session: Session, names: StackNames, name: str, last: int) -> list[LogLine]:
    """The last lines of one stream. Raises AwsProblem."""
    answer = session.call(
        "logs",
        "get_log_events",
        logGroupName=names.log_group,
        logStreamName=name,
        limit=min(last, MOST),
        startFromHead=False,
    )
    task = name.rpartition("/")[2]
    return [LogLine(at(each["timestamp"]), task, each["message"]) for each in answer["events"]]


def _matching(
    session: Session, names: StackNames, wanted: Wanted, begin: datetime
) -> Iterator[LogLine]:
    params: dict[str, Any] = {"startTime": int(begin.timestamp() * 1000)}
    if wanted.pattern:
        params["filterPattern"] = wanted.pattern
    asked = session.pages("logs", "filter_log_events", logGroupName=names.log_group, **params)
    try:
        for page in asked:
            for each in page["events"]:
                task = each["logStreamName"].rpartition("/")[2]
                if task.startswith(wanted.task):
                    moment, text = at(each["timestamp"]), each["message"]
                    name = f"{task}/{each.get('eventId')}/{moment}/{text}"
                    yield LogLine(moment, task, text, name)
    except AwsProblem as problem:
        if wanted.pattern and problem.code == "InvalidParameterException":
            raise _no_pattern(wanted.pattern, problem) from problem
        raise


def _no_pattern(pattern: str, problem: AwsProblem) -> AwsProblem:
    return AwsProblem(
        "refused",
        t(
            "--filter {pattern} is no filter pattern of CloudWatch Logs ({said}).",
            pattern=pattern,
            said=problem.said,
        ),
        t(
            "Put what has other characters than letters, digits and _ into double quotes, as in "
            """'"went away" -retry', or ask for fields: '{{ $.level = "error" }}'."""
        ),
        problem.code,
        problem.said,
    )


def follow(
    session: Session,
    names: StackNames,
    wanted: Wanted,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[LogLine]:
    """The wanted lines, then every new one, for ever; a throttled or lost call is made again.

    Raises AwsProblem for what does not pass by itself.
    """
    shown: dict[str, None] = {}
    edge = newest(session, names) - (wanted.since or timedelta(minutes=1))
    while True:
        try:
            for line in _matching(session, names, wanted, edge - OVERLAP if shown else edge):
                if line.id not in shown:
                    shown[line.id] = None
                    edge = max(edge, line.at)
                    yield line
        except AwsProblem as problem:
            if problem.kind not in ("throttled", "unreachable"):
                raise
        for old in list(shown)[:-REMEMBERED]:
            del shown[old]
        sleep(POLL_SECONDS)


def previous(session: Session, names: StackNames, wanted: Wanted) -> tuple[Task, list[LogLine]]:
    """The task that ended last of those whose app was started, and its last lines. Raises AwsProblem."""
    ended = [
        each
        for each in compute.tasks(session, names)
        if each.status == "STOPPED" and each.id.startswith(wanted.task)
    ]
    if not ended:
        raise AwsProblem(
            "missing",
            t("No task of {service} stopped within the last hour.", service=names.service),
            t("ECS forgets stopped tasks after an hour; --since 2h shows the log of older ones."),
        )
    task = max(ended, key=lambda each: (each.ran, str(each.stopped)))
    known = compute.definition(session, task.definition)
    try:
        lines = stream_end(session, names, known.stream(task.id), wanted.last)
    except AwsProblem as problem:
        if problem.kind != "missing":
            raise
        lines = []
    return task, lines
