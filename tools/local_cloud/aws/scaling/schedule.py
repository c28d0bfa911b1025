"""Scheduled actions of Application Auto Scaling: cron expressions, and the thread that runs what is due."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tools.local_cloud.aws import hooks
from tools.local_cloud.aws.hooks import Params, Refused, backend, before
from tools.local_cloud.aws.scaling.rules import SERVICE, enforce
from tools.local_cloud.clock import Background, Clock
from tools.local_cloud.problems import PROBLEMS

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
    """Refuse a schedule that does not run here. A change keeps what it does not name (API reference)."""
    named = tuple(params[name] for name in NAMED)
    known = [each for each in backend(SERVICE).scheduled_actions if _named(each) == named]
    kept = known[0].schedule if known else ""
    try:
        Cron.read(str(params.get("Schedule") or kept))
        ZoneInfo(params.get("Timezone") or "UTC")
    except (ValueError, KeyError) as wrong:
        words = f"the rehearsal does not understand this schedule: {wrong}"
        raise Refused("ValidationException", words) from None


NAMED = ("ServiceNamespace", "ScheduledActionName", "ResourceId", "ScalableDimension")


def _named(action: Any) -> tuple[str, ...]:
    return (
        *(action.service_namespace, action.scheduled_action_name),
        *(action.resource_id, action.scalable_dimension),
    )


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


CHECK_SECONDS = 0.2
"""Real seconds between two checks for due actions."""


class ScheduledScaling(Background):
    """Runs scheduled actions on the rehearsal's clock; those that were due before not, as on AWS."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("scaling")
        self._clock = clock

    def _run(self) -> None:
        seen = self._clock.now()
        while not self._over.wait(CHECK_SECONDS):
            now = self._clock.now()
            with PROBLEMS.caught("the scheduled actions"), hooks.LOCK:
                run_due(seen, now)
            seen = now
