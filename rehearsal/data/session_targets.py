"""What Session Manager reaches: instances and tasks whose agent can connect to AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rehearsal.control import hooks
from rehearsal.data.firewall import Endpoint
from rehearsal.data.network import endpoint_of, reaches, read_map
from rehearsal.data.permissions import documents_of, permits
from rehearsal.data.scheduler import Found

CHANNELS = ("ssmmessages:CreateControlChannel", "ssmmessages:OpenDataChannel")

FindTask = Callable[[str], Found | None]
Interface = Callable[[], Endpoint | None]
"""The target's network interface as it is now; None when it is gone."""


def find(target: str, find_task: FindTask) -> Interface:
    """Of an instance ``i-…`` or a container ``ecs:CLUSTER_TASK_RUNTIME``. Refuses what is not connected."""
    interface, role = _task(target, find_task) if target.startswith("ecs:") else _instance(target)
    source = interface()
    documents = documents_of(role) if role else None
    may = documents is not None and all(permits(documents, each, "*") for each in CHANNELS)
    if source is None or not may or not reaches(read_map(), source, "ssmmessages"):
        raise hooks.Refused("TargetNotConnected", f"{target} is not connected.")
    return interface


def _instance(target: str) -> tuple[Interface, str | None]:
    def running() -> Any:
        with hooks.LOCK:
            instances = [
                each
                for reservation in hooks.backend("ec2").reservations.values()
                for each in reservation.instances
            ]
        return next((each for each in instances if each.id == target and _runs(each)), None)

    def interface() -> Endpoint | None:
        found = running()
        return endpoint_of(found.nics[0]) if found is not None else None

    found = running()
    return interface, _instance_role(found) if found is not None else None


def _runs(instance: Any) -> bool:
    return bool(instance._state.name == "running")


def _instance_role(instance: Any) -> str | None:
    with hooks.LOCK:
        found = hooks.backend("ec2").iam_instance_profile_associations.get(instance.id)
    roles = list(found.iam_instance_profile.roles) if found is not None else []
    return str(roles[0].arn) if roles else None


def _task(target: str, find_task: FindTask) -> tuple[Interface, str | None]:
    """ECS Exec's agent runs only in tasks that were started with it."""
    _, _, rest = target.partition(":")
    task, _, runtime = rest.rpartition("_")
    task = task.rpartition("_")[2]

    def interface() -> Endpoint | None:
        found = find_task(task)
        if found is None or not found[1].enable_execute_command:
            return None
        place, shown = found
        if runtime not in [each.get("runtimeId") for each in shown.containers]:
            return None
        return endpoint_of(place.interface)

    found = find_task(task)
    role = getattr(found[0].definition, "task_role_arn", None) if found else None
    return interface, role
