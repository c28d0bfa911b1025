"""What ECS tells of a service (ECS Developer Guide, CloudWatch metrics and Container Insights)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rehearsal.control import hooks
from rehearsal.control.metrics.store import Metric, Values
from rehearsal.data.managed import Managed
from rehearsal.data.metrics import usage
from rehearsal.data.metrics.datum import Datum

UNITS_OF_A_CPU = 1024
MIB = 1024**2
INSIGHTS = ("enabled", "enhanced")


class Tasks:
    """One value a minute of every task that runs: what its processes use of what the task is given.

    ``roots`` finds the first process of each of a task's containers.
    """

    def __init__(
        self,
        services: Mapping[str, Managed],
        roots: Callable[[str], Sequence[int]],
        census: usage.Census,
    ) -> None:
        self._services, self._roots, self._census = services, roots, census
        self._meter = usage.Meter()

    def take(self, minute: int) -> Iterator[Datum]:
        """Of every service."""
        every = self._census.now()
        for managed in list(self._services.values()):
            yield from self._used(managed, minute, every)
            if _insights(managed.record):
                yield from _counted(managed, minute)
        self._meter.forget(every)

    def _used(
        self, managed: Managed, minute: int, every: Mapping[int, usage.Process]
    ) -> Iterator[Datum]:
        cpu, memory = Values(), Values()
        for task in [each for each in managed.core.tasks if each.status == "RUNNING"]:
            place, roots = managed.places.get(task.id), self._roots(task.id)
            shares = [self._meter.cores(every, root) for root in roots]
            if place is None or not shares or None in shares:
                continue
            pids = {each.pid for root in roots for each in usage.family(every, root)}
            cores = sum(share for share in shares if share is not None)
            cpu.add(100 * cores / (int(place.definition.cpu) / UNITS_OF_A_CPU))
            memory.add(100 * usage.held(pids) / (int(place.definition.memory) * MIB))
        for name, values in (("CPUUtilization", cpu), ("MemoryUtilization", memory)):
            if values.count:
                yield Datum(_about("AWS/ECS", name, managed), minute, values, "Percent")


def _counted(managed: Managed, minute: int) -> Iterator[Datum]:
    core = managed.core
    states = [each.status for each in core.tasks]
    counts = {
        "DesiredTaskCount": core.settings.desired,
        "RunningTaskCount": states.count("RUNNING"),
        "PendingTaskCount": states.count("PROVISIONING") + states.count("PENDING"),
    }
    # "no tasks in a RUNNING state, there will be no metrics sent" (ECS Developer Guide).
    for name, count in counts.items() if counts["RunningTaskCount"] else ():
        metric = _about("ECS/ContainerInsights", name, managed)
        yield Datum(metric, minute, Values.of(count), "Count")


def _about(namespace: str, name: str, managed: Managed) -> Metric:
    cluster = str(managed.record.cluster_name)
    return Metric.of(namespace, name, ClusterName=cluster, ServiceName=managed.core.name)


def _insights(record: Any) -> bool:
    cluster = hooks.backend("ecs").clusters.get(record.cluster_name)
    settings = getattr(cluster, "settings", None) or []
    return any(
        each.get("name") == "containerInsights" and each.get("value") in INSIGHTS
        for each in settings
    )
