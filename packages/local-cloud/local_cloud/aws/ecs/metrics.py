"""Measures a service's metrics as ECS publishes them (ECS Developer Guide, Container Insights), and EventBridge's."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from moto.core.utils import underscores_to_camelcase

from local_cloud.aws import hooks
from local_cloud.aws.cloudwatch.store import Datum, Metric, Values
from local_cloud.aws.ecs.records import TaskRecord
from local_cloud.aws.ecs.scheduler import Managed
from local_cloud.aws.ecs.state import Deployment
from local_cloud.machine import processes

UNITS_OF_A_CPU = 1024
MIB = 1024**2
INSIGHTS = ("enabled", "enhanced")


class Tasks:
    """Measures the CPU and memory of every running task, relative to the task's size, once a minute.

    ``roots`` returns the first process of each of a task's containers.
    """

    def __init__(
        self,
        services: Mapping[str, Managed],
        roots: Callable[[str], Sequence[int]],
        census: processes.ProcessTable,
    ) -> None:
        self._services, self._roots, self._census = services, roots, census
        self._meter = processes.Meter()

    def take(self, minute: int) -> Iterator[Datum]:
        every = self._census.now()
        for managed in list(self._services.values()):
            yield from self._used(managed, minute, every)
            if _insights(managed.record):
                yield from _counted(managed, minute)
        self._meter.forget(every)

    def _used(
        self, managed: Managed, minute: int, every: Mapping[int, processes.Process]
    ) -> Iterator[Datum]:
        cpu, memory = Values(), Values()
        for task in [task for task in managed.service.tasks if task.status == "RUNNING"]:
            placement, roots = managed.placements.get(task.id), self._roots(task.id)
            shares = [self._meter.cores(every, root) for root in roots]
            if placement is None or not shares or None in shares:
                continue
            pids = {process.pid for root in roots for process in processes.family(every, root)}
            cores = sum(share for share in shares if share is not None)
            cpu.add(100 * cores / (int(placement.definition.cpu) / UNITS_OF_A_CPU))
            memory.add(
                100 * processes.memory_bytes(pids) / (int(placement.definition.memory) * MIB)
            )
        for name, values in (("CPUUtilization", cpu), ("MemoryUtilization", memory)):
            if values.count:
                yield Datum(_about("AWS/ECS", name, managed), minute, values)


def _counted(managed: Managed, minute: int) -> Iterator[Datum]:
    service = managed.service
    states = [task.status for task in service.tasks]
    counts = {
        "DesiredTaskCount": service.settings.desired,
        "RunningTaskCount": states.count("RUNNING"),
        "PendingTaskCount": states.count("PROVISIONING") + states.count("PENDING"),
    }
    # "no tasks in a RUNNING state, there will be no metrics sent" (ECS Developer Guide).
    for name, count in counts.items() if counts["RunningTaskCount"] else ():
        metric = _about("ECS/ContainerInsights", name, managed)
        yield Datum(metric, minute, Values.of(count))


def _about(namespace: str, name: str, managed: Managed) -> Metric:
    cluster = str(managed.record.cluster_name)
    return Metric.of(namespace, name, ClusterName=cluster, ServiceName=managed.service.name)


def _insights(record: Any) -> bool:
    cluster = hooks.backend("ecs").clusters.get(record.cluster_name)
    settings = getattr(cluster, "settings", None) or []
    return any(
        setting.get("name") == "containerInsights" and setting.get("value") in INSIGHTS
        for setting in settings
    )


FAILED = "SERVICE_DEPLOYMENT_FAILED"
NOT_IN_EVENTS = frozenset({"id", "attachment", "health_status", "tags"})
"""Of a task's record: what is not in DescribeTasks, or not in an event."""


class Rules:
    """Matches every failed deployment and every stopped task once against the EventBridge rules.

    ECS also sends events of tasks in other states. Rules that match those count less here.
    """

    def __init__(self, services: Mapping[str, Managed]) -> None:
        self._services = services
        self._told: set[str] = set()

    def take(self, minute: int) -> Iterator[Datum]:
        for managed in list(self._services.values()):
            for deployment in [*managed.service.deployments, *managed.service.history]:
                if deployment.rollout == "FAILED" and deployment.id not in self._told:
                    self._told.add(deployment.id)
                    for rule in _matching(_event(managed, deployment)):
                        yield _triggered(rule, minute)
            for shown in list(managed.shown.values()):
                if shown.last_status == "STOPPED" and shown.id not in self._told:
                    self._told.add(shown.id)
                    for rule in _matching(*_task_events(shown)):
                        yield _triggered(rule, minute)


def _triggered(rule: str, minute: int) -> Datum:
    metric = Metric.of("AWS/Events", "TriggeredRules", RuleName=rule)
    return Datum(metric, minute, Values.of(1))


def _event(managed: Managed, deployment: Deployment) -> dict[str, Any]:
    """Return the event of a failed deployment (ECS Developer Guide, service deployment state change events)."""
    detail = {
        "eventType": "ERROR",
        "eventName": FAILED,
        "deploymentId": deployment.id,
        "reason": deployment.reason,
    }
    return _ecs_event("ECS Deployment State Change", str(managed.record.arn), detail)


def _ecs_event(kind: str, resource: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "source": "aws.ecs",
        "detail-type": kind,
        "account": hooks.ACCOUNT,
        "region": hooks.registry.region,
        "resources": [resource],
        "detail": detail,
    }


def _task_events(shown: TaskRecord) -> Iterator[dict[str, Any]]:
    """Yield the event of a task (ECS Developer Guide, "Amazon ECS task state change events").

    It has the members of DescribeTasks without the health. A pattern matches if it matches one object of each list
    (EventBridge User Guide, "Arrays in event patterns"), which moto does not do: the event is yielded with each.
    """
    detail = {
        underscores_to_camelcase(name): value
        for name, value in vars(shown).items()
        if value is not None and name not in NOT_IN_EVENTS
    }
    detail = json.loads(json.dumps(detail, default=lambda moment: moment.isoformat()))
    objects = {
        key: value
        for key, value in detail.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    for chosen in itertools.product(*objects.values()):
        one_of_each = {**detail, **dict(zip(objects, chosen, strict=True))}
        yield _ecs_event("ECS Task State Change", str(shown.task_arn), one_of_each)


def _matching(*events: dict[str, Any]) -> list[str]:
    with hooks.LOCK:
        return [
            str(rule.name)
            for rule in hooks.backend("events").event_buses["default"].rules.values()
            if rule.state == "ENABLED"
            and rule.event_pattern.get_pattern()
            and any(rule.event_pattern.matches_event(event) for event in events)
        ]
