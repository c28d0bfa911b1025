"""What containers and health checks report, led to the service whose task it is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rehearsal.data import ecs_happenings as happen
from rehearsal.data.managed import Managed
from rehearsal.data.runner import Runner
from rehearsal.data.targets import Target, Targets
from rehearsal.data.task_network import TaskNetwork
from rehearsal.data.task_place import Place, health_of

Tell = Callable[[Managed, happen.Happening], None]
Services = Mapping[str, Managed]


def listen(
    targets: Targets, network: TaskNetwork, runner: Runner, services: Services, tell: Tell
) -> None:
    """Let everything that happens to tasks be told."""

    def exited(task: str) -> None:
        if (managed := owner(services, task)) is not None:
            tell(managed, happen.Exited(task))

    def checked(task: str) -> None:
        if (managed := owner(services, task)) is not None:
            tell(managed, happen.ContainerChecked(task, health_of(managed.places[task])))

    def changed(target: Target) -> None:
        if (found := _of(target, network, services)) is not None:
            state, why = targets.state(target)
            words = why[1] if why else ""
            tell(found[0], happen.TargetChanged(found[1].task, target.group, state, words))

    def gone(target: Target) -> None:
        found = _of(target, network, services)
        if found is not None and _in_no_group(targets, *found):
            tell(found[0], happen.Drained(found[1].task))

    runner.on_exit, runner.on_health = exited, checked
    targets.on_changed, targets.on_gone = changed, gone


def owner(services: Services, task: str) -> Managed | None:
    """The service of a task that has a place."""
    return next((each for each in list(services.values()) if task in each.places), None)


def _of(target: Target, network: TaskNetwork, services: Services) -> tuple[Managed, Place] | None:
    place = network.find(target.id)
    managed = owner(services, place.task) if place else None
    return (managed, place) if managed and place else None


def _in_no_group(targets: Targets, managed: Managed, place: Place) -> bool:
    return all(
        targets.is_gone(group, place.private_address, port)
        for group, port in managed.ports(place.task).items()
    )
