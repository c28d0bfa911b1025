"""Application Auto Scaling where moto differs from AWS: capacity ranges, cron, and scheduled actions."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rehearsal.aws import hooks
from rehearsal.aws.hooks import ACCOUNT, Params, Refused, after, backend, before, registry
from rehearsal.clock import Clock

SERVICE = "application-autoscaling"
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
"""The days in AWS's order, numbered 1 to 7 (EventBridge User Guide, cron expressions)."""


@dataclass(frozen=True)
class Cron:
    """A weekly schedule: one time on some days, which are numbered as by ``date.weekday``."""

    at: time
    days: frozenset[int]

    @classmethod
    def read(cls, text: str) -> Cron:
        """Read ``cron(M H ? * DAYS *)`` with days by name. Raises ValueError for any other schedule, also for valid
        ones."""
        found = re.fullmatch(r"cron\((\d{1,2}) (\d{1,2}) \? \* ([A-Z,-]+) \*\)", text)
        if found is None:
            raise ValueError(text)
        named: set[int] = set()
        for part in found[3].split(","):
            first, _, last = part.partition("-")
            between = range(DAYS.index(first), DAYS.index(last or first) + 1)
            # AWS does not document a range of days that goes backwards.
            if not between:
                raise ValueError(text)
            named |= {(number - 1) % len(DAYS) for number in between}
        return cls(time(int(found[2]), int(found[1])), frozenset(named))

    def last_due(self, since: datetime, until: datetime, zone: str) -> datetime | None:
        """Return the last time it was due after ``since`` and not after ``until``, or None."""
        day = until.astimezone(ZoneInfo(zone)).date()
        while True:
            moment = datetime.combine(day, self.at, ZoneInfo(zone))
            if moment <= since:
                return None
            if moment <= until and day.weekday() in self.days:
                return moment
            day -= timedelta(days=1)


@before(SERVICE, "PutScheduledAction")
def schedule_is_understood(params: Params) -> None:
    try:
        Cron.read(str(params.get("Schedule", "")))
        ZoneInfo(params.get("Timezone") or "UTC")
    except (ValueError, KeyError) as wrong:
        words = f"the rehearsal does not understand this schedule: {wrong}"
        raise Refused("ValidationException", words) from None


@before(SERVICE, "RegisterScalableTarget")
def range_in_order(params: Params) -> None:
    low, high = params.get("MinCapacity"), params.get("MaxCapacity")
    if low is not None and high is not None and low > high:
        words = "Maximum capacity cannot be less than minimum capacity"
        raise Refused("ValidationException", words)


@after(SERVICE, "RegisterScalableTarget")
def move_into_range(params: Params) -> None:
    """Move an active service's count into the range at once (API reference, RegisterScalableTarget)."""
    targets = backend(SERVICE).targets.get(params["ScalableDimension"], {})
    if params["ResourceId"] in targets:
        enforce(targets[params["ResourceId"]])


@before(SERVICE, "PutScalingPolicy")
def delete_alarms_of_changed_policy(params: Params) -> None:
    """Delete the alarms of a policy that is changed; moto creates new ones and keeps the old."""
    for policy in backend(SERVICE).policies.values():
        if (policy.policy_name, policy.resource_id) == (params["PolicyName"], params["ResourceId"]):
            policy.delete_alarms(ACCOUNT, registry.region)


@after(SERVICE, "DeregisterScalableTarget")
def delete_dependents(params: Params) -> None:
    """Delete policies and scheduled actions with their target (API reference, DeregisterScalableTarget)."""
    scaling, resource = backend(SERVICE), params["ResourceId"]
    scaling.scheduled_actions = [
        each for each in scaling.scheduled_actions if each.resource_id != resource
    ]
    for key, policy in list(scaling.policies.items()):
        if policy.resource_id == resource:
            policy.delete_alarms(ACCOUNT, registry.region)
            del scaling.policies[key]


def run_due(since: datetime, until: datetime) -> None:
    """Run every scheduled action that was due after ``since`` and not after ``until``, in order of time."""
    scaling = backend(SERVICE)
    due = []
    for action in scaling.scheduled_actions:
        moment = Cron.read(action.schedule).last_due(since, until, action.timezone or "UTC")
        target = scaling.targets.get(action.scalable_dimension, {}).get(action.resource_id)
        if moment is not None and target is not None and not _suspended(target):
            due.append((moment, action, target))
    for _, action, target in sorted(due, key=lambda each: each[0]):
        wanted: Mapping[str, int] = action.scalable_target_action
        target.update(wanted.get("MinCapacity"), wanted.get("MaxCapacity"), None)
        enforce(target)


def _suspended(target: Any) -> bool:
    return bool((target.suspended_state or {}).get("ScheduledScalingSuspended"))


def enforce(target: Any) -> None:
    """Move the service's count into its target's range with an UpdateService call."""
    _, cluster, name = target.resource_id.split("/")
    service = backend("ecs").services.get(f"{cluster}:{name}")
    if service is None or service.status != "ACTIVE":
        return
    count = max(target.min_capacity, min(int(service.desired_count), target.max_capacity))
    if count != service.desired_count:
        _set_count(cluster, name, count)


def _set_count(cluster: str, name: str, count: int) -> None:
    call, params = ("ecs", "UpdateService"), {"cluster": cluster, "service": name}
    if call in registry.instead:
        registry.instead[call]({**params, "desiredCount": count})
    else:
        backend("ecs").update_service({**params, "desired_count": count})
    for act in registry.after.get(call, []):
        act({**params, "desiredCount": count})


log = logging.getLogger(__name__)

CHECK_SECONDS = 0.2
"""Real seconds between two checks for due actions."""


class ScheduledScaling:
    """Runs scheduled actions on the rehearsal's clock, in one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rehearsal-scaling", daemon=True)

    def start(self) -> None:
        """Start. Actions that were due before are not run, as on AWS."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        seen = self._clock.now()
        while not self._over.wait(CHECK_SECONDS):
            now = self._clock.now()
            try:
                with hooks.LOCK:
                    run_due(seen, now)
            except Exception:
                log.exception("a scheduled action of the rehearsal failed")
            seen = now
