"""Reads a stack's log group: the last lines, those since a time, new ones, or those of a stopped task."""

import json
import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from careapp.additions.target import session_of
from careapp.settings import file
from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.parts import ecs, task_logs
from ecs_gate.parts.records import Task, read_existing
from ecs_gate.parts.stack_secrets import learn_aloud
from ecs_gate.parts.task_logs import at
from ecs_gate.parts.verdicts import STREAMS as GATE_STREAMS
from ecs_gate.screen import Line, dated_time, display
from ecs_gate.text import t
from ecs_gate.text.masking import Lines

SPANS = (
    *(timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1)),
    *(timedelta(days=1), timedelta(days=7), timedelta(days=30)),
)
"""How far back the last lines are looked for, one after the other, before the log's beginning."""

STREAMS = 5
"""Streams whose last time is looked at: the clock of a local cloud runs ahead."""


@dataclass(frozen=True)
class LogEvent:
    """A log line and the task that wrote it."""

    at: datetime
    task: str
    text: str
    id: str = ""


@dataclass(frozen=True)
class LogQuery:
    """Selects log lines: CloudWatch's filter pattern, the prefix of a task id, a duration, a count.

    ``streams`` is the prefix of the log streams of a job.
    """

    pattern: str = ""
    task: str = ""
    since: timedelta | None = None
    last: int = 100
    streams: str = ""


def masked(
    lines: Iterable[LogEvent], learn: Callable[[], object] = lambda: None
) -> Iterator[LogEvent]:
    """Yield the lines with secrets masked; each task's lines are one log.

    ``learn`` reads the values of secrets, before each line: one may be rotated while the log is followed.
    """
    logs = defaultdict[str, Lines](Lines)
    for line in lines:
        learn()
        yield replace(line, text=logs[line.task].mask(line.text))


class Search:
    """Searches one stack's log group. Every method raises AwsProblem."""

    def __init__(self, session: Session, names: StackNames, query: LogQuery) -> None:
        self._session, self._names, self._query = session, names, query
        self._where = {"logGroupName": names.log_group}
        if query.pattern:
            self._where["filterPattern"] = query.pattern
        streams = query.streams or (names.streams if query.task or names.process else "")
        self._prefix = f"{streams}/{query.task}" if streams else ""
        if self._prefix:
            self._where["logStreamNamePrefix"] = self._prefix

    def newest(self) -> datetime:
        """Return now, or the time of the last line if that is later: a local cloud writes its time twice a second."""
        stamps = [stream.get("lastEventTimestamp", 0) for stream in self._streams()]
        return max([local_cloud.now(), *map(at, stamps)])

    def _streams(self) -> list[dict[str, Any]]:
        try:
            streams: list[dict[str, Any]] = self._session.call(
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
        return streams

    def check_task(self) -> None:
        """Raise AwsProblem where no task has a log whose id begins as the query's does."""
        params = {"logGroupName": self._names.log_group, "logStreamNamePrefix": self._prefix}
        streams = self._session.pages("logs", "describe_log_streams", **params)
        if not any(page["logStreams"] for page in streams):
            raise AwsProblem(
                "missing",
                t("There is no log of a task whose id begins with {task}.", task=self._query.task),
                t("`./careapp status` shows the tasks, `./careapp logs` the lines of all."),
            )

    def latest(self, floor: datetime | None = None) -> list[LogEvent]:
        """Return the last lines, oldest first, none before ``floor``.

        CloudWatch answers oldest first, and a log can hold years. So the last minute is read, then what came before
        that, and so on. (moto lacks `startFromHead` false, which answers newest first.)
        """
        newest, lowest = self.newest(), _stamp(floor) if floor else 0
        begins = [*(_stamp(newest - span) for span in SPANS), lowest]
        events: list[LogEvent] = []
        end: int | None = None
        for begin in (max(span, lowest) for span in begins):
            lines = self._between(begin, end)
            events = [*deque(lines, self._query.last - len(events)), *events]
            if len(events) >= self._query.last or begin == lowest:
                break
            end = begin - 1
        return events

    def since(self, begin: datetime) -> Iterator[LogEvent]:
        """Yield the lines since a time, oldest first."""
        return self._between(_stamp(begin))

    def _between(self, begin: int, end: int | None = None) -> Iterator[LogEvent]:
        params: dict[str, Any] = {**self._where, "startTime": begin}
        if end is not None:
            params["endTime"] = end
        try:
            for page in self._session.pages("logs", "filter_log_events", **params):
                for event in page["events"]:
                    # moto does not know the beginning of a stream's name.
                    stream = event["logStreamName"]
                    if stream.startswith(self._prefix) and not stream.startswith(GATE_STREAMS):
                        yield _line(event)
        except AwsProblem as problem:
            if self._query.pattern and problem.code == "InvalidParameterException":
                raise _no_pattern(self._query.pattern, problem) from problem
            raise


def _stamp(moment: datetime) -> int:
    """Return CloudWatch's timestamp, which is never before 1970."""
    return max(int(moment.timestamp() * 1000), 0)


def _line(event: dict[str, Any]) -> LogEvent:
    task = event["logStreamName"].rpartition("/")[2]
    moment, text = at(event["timestamp"]), event["message"]
    return LogEvent(moment, task, text, f"{task}/{event.get('eventId')}/{moment}/{text}")


def _no_group(names: StackNames, problem: AwsProblem) -> AwsProblem:
    return AwsProblem(
        "missing",
        t(
            "There is no log group {group}: ECS is off, or the log group was deleted.",
            group=names.log_group,
        ),
        t("See `./careapp status` and `./careapp doctor`."),
        problem.code,
    )


def _no_pattern(pattern: str, problem: AwsProblem) -> AwsProblem:
    return AwsProblem(
        "refused",
        t(
            "--filter {pattern} is not a filter pattern of CloudWatch Logs ({said}).",
            pattern=pattern,
            said=problem.message,
        ),
        t(
            "Put terms with characters other than letters, digits and _ in double quotes, as in "
            "'\"went away\" -retry', or match fields: '{{ $.level = \"error\" }}'."
        ),
        problem.code,
        problem.message,
    )


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

POLL_SECONDS = 2.0

OVERLAP = timedelta(seconds=30)
"""CloudWatch may show a line later than a younger one of another stream."""

REMEMBERED = 20_000


def parse_since(text: str) -> timedelta:
    """Return the duration of ``90s``, ``10m``, ``2h``, ``1d``. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ValueError(t("{text!r} is not a time like 90s, 10m, 2h or 1d.", text=text))
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def read(
    session: Session, names: StackNames, query: LogQuery, back: timedelta | None = None
) -> Iterable[LogEvent]:
    """Return the selected lines, oldest first; without ``since`` none older than ``back``. Raises AwsProblem."""
    search = Search(session, names, query)
    if query.since is None:
        return search.latest(search.newest() - back if back else None)
    return search.since(search.newest() - query.since)


def stream_end(session: Session, names: StackNames, name: str, last: int) -> list[LogEvent]:
    """Return the last lines of one stream. Raises AwsProblem."""
    task = name.rpartition("/")[2]
    end = task_logs.tail(session, names.log_group, name, last)
    return [LogEvent(task_logs.at(event["timestamp"]), task, event["message"]) for event in end]


def follow(
    session: Session,
    names: StackNames,
    query: LogQuery,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[LogEvent]:
    """Yield what `read` returns, then new lines without end; throttled and lost calls are repeated.

    Raises AwsProblem for a call that cannot succeed later.
    """
    shown: dict[str, None] = {}
    search = Search(session, names, query)
    edge = begin = search.newest() - timedelta(minutes=1)
    # CloudWatch takes minutes to look for a word in all that a log has, and new lines would wait.
    back = timedelta(days=1) if query.pattern else None
    begun = False
    while True:
        try:
            lines = (
                search.since(max(edge - OVERLAP, begin))
                if begun
                else read(session, names, query, back)
            )
            for line in lines:
                if line.id not in shown:
                    if not (begun or shown):
                        begin = line.at  # What came before it was not asked for.
                    shown[line.id] = None
                    edge = max(edge, line.at)
                    yield line
            begun = True
        except AwsProblem as problem:
            if not problem.temporary:
                raise
        for old in list(shown)[:-REMEMBERED]:
            del shown[old]
        sleep(POLL_SECONDS)


def previous(session: Session, names: StackNames, query: LogQuery) -> tuple[Task, list[LogEvent]]:
    """Return the task that stopped last, of those whose app started, and its last lines. Raises AwsProblem."""
    ended = [
        each
        for each in ecs.tasks(session, names)
        if each.status == "STOPPED" and each.id.startswith(query.task)
    ]
    if not ended:
        raise AwsProblem(
            "missing",
            t("No task of {service} stopped within the last hour.", service=names.service),
            t("ECS keeps stopped tasks for an hour; --since 2h shows the log of older ones."),
        )
    task = max(ended, key=lambda each: (each.ran, str(each.stopped)))
    known = ecs.definition(session, task.definition)
    lines = read_existing(stream_end, session, names, known.stream(task.id), query.last)
    return task, lines or []


BAD = re.compile(r'(?i)"level": "(error|critical)"|\b(error|critical|traceback|exception|fatal)\b')


@dataclass(frozen=True)
class LogScreen:
    """Formats log lines as text, or as one JSON object a line, with secrets masked unless ``raw``."""

    as_json: bool = False
    raw: bool = False

    def lines(self, lines: Iterable[LogEvent], learn: Callable[[], object]) -> Iterator[Line]:
        """Yield log lines; ``learn`` as `masked` takes it."""
        return map(self._line, lines if self.raw else masked(lines, learn))

    def _line(self, event: LogEvent) -> Line:
        text = event.text.rstrip()
        if self.as_json:
            data = {"time": event.at.isoformat(), "task": event.task, "message": _read(text)}
            return Line(json.dumps(data, ensure_ascii=False), whole=self.raw)
        style = "red" if BAD.search(event.text) else ""
        return Line(f"{dated_time(event.at)} {event.task[:8]} {text}", style, whole=self.raw)

    def ended(self, task: Task) -> Line:
        """Return the line that describes a stopped task, before its log."""
        codes = list(task.exit_codes.values())
        if self.as_json:
            stopped = task.stopped.isoformat() if task.stopped else None
            ended = {"task": task.id, "stopped": stopped, "reason": task.reason}
            data = {**ended, "exitCodes": codes}
            return Line(json.dumps(data, ensure_ascii=False))
        text = t(
            "Task {task} stopped at {time}: {reason} (exit codes: {codes}). Its last lines:",
            task=task.short,
            time=dated_time(task.stopped) if task.stopped else "-",
            reason=task.reason or "-",
            codes=", ".join(map(str, codes)) or "-",
        )
        return Line(text, "bold")


def _read(text: str) -> object:
    """Return the app's JSON object, or its text."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    return content if isinstance(content, dict) else text


def run(
    stack: str,
    screen: LogScreen,
    query: LogQuery,
    is_following: bool,
    last: bool = False,
    worker: str = "",
) -> int:
    """Print log lines, of the task that stopped last or of all tasks, and return 0. ``worker``: only of its tasks."""
    session, names = session_of(file.read(stack)), file.names_of(stack)
    if worker:
        names = Settings.read(stack).names_of(worker)
    learn = partial(learn_aloud, session, names)
    if last:
        task, lines = previous(session, names, query)
        display([screen.ended(task), *screen.lines(lines, learn)])
        return 0
    if query.task:
        Search(session, names, query).check_task()
    show = follow if is_following else read
    display(screen.lines(show(session, names, query), learn))
    return 0
