"""Runs the service scheduler: passes it the events of tasks and carries out its actions."""

import queue
import uuid
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from local_cloud.aws import hooks
from local_cloud.aws.ec2.network import NoAddressLeft
from local_cloud.aws.ecs import launch_rate
from local_cloud.aws.ecs import state as ecs_state
from local_cloud.aws.ecs.network import TaskNetwork
from local_cloud.aws.ecs.placement import NoLoopback, Placement, health_of
from local_cloud.aws.ecs.records import (
    At,
    TaskRecord,
    make_record,
    pending_record,
    publish_service,
    publish_task,
    revision_of,
    settings_of,
)
from local_cloud.aws.ecs.runner import Runner
from local_cloud.aws.ecs.service import step
from local_cloud.aws.ecs.shifting import set_weights
from local_cloud.aws.ecs.start_checks import CannotStart
from local_cloud.aws.ecs.state import Revision, Service, Settings
from local_cloud.aws.ecs.tasks import begin
from local_cloud.aws.elb.targets import NOT_IN_ZONE, Target, Targets
from local_cloud.clock import Background, Clock
from local_cloud.machine.problems import PROBLEMS


@dataclass(eq=False)
class Managed:
    """A service, or the tasks of one RunTask call: their state, moto's record and the tasks' placements.

    ``definition`` is RunTask's, with overrides. A service's tasks have that of their revision.
    """

    service: Service
    record: Any
    definition: Any = None
    placements: dict[str, Placement] = field(default_factory=dict)
    shown: dict[str, TaskRecord] = field(default_factory=dict)

    def ports(self, task_id: str) -> dict[str, int]:
        """Return the port that a task registers in each target group, or {} for an unknown task."""
        task = self.service.task(task_id)
        return task.revision.ports if task else {}

    def publish(self, at: At) -> None:
        """Write the state into moto's records. Call it with the lock held."""
        if self.service.name:
            publish_service(self.service, self.record, at)
        for task in self.service.tasks:
            shown, placement = self.shown.get(task.id), self.placements.get(task.id)
            if shown is not None:
                publish_task(task, placement, shown, at)
        alive = {task.id for task in self.service.tasks}
        for task_id in set(self.shown) - alive:
            shown = self.shown.pop(task_id)
            hooks.backend("ecs").tasks[self.record.cluster_name].pop(shown.task_arn, None)


Tell = Callable[[Managed, ecs_state.Event], None]
Services = Mapping[str, Managed]


def listen(
    targets: Targets, network: TaskNetwork, runner: Runner, services: Services, tell: Tell
) -> None:
    def exited(task: str) -> None:
        if (managed := owner(services, task)) is not None:
            tell(managed, ecs_state.Exited(task))

    def checked(task: str) -> None:
        if (managed := owner(services, task)) is not None:
            tell(managed, ecs_state.ContainerChecked(task, health_of(managed.placements[task])))

    def changed(target: Target) -> None:
        if (found := _of(target, network, services)) is not None:
            state, why = targets.state(target)
            words = why[1] if why else ""
            if why == NOT_IN_ZONE:
                # ECS calls it "unhealthy in (target-group …) due to (reason Target is in an Availability Zone …)".
                state = "unhealthy"
            tell(found[0], ecs_state.TargetChanged(found[1].task, target.group, state, words))

    def gone(target: Target) -> None:
        found = _of(target, network, services)
        if found is not None and _in_no_group(targets, *found):
            tell(found[0], ecs_state.Drained(found[1].task))

    runner.on_exit, runner.on_health = exited, checked
    targets.on_changed, targets.on_gone = changed, gone


def owner(services: Services, task: str) -> Managed | None:
    return next((each for each in list(services.values()) if task in each.placements), None)


def _of(
    target: Target, network: TaskNetwork, services: Services
) -> tuple[Managed, Placement] | None:
    placement = network.find(target.id)
    managed = owner(services, placement.task) if placement else None
    return (managed, placement) if managed and placement else None


def _in_no_group(targets: Targets, managed: Managed, placement: Placement) -> bool:
    return all(
        targets.is_deregistered(group, placement.private_address, port)
        for group, port in managed.ports(placement.task).items()
    )


def alarms_read(service: Service) -> list[ecs_state.AlarmsRead]:
    """Return the states of the service's deployment alarms; nothing while no deployment needs them."""
    names = service.settings.alarms.names
    if not names or not service.deployments or service.primary.rollout != "IN_PROGRESS":
        return []
    with hooks.LOCK:
        known = hooks.backend("cloudwatch").alarms
        states = {name: known[name].state_value for name in names if name in known}
    return [ecs_state.AlarmsRead(frozenset(n for n, state in states.items() if state == "ALARM"))]


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
        self._runner.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        # A task may have been starting while the others were stopped.
        self._runner.stop()
        for managed in services:
            for placement in managed.placements.values():
                self._network.release(placement)
            managed.placements.clear()

    def _attach(self, managed: Managed, task_id: str) -> None:
        task, ecs = managed.service.task(task_id), hooks.backend("ecs")
        if task is None:
            return
        revision = task.revision
        definition = managed.definition or ecs.describe_task_definition(revision.task_definition)
        try:
            placement = self._network.give(
                task_id, managed.record, revision.network, definition, lambda: task.status
            )
        except (NoAddressLeft, NoLoopback, OSError) as problem:
            self._tell(managed, ecs_state.FailedToStart(task_id, str(problem)))
            return
        with hooks.LOCK:
            managed.placements[task_id] = placement
            shown = make_record(managed.service, task, placement, managed.record, self._at)
            managed.shown[task_id] = shown
            ecs.tasks.setdefault(managed.record.cluster_name, {})[placement.arn] = shown
            publish_task(task, placement, shown, self._at)

    def do(self, managed: Managed, action: ecs_state.Action) -> None:
        """Carry out one action. Slow work is done in the pool."""
        if isinstance(action, ecs_state.Weigh):
            set_weights(action)
            return
        placement = managed.placements.get(action.task)
        match action:
            case ecs_state.Attach(task=task):
                self._attach(managed, task)
            case ecs_state.Launch() if placement is not None:
                self._runner.take(placement)
                self._pool.submit(self._guarded, self._launch, managed, placement)
            case ecs_state.Kill(task=task):
                self._pool.submit(self._guarded, self._kill, managed, task)
            case ecs_state.Register() if placement is not None:
                for group, port in managed.ports(action.task).items():
                    self._targets.register(group, placement.private_address, port)
            case ecs_state.Deregister() if placement is not None:
                self._deregister(managed, placement)
            case ecs_state.Detach() if placement is not None:
                self._network.release(managed.placements.pop(action.task))

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        with PROBLEMS.caught("work on a task"):
            work(*arguments)

    def _launch(self, managed: Managed, placement: Placement) -> None:
        try:
            self._runner.start(placement)
        except CannotStart as problem:
            self._tell(managed, ecs_state.FailedToStart(placement.task, str(problem)))
        except Exception as problem:
            self._tell(
                managed, ecs_state.FailedToStart(placement.task, f"InternalError: {problem}")
            )
            raise
        else:
            self._tell(managed, ecs_state.Launched(placement.task))

    def _kill(self, managed: Managed, task: str) -> None:
        self._runner.end(task)
        self._tell(managed, ecs_state.Ended(task))

    def _deregister(self, managed: Managed, placement: Placement) -> None:
        any_left = False
        for group, port in managed.ports(placement.task).items():
            any_left |= self._targets.deregister(group, placement.private_address, port)
        if not any_left:
            self._tell(managed, ecs_state.Drained(placement.task))


TICK_SECONDS = 0.05
"""Real seconds between two steps."""

Found: TypeAlias = tuple[Placement, TaskRecord]


class Scheduler(Background):
    """Runs every ECS service. One thread decides; a pool starts and stops tasks."""

    def __init__(
        self,
        clock: Clock,
        targets: Targets,
        network: TaskNetwork,
        runner: Runner,
        pool: Executor | None = None,
    ) -> None:
        super().__init__("ecs")
        self._clock, self._targets, self._network = clock, targets, network
        self.speed = clock.speed
        self._epoch = clock.now() - timedelta(seconds=clock.monotonic())
        self._happened: queue.Queue[tuple[Managed, ecs_state.Event]] = queue.Queue()
        self._wanted: queue.Queue[tuple[Managed, ecs_state.Action]] = queue.Queue()
        self.services: dict[str, Managed] = {}
        self.one_offs: dict[str, Managed] = {}
        """The tasks of RunTask, by the id of the first task of the call."""
        self._run_tasks = launch_rate.of_run_task()
        self.all = ChainMap(self.services, self.one_offs)
        pool = pool or ThreadPoolExecutor(WORKERS, "rehearsal-task-work")
        self._work = TaskWork(targets, network, runner, self.tell, self.at, pool)
        listen(targets, network, runner, self.all, self.tell)

    def stop(self) -> None:
        super().stop()
        self._work.stop(self.all.values())

    def at(self, seconds: float | None) -> datetime | None:
        """Return a time on the clock as AWS's date and time."""
        return None if seconds is None else self._epoch + timedelta(seconds=seconds)

    def find(self, task: str) -> Found | None:
        for managed in list(self.all.values()):
            placement, shown = managed.placements.get(task), managed.shown.get(task)
            if placement is not None and shown is not None:
                return placement, shown
        return None

    def adopt(self, record: Any) -> Managed:
        definition = hooks.backend("ecs").describe_task_definition(record.task_definition)
        service = Service(
            name=record.name, settings=settings_of(record), new_id=lambda: uuid.uuid4().hex
        )
        record.created_at = self._clock.now()
        managed = self.services[record.arn] = Managed(service, record)
        self.act(managed, ecs_state.Updated(settings_of(record), revision_of(record, definition)))
        return managed

    def run(self, record: Any, definition: Any, count: int, started_by: str) -> list[TaskRecord]:
        """Start tasks that belong to no service. They are not replaced when they end.

        Raises Refused with ECS's error above the rate of RunTask.
        """
        if not self._run_tasks.take(self._clock.monotonic(), 1):
            raise hooks.Refused("ThrottlingException", "Rate exceeded")
        service = Service(name="", settings=Settings(desired=0), new_id=lambda: uuid.uuid4().hex)
        managed = Managed(service, record, definition)
        now = self._clock.monotonic()
        revision = Revision(
            task_definition=str(definition.arn),
            network=record.network_configuration,
            providers=tuple(record.capacity_provider_strategy or ()),
        )
        with hooks.LOCK:
            for task in begin(service, revision, now, count, started_by):
                self._wanted.put((managed, ecs_state.Attach(task.id)))
                shown = pending_record(service, task, definition, record, self.at)
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
            for action in step(managed.service, self._clock.monotonic(), events):
                self._wanted.put((managed, action))
            managed.publish(self.at)

    def tell(self, managed: Managed, event: ecs_state.Event) -> None:
        self._happened.put((managed, event))

    def _run(self) -> None:
        while not self._over.is_set():
            with PROBLEMS.caught("a step of the service scheduler"):
                self.turn(TICK_SECONDS)

    def turn(self, patience: float) -> None:
        """Process the events of all services and carry out the actions. Waits real seconds for a first event."""
        gathered: dict[Managed, list[ecs_state.Event]] = {}
        with suppress(queue.Empty):
            while True:
                managed, event = self._happened.get(timeout=0 if gathered else patience)
                gathered.setdefault(managed, []).append(event)
        with PROBLEMS.caught("the scheduler's targets and listeners"):
            self._targets.expire()
            self._network.refresh()
        for key, managed in list(self.all.items()):
            with PROBLEMS.caught(f"the scheduler's step for {key}"):
                self.act(managed, *gathered.get(managed, ()), *alarms_read(managed.service))
        for first, managed in list(self.one_offs.items()):
            if not managed.service.tasks:
                del self.one_offs[first]
        while not self._wanted.empty():
            with PROBLEMS.caught("an action of the scheduler"):
                self._work.do(*self._wanted.get())
