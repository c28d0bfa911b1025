"""The counts of a stack's services: as they are declared, and in a pause."""

from dataclasses import dataclass
from datetime import datetime

from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from ecs_gate.aws.session import Session

SCALING = "application-autoscaling"
WHERE = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
DYNAMIC = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended")
SCHEDULED = "ScheduledScalingSuspended"


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


def scale(session: Session, names: StackNames, name: str, count: Count) -> None:
    """Set a service's desired count, and range and suspension of its scalable target, if it has one.

    RegisterScalableTarget moves the count into the range at once, so the count is set first. Raises AwsProblem.
    """
    where = {"cluster": names.cluster, "service": name}
    session.call("ecs", "update_service", **where, desiredCount=count.low)
    resource = f"service/{names.cluster}/{name}"
    resources = {"ServiceNamespace": "ecs", "ResourceIds": [resource]}
    if session.all(SCALING, "describe_scalable_targets", "ScalableTargets", **resources):
        session.call(
            SCALING,
            "register_scalable_target",
            **WHERE,
            ResourceId=resource,
            MinCapacity=count.low,
            MaxCapacity=count.high,
            SuspendedState=count.suspended,
        )
