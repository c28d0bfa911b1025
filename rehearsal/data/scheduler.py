"""The driver of the service scheduler: feeds it what happens, and does what it wants done."""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rehearsal.clock import Clock
from rehearsal.control import hooks
from rehearsal.data import ecs_happenings as happen
from rehearsal.data.addresses import NoLoopback
from rehearsal.data.ecs_core import step
from rehearsal.data.ecs_declared import revision_of, settings_of, target_port
from rehearsal.data.ecs_publish import TaskRecord, make_record, publish_service, publish_task
from rehearsal.data.ecs_state import Service
from rehearsal.data.network import NoAddressLeft
from rehearsal.data.runner import Runner, health_of
from rehearsal.data.start_checks import CannotStart
from rehearsal.data.targets import Target, Targets
from rehearsal.data.task_network import TaskNetwork
from rehearsal.data.task_place import Place

log = logging.getLogger(__name__)

TICK_SECONDS = 0.05
"""Seconds of the wall between two looks at the clock."""
WORKERS = 8


@dataclass(eq=False)
class Managed:
    """A service under the scheduler: its state, moto's record of it, and the places of its tasks."""

    core: Service
    record: Any
    places: dict[str, Place] = field(default_factory=dict)
    shown: dict[str, TaskRecord] = field(default_factory=dict)


class Scheduler:
    """Runs every ECS service. One thread decides; starting and stopping happens in a pool."""

    def __init__(
        self, clock: Clock, targets: Targets, network: TaskNetwork, runner: Runner
    ) -> None:
        self._clock, self._targets, self._network, self._runner = clock, targets, network, runner
        self._epoch = clock.now() - timedelta(seconds=clock.monotonic())
        self._happened: queue.Queue[tuple[Managed, happen.Happening]] = queue.Queue()
        self._wanted: queue.Queue[tuple[Managed, happen.Action]] = queue.Queue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rehearsal-ecs", daemon=True)
        self._pool = ThreadPoolExecutor(WORKERS, "rehearsal-task-work")
        self.services: dict[str, Managed] = {}
        runner.on_exit = self._exited
        runner.on_health = self._checked
        targets.on_changed = self._target_changed
        targets.on_gone = self._target_gone

    def start(self) -> None:
        """Begin to schedule."""
        self._thread.start()

    def stop(self) -> None:
        """Stop scheduling, end every task, give every address back."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(20)
        self._runner.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for managed in self.services.values():
            for place in managed.places.values():
                self._network.take_back(place)
            managed.places.clear()

    def at(self, seconds: float | None) -> datetime | None:
        """A moment on the clock as AWS's date and time."""
        return None if seconds is None else self._epoch + timedelta(seconds=seconds)

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
        self.act(managed, happen.Updated(settings_of(record), revision_of(definition)))
        return managed

    def act(self, managed: Managed, *happenings: happen.Happening) -> None:
        """Let the scheduler take ``happenings`` in now.

        What it then wants done is left to the thread: callers hold the lock, and this is network work.
        """
        with hooks.LOCK:
            for action in step(managed.core, self._clock.monotonic(), happenings):
                self._wanted.put((managed, action))
            self._publish(managed)

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
            self._do(*self._wanted.get())

    def _attach(self, managed: Managed, task_id: str) -> None:
        task, ecs = managed.core.task(task_id), hooks.backend("ecs")
        if task is None:
            return
        definition = ecs.describe_task_definition(task.task_definition)
        try:
            place = self._network.give(task_id, managed.record, definition, lambda: task.status)
        except (NoAddressLeft, NoLoopback, OSError) as problem:
            self.tell(managed, happen.FailedToStart(task_id, str(problem)))
            return
        with hooks.LOCK:
            managed.places[task_id] = place
            shown = make_record(managed.core, task, place, managed.record, self.at)
            managed.shown[task_id] = shown
            ecs.tasks.setdefault(managed.record.cluster_name, {})[place.arn] = shown
            self._publish(managed)

    def _do(self, managed: Managed, action: happen.Action) -> None:
        place = managed.places.get(action.task)
        match action:
            case happen.Attach(task=task):
                self._attach(managed, task)
            case happen.Launch() if place is not None:
                self._pool.submit(self._guarded, self._launch, managed, place)
            case happen.Kill(task=task):
                self._pool.submit(self._guarded, self._kill, managed, task)
            case happen.Register() if place is not None:
                for group in managed.core.settings.target_groups:
                    port = target_port(managed.record, group)
                    self._targets.register(group, place.private_address, port)
            case happen.Deregister() if place is not None:
                self._deregister(managed, place)
            case happen.Detach() if place is not None:
                self._network.take_back(managed.places.pop(action.task))

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except Exception:
            log.exception("work on a task of the rehearsal failed")

    def _launch(self, managed: Managed, place: Place) -> None:
        try:
            self._runner.start(place)
        except CannotStart as problem:
            self.tell(managed, happen.FailedToStart(place.task, str(problem)))
        except Exception as problem:
            self.tell(managed, happen.FailedToStart(place.task, f"InternalError: {problem}"))
            raise
        else:
            self.tell(managed, happen.Launched(place.task))

    def _kill(self, managed: Managed, task: str) -> None:
        self._runner.end(task)
        self.tell(managed, happen.Ended(task))

    def _deregister(self, managed: Managed, place: Place) -> None:
        any_left = False
        for group in managed.core.settings.target_groups:
            port = target_port(managed.record, group)
            any_left |= self._targets.deregister(group, place.private_address, port)
        if not any_left:
            self.tell(managed, happen.Drained(place.task))

    def _publish(self, managed: Managed) -> None:
        publish_service(managed.core, managed.record, self.at)
        for task in managed.core.tasks:
            shown, place = managed.shown.get(task.id), managed.places.get(task.id)
            if shown is not None and place is not None:
                publish_task(task, place, shown, self.at)
        alive = {task.id for task in managed.core.tasks}
        for task_id in set(managed.shown) - alive:
            shown = managed.shown.pop(task_id)
            hooks.backend("ecs").tasks[managed.record.cluster_name].pop(shown.task_arn, None)

    def _owner(self, task: str) -> Managed | None:
        return next((each for each in self.services.values() if task in each.places), None)

    def _exited(self, task: str) -> None:
        if (managed := self._owner(task)) is not None:
            self.tell(managed, happen.Exited(task))

    def _checked(self, task: str) -> None:
        if (managed := self._owner(task)) is not None:
            health = health_of(managed.places[task])
            self.tell(managed, happen.ContainerChecked(task, health))

    def _target_changed(self, target: Target) -> None:
        place = self._network.find(str(target.id))
        managed = self._owner(place.task) if place else None
        if place and managed:
            state, why = self._targets.state(target)
            words = why[1] if why else ""
            self.tell(managed, happen.TargetChanged(place.task, target.group, state, words))

    def _target_gone(self, target: Target) -> None:
        place = self._network.find(str(target.id))
        managed = self._owner(place.task) if place else None
        if place and managed:
            address, groups = place.private_address, managed.core.settings.target_groups
            ports = [(group, target_port(managed.record, group)) for group in groups]
            if all(self._targets.is_gone(group, address, port) for group, port in ports):
                self.tell(managed, happen.Drained(place.task))
