"""Stops and starts the tasks of a stack: those of its services, and the schedules of its jobs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from stack.names import StackNames
from stack.settings import Settings
from tools.aws.session import Session
from tools.snapshot import ecs, read_existing
from tools.snapshot.records import Service

SCALING = "application-autoscaling"
WHERE = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
DYNAMIC = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended")
SCHEDULED = "ScheduledScalingSuspended"
GIVEN_BY_AWS = ("Arn", "CreationDate", "LastModificationDate", "ResponseMetadata")
"""What GetSchedule returns and UpdateSchedule, which replaces the whole schedule, does not take."""


@dataclass(frozen=True)
class Count:
    """The range of a service's scalable target, ``low`` its desired count, and what of its scaling is suspended."""

    low: int
    high: int
    suspended: dict[str, bool]


STOPPED = Count(0, 0, dict.fromkeys((*DYNAMIC, SCHEDULED), True))
"""Neither load nor schedule starts a task."""


def declared(settings: Settings, at: datetime) -> dict[str, Count]:
    """Return what infra/scaling.py declares for the services at a time, by their names; 0 outside the hours."""
    scaling, names = settings.service.scaling, settings.names
    inside, web = scaling.includes(at), settings.service.least_count
    suspended = {**dict.fromkeys(DYNAMIC, False), SCHEDULED: scaling.hours is None}
    most = max(web, scaling.maximum) if scaling.enabled else web
    ranges = {names.service: (web, most)}
    ranges |= {names.worker(each.name): (each.count, each.count) for each in settings.workers}
    return {
        name: Count(low, high, suspended) if inside else Count(0, 0, suspended)
        for name, (low, high) in ranges.items()
    }


def services(session: Session, names: StackNames) -> dict[str, Service]:
    """Return the web service and the workers by name; none in stage 1. Raises AwsProblem."""
    workers = read_existing(ecs.workers, session, names) or []
    every = (names, *map(names.of_worker, workers))
    found = {each.service: read_existing(ecs.service, session, each) for each in every}
    return {name: each for name, each in found.items() if each and each.status == "ACTIVE"}


def scale(session: Session, names: StackNames, name: str, count: Count) -> None:
    """Set a service's desired count, and range and suspension of its scalable target, if it has one.

    RegisterScalableTarget moves the count into the range at once, so the count is set first. Raises AwsProblem.
    """
    where = {"cluster": names.cluster, "service": name}
    session.call("ecs", "update_service", **where, desiredCount=count.low)
    resource = f"service/{names.cluster}/{name}"
    asked = {"ServiceNamespace": "ecs", "ResourceIds": [resource]}
    if session.all(SCALING, "describe_scalable_targets", "ScalableTargets", **asked):
        session.call(
            SCALING,
            "register_scalable_target",
            **WHERE,
            ResourceId=resource,
            MinCapacity=count.low,
            MaxCapacity=count.high,
            SuspendedState=count.suspended,
        )


def switch_schedules(session: Session, names: StackNames, enabled: Collection[str]) -> None:
    """Enable these schedules of jobs and disable the others. Raises AwsProblem."""
    for name in read_existing(_schedules, session, names) or ():
        schedule = session.call("scheduler", "get_schedule", GroupName=names.prefix, Name=name)
        state = "ENABLED" if name in enabled else "DISABLED"
        if schedule["State"] != state:
            kept = {key: schedule[key] for key in schedule if key not in GIVEN_BY_AWS}
            session.call("scheduler", "update_schedule", **{**kept, "State": state})


def _schedules(session: Session, names: StackNames) -> list[str]:
    asked = {"GroupName": names.prefix}
    return [e["Name"] for e in session.all("scheduler", "list_schedules", "Schedules", **asked)]
