"""Does with tasks what the scheduler wants done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from rehearsal.control import hooks
from rehearsal.data import ecs_happenings as happen
from rehearsal.data.addresses import NoLoopback
from rehearsal.data.ecs_publish import At, make_record
from rehearsal.data.managed import Managed
from rehearsal.data.network import NoAddressLeft
from rehearsal.data.runner import Runner
from rehearsal.data.start_checks import CannotStart
from rehearsal.data.targets import Targets
from rehearsal.data.task_network import TaskNetwork
from rehearsal.data.task_place import Place

log = logging.getLogger(__name__)

WORKERS = 8
Tell = Callable[[Managed, happen.Happening], None]


class TaskWork:
    """Addresses, containers and targets of tasks; tells what came of it."""

    def __init__(
        self, targets: Targets, network: TaskNetwork, runner: Runner, tell: Tell, at: At
    ) -> None:
        self._targets, self._network, self._runner = targets, network, runner
        self._tell, self._at = tell, at
        self._pool = ThreadPoolExecutor(WORKERS, "rehearsal-task-work")

    def stop(self, services: Iterable[Managed]) -> None:
        """End every task and give every address back."""
        self._runner.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        # A task that was just being started when the others were ended.
        self._runner.stop()
        for managed in services:
            for place in managed.places.values():
                self._network.take_back(place)
            managed.places.clear()

    def _attach(self, managed: Managed, task_id: str) -> None:
        task, ecs = managed.core.task(task_id), hooks.backend("ecs")
        if task is None:
            return
        revision = task.revision
        definition = ecs.describe_task_definition(revision.task_definition)
        try:
            place = self._network.give(
                task_id, managed.record, revision.network, definition, lambda: task.status
            )
        except (NoAddressLeft, NoLoopback, OSError) as problem:
            self._tell(managed, happen.FailedToStart(task_id, str(problem)))
            return
        with hooks.LOCK:
            managed.places[task_id] = place
            shown = make_record(managed.core, task, place, managed.record, self._at)
            managed.shown[task_id] = shown
            ecs.tasks.setdefault(managed.record.cluster_name, {})[place.arn] = shown
            managed.publish(self._at)

    def do(self, managed: Managed, action: happen.Action) -> None:
        """Carry out one action; what takes time goes to the pool."""
        place = managed.places.get(action.task)
        match action:
            case happen.Attach(task=task):
                self._attach(managed, task)
            case happen.Launch() if place is not None:
                self._pool.submit(self._guarded, self._launch, managed, place)
            case happen.Kill(task=task):
                self._pool.submit(self._guarded, self._kill, managed, task)
            case happen.Register() if place is not None:
                for group, port in managed.ports(action.task).items():
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
            self._tell(managed, happen.FailedToStart(place.task, str(problem)))
        except Exception as problem:
            self._tell(managed, happen.FailedToStart(place.task, f"InternalError: {problem}"))
            raise
        else:
            self._tell(managed, happen.Launched(place.task))

    def _kill(self, managed: Managed, task: str) -> None:
        self._runner.end(task)
        self._tell(managed, happen.Ended(task))

    def _deregister(self, managed: Managed, place: Place) -> None:
        any_left = False
        for group, port in managed.ports(place.task).items():
            any_left |= self._targets.deregister(group, place.private_address, port)
        if not any_left:
            self._tell(managed, happen.Drained(place.task))
