"""The driver of the service scheduler: feeds it what happens, and does what it wants done."""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from rehearsal.clock import Clock
from rehearsal.control import hooks
from rehearsal.data import ecs_happenings as happen
from rehearsal.data.ecs_core import step
from rehearsal.data.ecs_declared import revision_of, settings_of
from rehearsal.data.ecs_publish import TaskRecord
from rehearsal.data.ecs_state import Service
from rehearsal.data.managed import Managed
from rehearsal.data.runner import Runner
from rehearsal.data.targets import Targets
from rehearsal.data.task_network import TaskNetwork
from rehearsal.data.task_place import Place
from rehearsal.data.task_signals import listen
from rehearsal.data.task_work import TaskWork

log = logging.getLogger(__name__)

TICK_SECONDS = 0.05
"""Seconds of the wall between two looks at the clock."""

Found: TypeAlias = tuple[Place, TaskRecord]


class Scheduler:
    """Runs every ECS service. One thread decides; starting and stopping happens in a pool."""

    def __init__(
        self, clock: Clock, targets: Targets, network: TaskNetwork, runner: Runner
    ) -> None:
        self._clock, self._targets, self._network = clock, targets, network
        self._epoch = clock.now() - timedelta(seconds=clock.monotonic())
        self._happened: queue.Queue[tuple[Managed, happen.Happening]] = queue.Queue()
        self._wanted: queue.Queue[tuple[Managed, happen.Action]] = queue.Queue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rehearsal-ecs", daemon=True)
        self.services: dict[str, Managed] = {}
        self._work = TaskWork(targets, network, runner, self.tell, self.at)
        listen(targets, network, runner, self.services, self.tell)

    def start(self) -> None:
        """Begin to schedule."""
        self._thread.start()

    def stop(self) -> None:
        """Stop scheduling, end every task, give every address back."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(20)
        self._work.stop(self.services.values())

    def at(self, seconds: float | None) -> datetime | None:
        """A moment on the clock as AWS's date and time."""
        return None if seconds is None else self._epoch + timedelta(seconds=seconds)

    def find(self, task: str) -> Found | None:
        """The place of a task and what ECS shows of it."""
        for managed in list(self.services.values()):
            place, shown = managed.places.get(task), managed.shown.get(task)
            if place is not None and shown is not None:
                return place, shown
        return None

    def adopt(self, record: Any) -> Managed:
        """Take a new service over from moto."""
        definition = hooks.backend("ecs").describe_task_definition(record.task_definition)
        core = Service(
            name=record.name,
            settings=settings_of(record),
            new_id=lambda: uuid.uuid4().hex,
        )
        record.created_at = self._clock.now()
        managed = self.services[record.arn] = Managed(core, record)
        self.act(managed, happen.Updated(settings_of(record), revision_of(record, definition)))
        return managed

    def act(self, managed: Managed, *happenings: happen.Happening) -> None:
        """Let the scheduler take ``happenings`` in now.

        What it then wants done is left to the thread: callers hold the lock, and this is network work.
        """
        with hooks.LOCK:
            for action in step(managed.core, self._clock.monotonic(), happenings):
                self._wanted.put((managed, action))
            managed.publish(self.at)

    def tell(self, managed: Managed, happening: happen.Happening) -> None:
        """Queue something for the next turn."""
        self._happened.put((managed, happening))

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._turn()
            except Exception:
                log.exception("a turn of the rehearsal's service scheduler failed")

    def _turn(self) -> None:
        gathered: dict[Managed, list[happen.Happening]] = {}
        try:
            managed, happening = self._happened.get(timeout=TICK_SECONDS)
            gathered.setdefault(managed, []).append(happening)
            while True:
                managed, happening = self._happened.get_nowait()
                gathered.setdefault(managed, []).append(happening)
        except queue.Empty:
            pass
        self._targets.expire()
        self._network.refresh()
        for managed in list(self.services.values()):
            self.act(managed, *gathered.get(managed, ()))
        while not self._wanted.empty():
            self._work.do(*self._wanted.get())
