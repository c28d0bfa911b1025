"""What ECS and the load balancer say about one service at one moment, as plain records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What has to run, by ARN: this task definition revision, in this service and target group."""

    cluster: str
    service: str
    definition: str
    target_group: str

    @property
    def revision(self) -> str:
        """Short, for people: `careapp-poc:7`."""
        return short(self.definition)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One of the service's generations. `failed` counts failures in a row (botocore, Deployment)."""

    id: str
    primary: bool
    definition: str
    desired: int
    running: int
    pending: int
    failed: int
    rollout: str
    reason: str
    created: datetime


@dataclass(frozen=True, kw_only=True)
class Task:
    definition: str
    status: str
    healthy: bool
    """False only when the container's own health check has failed."""
    address: str


@dataclass(frozen=True, kw_only=True)
class Target:
    address: str
    port: int
    state: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Event:
    id: str
    at: datetime
    message: str


@dataclass(frozen=True, kw_only=True)
class View:
    """The service at one moment; events are the oldest first."""

    desired: int
    running: int
    deployments: tuple[Deployment, ...]
    tasks: tuple[Task, ...] = ()
    targets: tuple[Target, ...] = ()
    events: tuple[Event, ...] = ()
    undone: str = ""
    """Why ECS went back to the service as it was, where the wanted revision was in it already."""

    @property
    def primary(self) -> Deployment | None:
        return next((each for each in self.deployments if each.primary), None)

    def of(self, definition: str) -> Deployment | None:
        """The youngest deployment of a revision."""
        mine = [each for each in self.deployments if each.definition == definition]
        return max(mine, key=lambda each: (each.primary, each.created), default=None)


def short(arn: str) -> str:
    """What stands behind an ARN's last slash."""
    return arn.rpartition("/")[2]


def read(
    service: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
) -> View:
    """The records of the three answers, in botocore's shapes."""
    events = [
        Event(id=each["id"], at=each["createdAt"], message=each["message"])
        for each in service.get("events", [])
    ]
    return View(
        desired=service["desiredCount"],
        running=service["runningCount"],
        deployments=tuple(map(_deployment, service.get("deployments", []))),
        tasks=tuple(map(_task, tasks)),
        targets=tuple(map(_target, targets)),
        events=tuple(sorted(events, key=lambda event: event.at)),
    )


def _deployment(answer: Mapping[str, Any]) -> Deployment:
    return Deployment(
        id=answer["id"],
        primary=answer["status"] == "PRIMARY",
        definition=answer["taskDefinition"],
        desired=answer["desiredCount"],
        running=answer["runningCount"],
        pending=answer["pendingCount"],
        failed=answer.get("failedTasks", 0),
        rollout=answer.get("rolloutState", ""),
        reason=answer.get("rolloutStateReason", ""),
        created=answer["createdAt"],
    )


def _task(answer: Mapping[str, Any]) -> Task:
    details = [
        detail["value"]
        for attachment in answer.get("attachments", [])
        for detail in attachment.get("details", [])
        if detail.get("name") == "privateIPv4Address"
    ]
    return Task(
        definition=answer["taskDefinitionArn"],
        status=answer["lastStatus"],
        healthy=answer.get("healthStatus") != "UNHEALTHY",
        address=details[0] if details else "",
    )


def _target(answer: Mapping[str, Any]) -> Target:
    return Target(
        address=answer["Target"]["Id"],
        port=answer["Target"]["Port"],
        state=answer["TargetHealth"]["State"],
        reason=answer["TargetHealth"].get("Reason", ""),
    )
