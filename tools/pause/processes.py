"""Stops and starts the tasks of a stack: those of its services, and the schedules of its jobs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stack.names import StackNames
from stack.settings import Settings
from tools.aws.session import Session
from tools.snapshot import read_existing
from tools.snapshot.ecs import described

SCALING = "application-autoscaling"
WHERE = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
DYNAMIC = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended")
SCHEDULED = "ScheduledScalingSuspended"
GIVEN_BY_AWS = ("Arn", "CreationDate", "LastModificationDate", "ResponseMetadata")
"""What GetSchedule returns and UpdateSchedule, which replaces the whole schedule, does not take."""


@dataclass(frozen=True)
class Count:
    """A service's desired count, the range of its scalable target, and what of its scaling is suspended."""

    desired: int
    low: int
    high: int
    suspended: dict[str, bool]


STOPPED = Count(0, 0, 0, dict.fromkeys((*DYNAMIC, SCHEDULED), True))
"""Neither load nor schedule starts a task."""


def declared(settings: Settings, at: datetime) -> dict[str, Count]:
    """Return what infra/scaling.py declares for the services at a time, by their names; 0 outside the hours."""
    scaling, names = settings.service.scaling, settings.names
    inside = scaling.includes(at)
    suspended = {**dict.fromkeys(DYNAMIC, False), SCHEDULED: scaling.hours is None}

    def count(low: int, high: int) -> Count:
        return Count(low, low, high, suspended) if inside else Count(0, 0, 0, suspended)

    web = settings.service.least_count
    found = {names.service: count(web, max(web, scaling.maximum if scaling.enabled else web))}
    return found | {
        names.worker(each.name): count(each.count, each.count) for each in settings.workers
    }


def services(session: Session, names: StackNames) -> dict[str, dict[str, Any]]:
    """Return the web service and the workers by name; none in stage 1. Raises AwsProblem."""
    arns = _all(session, "ecs", "list_services", "serviceArns", cluster=names.cluster)
    ours = (names.service, names.worker(""))
    called = [each for arn in arns if (each := arn.rpartition("/")[2]).startswith(ours)]
    found: list[dict[str, Any]] = []
    for start in range(0, len(called), 10):  # DescribeServices takes ten
        chosen = called[start : start + 10]
        answer = session.call("ecs", "describe_services", cluster=names.cluster, services=chosen)
        found += answer["services"]
    return {each["serviceName"]: each for each in found if each["status"] == "ACTIVE"}


def _all(session: Session, service: str, operation: str, key: str, **asked: Any) -> list[Any]:
    """Return what AWS lists; nothing of a cluster or a group of schedules that is not there."""
    return read_existing(lambda: list(session.all(service, operation, key, **asked))) or []


def scale(session: Session, names: StackNames, name: str, count: Count) -> None:
    """Set a service's desired count, and range and suspension of its scalable target, if it has one.

    RegisterScalableTarget moves the count into the range at once, so the count is set first. Raises AwsProblem.
    """
    session.call(
        "ecs", "update_service", cluster=names.cluster, service=name, desiredCount=count.desired
    )
    where = {**WHERE, "ResourceId": f"service/{names.cluster}/{name}"}
    asked = {"ServiceNamespace": "ecs", "ResourceIds": [where["ResourceId"]]}
    if session.all(SCALING, "describe_scalable_targets", "ScalableTargets", **asked):
        session.call(
            SCALING,
            "register_scalable_target",
            **where,
            MinCapacity=count.low,
            MaxCapacity=count.high,
            SuspendedState=count.suspended,
        )


def switch_schedules(session: Session, names: StackNames, enabled: Collection[str]) -> None:
    """Enable these schedules of jobs and disable the others. Raises AwsProblem."""
    found = _all(session, "scheduler", "list_schedules", "Schedules", GroupName=names.prefix)
    for name in (each["Name"] for each in found):
        place = {"GroupName": names.prefix, "Name": name}
        schedule = session.call("scheduler", "get_schedule", **place)
        state = "ENABLED" if name in enabled else "DISABLED"
        if schedule["State"] != state:
            kept = {key: schedule[key] for key in schedule if key not in GIVEN_BY_AWS}
            session.call("scheduler", "update_schedule", **{**kept, "State": state})


def left(session: Session, names: StackNames) -> int:
    """Return how many tasks of the cluster have not stopped. Raises AwsProblem."""
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in _all(
            session, "ecs", "list_tasks", "taskArns", cluster=names.cluster, desiredStatus=status
        )
    ]
    tasks = described(session, names.cluster, arns)
    return len([each for each in tasks if each["lastStatus"] != "STOPPED"])
