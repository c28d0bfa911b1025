"""Read the log group, and the first and last log lines of tasks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ecs_gate.aws.session import Session
from ecs_gate.parts.records import Definition, Task, read_existing


@dataclass(frozen=True)
class LogLine:
    at: datetime
    text: str


@dataclass(frozen=True, kw_only=True)
class Logs:
    """The log group, and the first and last lines of tasks, by task id.

    ``resumed`` is with which time a task's last lines begin, where not all before them were read.
    """

    group: str
    exists: bool
    lines: Mapping[str, tuple[LogLine, ...]] = field(default_factory=dict)
    resumed: Mapping[str, datetime] = field(default_factory=dict)


HEAD, TAIL = 60, 60
"""Log lines of a task that are read from its beginning and from its end."""

MOST = 10_000
"""GetLogEvents answers no more lines at once (botocore)."""

PAGES = 30
"""Pages that are asked for: "partially full, or even empty" ones need not be the last (botocore,
GetLogEvents), but a command does not wait for all of them."""

TASKS_READ = 2
"""Tasks whose log is read: so many that ended, and so many that run."""

AWAY, BACK = "database away", "database connected"
"""What an app that `reconnects` says when it loses the database and when it has it again."""

REFUSED = "the database takes no new connection"
"""What it says each time that its database path gets none, while the pages use those that are open."""

MIGRATING, MIGRATED = "migrating the database", "database migrated"
UNMIGRATED = "cannot migrate the database"
"""What it says when it begins with its migrations, has ended, and when one fails."""

TURNS = ((AWAY, BACK), (UNMIGRATED, MIGRATED), (MIGRATING, MIGRATED))

Event = Mapping[str, Any]
"""A log event as CloudWatch Logs gives it."""


def choose_tasks(tasks: Iterable[Task], revision: str) -> list[Task]:
    """Return the tasks whose logs are read: stopped ones of the revision, those that ran first, and running ones.

    Tasks that a rollback stopped before their app started are the newest, and have an empty log.
    """
    ended = [task for task in tasks if task.over and task.definition == revision]
    ended.sort(key=lambda task: (task.ran, task.failed), reverse=True)
    return [*ended[:TASKS_READ], *[task for task in tasks if not task.over][:TASKS_READ]]


def logs(
    session: Session, group: str, tasks: Sequence[Task], definitions: Mapping[str, Definition]
) -> Logs:
    """Return the log group and the first and last lines of the given tasks. Raises AwsProblem."""
    groups = session.all("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=group)
    if all(each["logGroupName"] != group for each in groups):
        return Logs(group=group, exists=False)
    lines, resumed = {}, {}
    for task in tasks:
        if (known := definitions.get(task.definition)) and known.log_group == group:
            stream = known.stream(task.id)
            lines[task.id], gap = read_existing(_lines, session, group, stream) or ((), None)
            if gap:
                resumed[task.id] = gap
    return Logs(group=group, exists=True, lines=lines, resumed=resumed)


def _lines(
    session: Session, group: str, stream: str
) -> tuple[tuple[LogLine, ...], datetime | None]:
    """Return a stream's lines, and the time of the first line after a gap between head and tail."""
    events, ended = _pages(session, group, stream, HEAD, head=True)
    resumed = None
    if not ended:
        last = tail(session, group, stream, TAIL)
        new = [event for event in last if event not in events]
        if new and len(new) == len(last):
            resumed = at(new[0]["timestamp"])
            events = [*events, *_unread(session, group, stream, events, new)]
        events = [*events, *new]
    return tuple(LogLine(at(e["timestamp"]), e["message"].rstrip()) for e in events), resumed


def tail(session: Session, group: str, stream: str, most: int) -> list[Event]:
    """Return the last lines of one stream, oldest first. Raises AwsProblem."""
    return _pages(session, group, stream, most, head=False)[0]


def _pages(
    session: Session, group: str, stream: str, most: int, *, head: bool
) -> tuple[list[Event], bool]:
    """Return lines from one end of a stream, oldest first, and whether there are no more. Raises AwsProblem.

    A token that comes back as it was sent is the end (botocore, GetLogEvents).
    """
    events: list[Event] = []
    arguments: dict[str, Any] = {"logGroupName": group, "logStreamName": stream}
    arguments |= {"startFromHead": head, "limit": min(most, MOST)}
    for _ in range(PAGES):
        page = session.call("logs", "get_log_events", **arguments)
        events = [*events, *page["events"]] if head else [*page["events"], *events]
        token = page["nextForwardToken" if head else "nextBackwardToken"]
        if token == arguments.get("nextToken"):
            return events, True
        if len(events) >= most:
            break
        arguments["nextToken"] = token
    return (events[:most] if head else events[-most:]), False


def _unread(
    session: Session, group: str, stream: str, head: Sequence[Event], tail: Sequence[Event]
) -> list[Event]:
    """Return the messages between head and tail about a failure that the head ends with and the tail lacks."""
    open_ = [
        turns for turns in TURNS if _newest(head, turns) == turns[0] and not _newest(tail, turns)
    ]
    if not open_:
        return []
    events = session.all(
        "logs",
        "filter_log_events",
        "events",
        logGroupName=group,
        logStreamNames=[stream],
        filterPattern=" ".join(f'?"{turn}"' for turns in open_ for turn in turns),
        startTime=head[-1]["timestamp"] + 1,
        endTime=tail[0]["timestamp"] - 1,
    )
    return list(events)


def _newest(events: Sequence[Event], markers: tuple[str, str]) -> str:
    """Return the phrase of the newest event that has one of them; "" where none has."""
    found = [marker for event in events for marker in markers if marker in event["message"]]
    return found[-1] if found else ""


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
