"""Scheduled actions of Application Auto Scaling."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.hooks import Params, Refused, backend, before
from local_cloud.aws.scaling.rules import SERVICE, enforce, refuse_without_target
from local_cloud.aws.schedule_expressions import each_time, is_schedule, next_time


@before(SERVICE, "PutScheduledAction")
def schedule_is_understood(params: Params) -> None:
    """Refuse a schedule or time zone that is none; AWS does not document the message.

    A change keeps what it does not name (API reference).
    """
    refuse_without_target(params)
    named = tuple(params[name] for name in NAMED)
    known = [action for action in backend(SERVICE).scheduled_actions if _named(action) == named]
    schedule = str(params.get("Schedule") or (known[0].schedule if known else ""))
    if not is_schedule(schedule, zone := params.get("Timezone")):
        words = f"Invalid schedule {schedule} or time zone {zone}"
        raise Refused("ValidationException", words)


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
