"""Scheduled actions of Application Auto Scaling."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.hooks import Params, Refusals, backend
from local_cloud.aws.scaling.rules import INVALID, SERVICE, enforce
from local_cloud.aws.schedule_expressions import each_time, is_schedule, next_time


def _wrong(given: Params) -> tuple[str, Any] | None:
    """Return a schedule and its time zone of which one is none. A change keeps what it does not name."""
    named = tuple(given[name] for name in NAMED)
    known = [action for action in backend(SERVICE).scheduled_actions if _named(action) == named]
    schedule = str(given.get("Schedule") or (known[0].schedule if known else ""))
    zone = given.get("Timezone")
    return None if is_schedule(schedule, zone) else (schedule, zone)


REFUSALS: Refusals = {
    # AWS does not document the message.
    "application-autoscaling PutScheduledAction": (
        (INVALID, "Invalid schedule {0[0]} or time zone {0[1]}", _wrong),
    ),
}
"""What ``hooks.register`` refuses, of a target that is registered (``rules``)."""


NAMED = ("ServiceNamespace", "ScheduledActionName", "ResourceId", "ScalableDimension")


def _named(action: Any) -> tuple[str, ...]:
    return (
        *(action.service_namespace, action.scheduled_action_name),
        *(action.resource_id, action.scalable_dimension),
    )


def run_due(since: datetime, until: datetime) -> None:
    """Run every scheduled action that was due after ``since`` and not after ``until``, in order of time."""
    with hooks.LOCK:
        scaling = backend(SERVICE)
        due = []
        for action in scaling.scheduled_actions:
            moments = _due(action, since, until)
            target = scaling.targets.get(action.scalable_dimension, {}).get(action.resource_id)
            if not moments or target is None:
                continue
            if not (target.suspended_state or {}).get("ScheduledScalingSuspended"):
                due.append((moments[-1], action, target))
        for _, action, target in sorted(due, key=lambda each: each[0]):
            wanted: Mapping[str, int] = action.scalable_target_action
            target.update(wanted.get("MinCapacity"), wanted.get("MaxCapacity"), None)
            enforce(target)


def _due(action: Any, since: datetime, until: datetime) -> list[datetime]:
    """Return the times of moto's record of an action after ``since`` and not after ``until``."""
    created = datetime.fromtimestamp(action.creation_time, UTC)
    following = next_time(action.schedule, action.timezone or "UTC", created)
    every = each_time(following, since + timedelta.resolution)
    return list(takewhile(lambda moment: moment <= until, every))
