"""Searches a stack's log group: from a time on, or backwards until so many lines are there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from i18n import t
from ops.aws import AwsProblem, Session
from ops.snapshot.task_logs import at
from stack.names import StackNames

SPANS = (
    *(timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1)),
    *(timedelta(days=1), timedelta(days=7), timedelta(days=30)),
)
"""How far back the last lines are looked for, one after the other, before the log's beginning."""
STREAMS = 5
"""Streams whose last time is looked at: the clock of a local cloud runs ahead."""


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


class Search:
    """One stack's log group and the lines that are wanted of it. Every method raises AwsProblem."""

    def __init__(self, session: Session, names: StackNames, wanted: Wanted) -> None:
        self._session, self._names, self._wanted = session, names, wanted
        self._where = {"logGroupName": names.log_group}
        if wanted.pattern:
            self._where["filterPattern"] = wanted.pattern
        if wanted.task:
            self._where["logStreamNamePrefix"] = f"{names.streams}/{wanted.task}"

    def newest(self) -> datetime:
        """Now, or the time of the last line where that is later: a local cloud's clock runs ahead."""
        stamps = [each.get("lastEventTimestamp", 0) for each in self._streams()]
        return max([datetime.now(UTC), *map(at, stamps)])

    def _streams(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self._session.call(
                "logs",
                "describe_log_streams",
                logGroupName=self._names.log_group,
                orderBy="LastEventTime",
                descending=True,
                limit=STREAMS,
            )["logStreams"]
        except AwsProblem as problem:
            if problem.kind == "missing":
                raise _no_group(self._names, problem) from problem
            raise
        return found

    def latest(self, floor: datetime | None = None) -> list[LogLine]:
        """The last lines, oldest first, none from before ``floor``.

        CloudWatch answers the oldest first, and a log may hold years: so it is asked for the last
        minute, then for what came before that, and so on. (The newest first, `startFromHead` false,
        moto does not know.)
        """
        newest, lowest = self.newest(), _stamp(floor) if floor else 0
        begins = [*(_stamp(newest - each) for each in SPANS), lowest]
        found: list[LogLine] = []
        end: int | None = None
        for begin in (max(each, lowest) for each in begins):
            lines = self._between(begin, end)
            found = [*deque(lines, self._wanted.last - len(found)), *found]
            if len(found) >= self._wanted.last or begin == lowest:
                break
            end = begin - 1
        return found

    def since(self, begin: datetime) -> Iterator[LogLine]:
        """The lines from a time on, oldest first, as they come."""
        return self._between(_stamp(begin))

    def _between(self, begin: int, end: int | None = None) -> Iterator[LogLine]:
        params: dict[str, Any] = {**self._where, "startTime": begin}
        if end is not None:
            params["endTime"] = end
        try:
            for page in self._session.pages("logs", "filter_log_events", **params):
                for each in page["events"]:
                    line = _line(each)
                    # moto does not know the beginning of a stream's name.
                    if line.task.startswith(self._wanted.task):
                        yield line
        except AwsProblem as problem:
            if self._wanted.pattern and problem.code == "InvalidParameterException":
                raise _no_pattern(self._wanted.pattern, problem) from problem
            raise


def _stamp(moment: datetime) -> int:
    """CloudWatch's time, which does not begin before 1970."""
    return max(int(moment.timestamp() * 1000), 0)


def _line(event: dict[str, Any]) -> LogLine:
    task = event["logStreamName"].rpartition("/")[2]
    moment, text = at(event["timestamp"]), event["message"]
    return LogLine(moment, task, text, f"{task}/{event.get('eventId')}/{moment}/{text}")


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
