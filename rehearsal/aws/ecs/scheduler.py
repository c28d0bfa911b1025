"""Runs the service scheduler: passes it the events of tasks and carries out its actions."""

from __future__ import annotations

import logging
import queue
import threading
import uuid
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from rehearsal.aws import hooks
from rehearsal.aws.ec2.network import NoAddressLeft
from rehearsal.aws.ecs import launch_rate
from rehearsal.aws.ecs import state as ecs_state
from rehearsal.aws.ecs.network import TaskNetwork
from rehearsal.aws.ecs.place import NoLoopback, Place, health_of
from rehearsal.aws.ecs.records import (
    At,
    TaskRecord,
    make_record,
    pending_record,
    publish_service,
    publish_task,
    revision_of,
    settings_of,
)
from rehearsal.aws.ecs.runner import Runner
from rehearsal.aws.ecs.service import step
from rehearsal.aws.ecs.shifting import set_weights
from rehearsal.aws.ecs.start_checks import CannotStart
from rehearsal.aws.ecs.state import Revision, Service, Settings
from rehearsal.aws.ecs.tasks import begin
from rehearsal.aws.elb.targets import Target, Targets
from rehearsal.clock import Clock


@dataclass(eq=False)
class Managed:
    """A service, or the tasks of one RunTask call: their state, moto's record and the tasks' places.

    ``definition`` is RunTask's, with overrides. A service's tasks have that of their revision.
    """

    core: Service
    record: Any
    definition: Any = None
    places: dict[str, Place] = field(default_factory=dict)
    shown: dict[str, TaskRecord] = field(default_factory=dict)

    def ports(self, task_id: str) -> dict[str, int]:
        """Return the port that a task registers in each target group, or {} for an unknown task."""
        task = self.core.task(task_id)
        return task.revision.ports if task else {}

    def publish(self, at: At) -> None:
        """Write the state into moto's records. Call it with the lock held."""
        if self.core.name:
            publish_service(self.core, self.record, at)
        for task in self.core.tasks:
            shown, place = self.shown.get(task.id), self.places.get(task.id)
            if shown is not None:
                publish_task(task, place, shown, at)
        alive = {task.id for task in self.core.tasks}
        for task_id in set(self.shown) - alive:
            shown = self.shown.pop(task_id)
            hooks.backend("ecs").tasks[self.record.cluster_name].pop(shown.task_arn, None)


Tell = Callable[[Managed, ecs_state.Event], None]
Services = Mapping[str, Managed]


def listen(
    targets: Targets, network: TaskNetwork, runner: Runner, services: Services, tell: Tell
) -> None:
    """Register callbacks for the events of targets, containers and networks."""

    def exited(task: str) -> None:
        if (managed := owner(services, task)) is not None:
            tell(managed, ecs_state.Exited(task))

    def checked(task: str) -> None:
        if (managed := owner(services, task)) is not None:
            tell(managed, ecs_state.ContainerChecked(task, health_of(managed.places[task])))

    def changed(target: Target) -> None:
        if (found := _of(target, network, services)) is not None:
            state, why = targets.state(target)
            words = why[1] if why else ""
            tell(found[0], ecs_state.TargetChanged(found[1].task, target.group, state, words))

    def gone(target: Target) -> None:
        found = _of(target, network, services)
        if found is not None and _in_no_group(targets, *found):
            tell(found[0], ecs_state.Drained(found[1].task))

    runner.on_exit, runner.on_health = exited, checked
    targets.on_changed, targets.on_gone = changed, gone


def owner(services: Services, task: str) -> Managed | None:
    """Return the service of a task that has a place."""
    return next((each for each in list(services.values()) if task in each.places), None)


def _of(target: Target, network: TaskNetwork, services: Services) -> tuple[Managed, Place] | None:
    place = network.find(target.id)
    managed = owner(services, place.task) if place else None
    return (managed, place) if managed and place else None


def _in_no_group(targets: Targets, managed: Managed, place: Place) -> bool:
    return all(
        targets.is_deregistered(group, place.private_address, port)
        for group, port in managed.ports(place.task).items()
    )


def alarms_read(core: Service) -> list[ecs_state.AlarmsRead]:
    """Return the states of the service's deployment alarms; nothing while no deployment needs them."""
    names = core.settings.alarms.names
    if not names or not core.deployments or core.primary.rollout != "IN_PROGRESS":
        return []
    with hooks.LOCK:
        known = hooks.backend("cloudwatch").alarms
        states = {name: known[name].state_value for name in names if name in known}
    return [ecs_state.AlarmsRead(frozenset(n for n, state in states.items() if state == "ALARM"))]


log = logging.getLogger(__name__)

WORKERS = 8


class TaskWork:
    """Carries out actions on tasks: addresses, containers and targets. Reports the results."""

    def __init__(
        self,
        targets: Targets,
        network: TaskNetwork,
        runner: Runner,
        tell: Tell,
        at: At,
        pool: Executor,
    ) -> None:
        self._targets, self._network, self._runner = targets, network, runner
        self._tell, self._at, self._pool = tell, at, pool

    def stop(self, services: Iterable[Managed]) -> None:
        """Stop every task and free every address."""
        self._runner.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        # A task may have been starting while the others were stopped.
        self._runner.stop()
        for managed in services:
            for place in managed.places.values():
                self._network.release(place)
            managed.places.clear()

    def _attach(self, managed: Managed, task_id: str) -> None:
        task, ecs = managed.core.task(task_id), hooks.backend("ecs")
        if task is None:
            return
        revision = task.revision
        definition = managed.definition or ecs.describe_task_definition(revision.task_definition)
        try:
            place = self._network.give(
                task_id, managed.record, revision.network, definition, lambda: task.status
            )
        except (NoAddressLeft, NoLoopback, OSError) as problem:
            self._tell(managed, ecs_state.FailedToStart(task_id, str(problem)))
            return
        with hooks.LOCK:
            managed.places[task_id] = place
            shown = make_record(managed.core, task, place, managed.record, self._at)
            managed.shown[task_id] = shown
            ecs.tasks.setdefault(managed.record.cluster_name, {})[place.arn] = shown
            publish_task(task, place, shown, self._at)

    def do(self, managed: Managed, action: ecs_state.Action) -> None:
        """Carry out one action. Slow work is done in the pool."""
        if isinstance(action, ecs_state.Weigh):
            set_weights(action)
            return
        place = managed.places.get(action.task)
        match action:
            case ecs_state.Attach(task=task):
                self._attach(managed, task)
            case ecs_state.Launch() if place is not None:
                self._pool.submit(self._guarded, self._launch, managed, place)
            case ecs_state.Kill(task=task):
                self._pool.submit(self._guarded, self._kill, managed, task)
            case ecs_state.Register() if place is not None:
                for group, port in managed.ports(action.task).items():
                    self._targets.register(group, place.private_address, port)
            case ecs_state.Deregister() if place is not None:
                self._deregister(managed, place)
            case ecs_state.Detach() if place is not None:
                self._network.release(managed.places.pop(action.task))

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except Exception:
            log.exception("work on a task of the rehearsal failed")

    def _launch(self, managed: Managed, place: Place) -> None:
        try:
            self._runner.start(place)
        except CannotStart as problem:
            self._tell(managed, ecs_state.FailedToStart(place.task, str(problem)))
        except Exception as problem:
            self._tell(managed, ecs_state.FailedToStart(place.task, f"InternalError: {problem}"))
            raise
        else:
            self._tell(managed, ecs_state.Launched(place.task))

    def _kill(self, managed: Managed, task: str) -> None:
        self._runner.end(task)
        self._tell(managed, ecs_state.Ended(task))

    def _deregister(self, managed: Managed, place: Place) -> None:
        any_left = False
        for group, port in managed.ports(place.task).items():
            any_left |= self._targets.deregister(group, place.private_address, port)
        if not any_left:
            self._tell(managed, ecs_state.Drained(place.task))


TICK_SECONDS = 0.05
"""Real seconds between two steps."""

Found: TypeAlias = tuple[Place, TaskRecord]


class Scheduler:
    """Runs every ECS service. One thread decides; a pool starts and stops tasks."""

    def __init__(
        self,
        clock: Clock,
        targets: Targets,
        network: TaskNetwork,
        runner: Runner,
        pool: Executor | None = None,
    ) -> None:
        self._clock, self._targets, self._network = clock, targets, network
        self.speed = clock.speed
        self._epoch = clock.now() - timedelta(seconds=clock.monotonic())
        self._happened: queue.Queue[tuple[Managed, ecs_state.Event]] = queue.Queue()
        self._wanted: queue.Queue[tuple[Managed, ecs_state.Action]] = queue.Queue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rehearsal-ecs", daemon=True)
        self.services: dict[str, Managed] = {}
        self.one_offs: dict[str, Managed] = {}
        """The tasks of RunTask, by the id of the first task of the call."""
        self._run_tasks = launch_rate.of_run_task()
        self.all = ChainMap(self.services, self.one_offs)
        pool = pool or ThreadPoolExecutor(WORKERS, "rehearsal-task-work")
        self._work = TaskWork(targets, network, runner, self.tell, self.at, pool)
        listen(targets, network, runner, self.all, self.tell)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, stop every task and free every address."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(20)
        self._work.stop(self.all.values())

    def at(self, seconds: float | None) -> datetime | None:
        """Return a time on the clock as AWS's date and time."""
        return None if seconds is None else self._epoch + timedelta(seconds=seconds)

    def find(self, task: str) -> Found | None:
        """Return the place of a task and its record in moto."""
        for managed in list(self.all.values()):
            place, shown = managed.places.get(task), managed.shown.get(task)
            if place is not None and shown is not None:
                return place, shown
        return None

    def adopt(self, record: Any) -> Managed:
        """Take over a new service from moto."""
        definition = hooks.backend("ecs").describe_task_definition(record.task_definition)
        core = Service(
            name=record.name,
            settings=settings_of(record),
            new_id=lambda: uuid.uuid4().hex,
        )
        record.created_at = self._clock.now()
        managed = self.services[record.arn] = Managed(core, record)
        self.act(managed, ecs_state.Updated(settings_of(record), revision_of(record, definition)))
        return managed

    def run(self, record: Any, definition: Any, count: int, started_by: str) -> list[TaskRecord]:
        """Start tasks that belong to no service. They are not replaced when they end.

        Raises Refused with ECS's error above the rate of RunTask.
        """
        if not self._run_tasks.take(self._clock.monotonic(), 1):
            raise hooks.Refused("ThrottlingException", "Rate exceeded")
        core = Service(name="", settings=Settings(desired=0), new_id=lambda: uuid.uuid4().hex)
        managed = Managed(core, record, definition)
        now = self._clock.monotonic()
        revision = Revision(
            task_definition=str(definition.arn), network=record.network_configuration
        )
        with hooks.LOCK:
            for task in begin(core, revision, now, count, started_by):
                self._wanted.put((managed, ecs_state.Attach(task.id)))
                shown = pending_record(core, task, definition, record, self.at)
                managed.shown[task.id] = shown
                tasks = hooks.backend("ecs").tasks
                tasks.setdefault(record.cluster_name, {})[shown.task_arn] = shown
            made = list(managed.shown.values())
            self.one_offs[made[0].id] = managed
        return made

    def act(self, managed: Managed, *events: ecs_state.Event) -> None:
        """Let the scheduler process events now.

        Its actions are left to the thread: callers hold the lock, and actions use the network.
        """
        with hooks.LOCK:
            for action in step(managed.core, self._clock.monotonic(), events):
                self._wanted.put((managed, action))
            managed.publish(self.at)

    def tell(self, managed: Managed, event: ecs_state.Event) -> None:
        """Queue an event for the next step."""
        self._happened.put((managed, event))

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self.turn(TICK_SECONDS)
            except Exception:
                log.exception("a turn of the service scheduler failed")

    def turn(self, patience: float) -> None:
        """Process the events of all services and carry out the actions. Waits real seconds for a first event."""
        gathered: dict[Managed, list[ecs_state.Event]] = {}
        try:
            managed, event = self._happened.get(timeout=patience)
            gathered.setdefault(managed, []).append(event)
            while True:
                managed, event = self._happened.get_nowait()
                gathered.setdefault(managed, []).append(event)
        except queue.Empty:
            pass
        self._targets.expire()
        self._network.refresh()
        for managed in list(self.all.values()):
            self.act(managed, *gathered.get(managed, ()), *alarms_read(managed.core))
        for first, managed in list(self.one_offs.items()):
            if not managed.core.tasks:
                del self.one_offs[first]
        while not self._wanted.empty():
            self._work.do(*self._wanted.get())
