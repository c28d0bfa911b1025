"""Reads the stack while a browser watches, and what the engine is doing by its locks and its checkpoint."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from careapp import ROOT
from careapp.additions.owner import inquiry_of, overview
from careapp.additions.parts.jobs import JOBS
from careapp.additions.parts.settings import settings_of
from careapp.additions.target import target_of
from careapp.settings.file import StackError, project_of
from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from careapp.watch import events, logs
from careapp.watch.events import Event
from careapp.watch.logs import LogQuery
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.findings import Diagnosis
from ecs_gate.doctor import judge
from ecs_gate.parts.elb import PageAnswer
from ecs_gate.parts.gather import Snapshot, gather
from ecs_gate.parts.records import Part
from ecs_gate.parts.stack_secrets import learn
from ecs_gate.text import verbatim
from local_cloud.paths import Home

DELETING = "deleting"
"""Type of a pending operation (Pulumi, apitype.OperationType)."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the engine does to one stack. ``removing``: since it took the stack's lock it has only deleted resources."""

    project: str
    stack: str
    busy: bool = False
    removing: bool = False
    resources: int = 0


class EngineWork:
    """Reads the project's stacks in the backend; remembers what the engine did since it took its lock."""

    def __init__(self, home: Home) -> None:
        self._backend, self.project = home.state / ".pulumi", project_of(ROOT)
        self._done: dict[str, set[str]] = {}

    def stacks(self) -> tuple[str, ...]:
        """Return the stacks that the backend holds, the one that changed last first."""
        files = (self._backend / "stacks" / self.project).glob("*.json")
        return tuple(file.stem for file in sorted(files, key=_changed, reverse=True))

    def of(self, stack: str) -> Work:
        """Return what the engine does to a stack; of one that the backend does not know, nothing."""
        file = self._backend / "stacks" / self.project / f"{stack}.json"
        resources, pending = _checkpoint(file, _changed(file))
        lock = next(self._locks(stack), None)
        work = Work(project=self.project, stack=stack, resources=resources)
        if lock is None:
            return work
        done = self._done.setdefault(lock, set())
        done |= pending
        return replace(work, busy=True, removing=done == {DELETING})

    def _locks(self, stack: str) -> Iterator[str]:
        """Yield a stack's locks whose engine still runs: one that was killed leaves its lock behind."""
        for file in (self._backend / "locks").glob(f"*/{self.project}/{stack}/*.json"):
            if _alive(content(file).get("pid")):
                yield file.stem


@lru_cache
def _checkpoint(file: Path, _changed: float) -> tuple[int, frozenset[str]]:
    """Return how many resources a stack has, and the types of its pending operations; read once for each change."""
    latest = (content(file).get("checkpoint") or {}).get("latest") or {}
    pending = frozenset(str(each["type"]) for each in latest.get("pending_operations") or ())
    return len(latest.get("resources") or ()), pending


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def content(file: Path) -> dict[str, Any]:
    """Return a JSON file's content; {} where there is none, or while it is just being replaced."""
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


TICK = 1.0
"""Seconds between two reads: at a speed of 20 a health check of 10 s comes every half second."""
FULL_EVERY = 5.0
"""Seconds after which all is asked for again, though a glance shows no change: a closed security group,
a deleted image and the like show only there. A full look costs four times a glance."""
LOG_LINES = 200


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What the page shows: the stack, what the engine does to it, and its events. ``at`` is AWS's time."""

    at: datetime
    work: Work
    stacks: tuple[str, ...] = ()
    now: Snapshot | None = None
    diagnosis: Diagnosis | None = None
    events: tuple[Event, ...] = ()

    @property
    def case(self) -> Case | None:
        return Case.of(self.now) if self.now else None


@dataclass
class _Memory:
    """The last look at one stack, in seconds of the wall."""

    seen: Moment | None = None
    looked: float = 0.0
    mark: str = ""
    full: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Watcher:
    """Reads for all open pages: within a TICK they share one read, and without an open page nothing is read."""

    def __init__(self, home: Home, session: Session) -> None:
        self._home, self._session = home, session
        self._engine = EngineWork(home)
        self._memories: dict[str, _Memory] = {}
        self._lock = threading.Lock()

    def stacks(self) -> tuple[str, ...]:
        """Return the stacks of this rehearsal, the one that changed last first."""
        return self._engine.stacks()

    def look(self, stack: str) -> Moment:
        """Return the state of a stack, read within the last TICK."""
        with self._lock:
            memory = self._memories.setdefault(stack, _Memory())
        with memory.lock:
            if memory.seen is None or time.monotonic() - memory.looked >= TICK:
                memory.seen = self._look(stack, memory)
                memory.looked = time.monotonic()
            return memory.seen

    def _look(self, stack: str, memory: _Memory) -> Moment:
        work, stacks = self._engine.of(stack), self._engine.stacks()
        at = self._now()
        try:
            settings = Settings.read(stack, self._home.project)
        except StackError:
            return Moment(at=at, work=work, stacks=stacks)
        target = target_of(settings)
        learn(self._session, target.names, target.login.secret_arn, public=target.public_words)
        now, diagnosis = self._gathered(settings, memory)
        return Moment(
            at=at, work=work, stacks=stacks, now=now, diagnosis=diagnosis, events=self._events(now)
        )

    def _now(self) -> datetime:
        """Return AWS's time, as the local cloud has written it into its file of facts."""
        time = content(self._home.facts).get("time")
        return datetime.fromisoformat(time) if time else datetime.now(UTC)

    def _gathered(self, settings: Settings, memory: _Memory) -> tuple[Snapshot, Diagnosis]:
        """Return the snapshot of the doctor, read again after a change or when it is old."""
        mark = repr(overview(settings, self._session))
        old = time.monotonic() - memory.full >= FULL_EVERY
        last = memory.seen
        if last and last.now and last.diagnosis and mark == memory.mark and not old:
            return last.now, last.diagnosis
        page = _still_answers(last.now) if last and last.now and mark == memory.mark else None
        now = gather(inquiry_of(settings, self._session, page=page))
        memory.mark, memory.full = mark, time.monotonic()
        return now, judge(now)

    def _events(self, now: Snapshot) -> tuple[Event, ...]:
        known = [
            *events.of_service(now.service.value),
            *events.of_tasks(now.tasks.value or ()),
            *self._of_processes(now),
            *events.of_database(now.database.value),
            *(self._of_service(settings_of(now).names) if now.service.value else ()),
        ]
        return tuple(sorted(known, key=lambda event: event.at))

    def _of_processes(self, now: Snapshot) -> Iterator[Event]:
        for name, worker in now.workers.items():
            yield from events.of_service(worker.service.value, name)
            yield from events.of_tasks(worker.tasks.value or ())
        yield from events.of_jobs(jobs.runs if (jobs := now.of(JOBS).value) else ())

    def _of_service(self, names: StackNames) -> Iterator[Event]:
        """Yield what is asked for by itself; `./careapp events` says what cannot be read."""
        with suppress(AwsProblem):
            yield from events.of_scaling(self._session, names)
        yield from self._lines(names)

    def _lines(self, names: StackNames) -> Iterator[Event]:
        try:
            lines = logs.masked(logs.read(self._session, names, LogQuery(last=LOG_LINES)))
        except AwsProblem:
            return  # There is no log yet, or it is why the doctor finds something.
        for line in lines:
            yield Event(line.at, "log", line.task[:8], verbatim(line.text.rstrip()))


def _still_answers(before: Snapshot) -> Part[PageAnswer] | None:
    """Return the page's last answer, unless that was an error: the app counts each request as a visit."""
    page = before.page.value
    return before.page if page is not None and not page.fails else None
