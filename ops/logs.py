"""The app's log: the last lines, those of a task that ended, or all as they come."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from i18n import t
from ops.aws import AwsProblem, Session
from ops.log_search import LogLine, Search, Wanted
from ops.snapshot import compute, task_logs
from ops.snapshot.records import Task
from stack.names import StackNames

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
POLL_SECONDS = 2.0
OVERLAP = timedelta(seconds=30)
"""CloudWatch may show a line later than a younger one of another stream."""
REMEMBERED = 20_000


def parse_since(text: str) -> timedelta:
    """``90s``, ``10m``, ``2h``, ``1d``. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ValueError(t("{text!r} is not a time like 90s, 10m, 2h or 1d.", text=text))
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def read(session: Session, names: StackNames, wanted: Wanted) -> Iterable[LogLine]:
    """The wanted lines, oldest first; those since a time are read as they are taken. Raises AwsProblem."""
    search = Search(session, names, wanted)
    if wanted.since is None:
        return search.latest()
    return search.since(search.newest() - wanted.since)


def stream_end(session: Session, names: StackNames, name: str, last: int) -> list[LogLine]:
    """The last lines of one stream. Raises AwsProblem."""
    task = name.rpartition("/")[2]
    found = task_logs.tail(session, names.log_group, name, last)
    return [LogLine(task_logs.at(each["timestamp"]), task, each["message"]) for each in found]


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
    search = Search(session, names, wanted)
    edge = search.newest() - (wanted.since or timedelta(minutes=1))
    while True:
        try:
            for line in search.since(edge - OVERLAP if shown else edge):
                if line.id not in shown:
                    shown[line.id] = None
                    edge = max(edge, line.at)
                    yield line
        except AwsProblem as problem:
            if not problem.passing:
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
