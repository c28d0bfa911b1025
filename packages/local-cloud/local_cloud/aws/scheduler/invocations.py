"""Invokes the targets of schedules that are due, repeats what failed, and counts both."""

import logging
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.cloudwatch.store import Datum, Metric, Values
from local_cloud.aws.hooks import Params, Refused, backend
from local_cloud.aws.schedule_expressions import each_time, next_time
from local_cloud.aws.scheduler import target
from local_cloud.aws.scheduler.rules import SERVICE

log = logging.getLogger(__name__)

LONGEST_WAIT = 480
"""AWS's seconds. AWS documents only "exponential backoff": the waits double from one second up to this, with which
the 185 attempts of the default policy take the 24 hours of its other limit."""
THROTTLED = ("ThrottlingException",)


@dataclass(eq=False)
class Invocation:
    """One invocation of a schedule's target, with the target as it was when it was due."""

    schedule: Any
    target: Params
    due: datetime
    next: datetime
    attempts: int = 0

    @property
    def group(self) -> str:
        return str(self.schedule.group_name)

    def retry(self, now: datetime) -> bool:
        """Set the time of the next attempt after a failed one. Return False if the policy allows no other."""
        policy: dict[str, int] = self.target["RetryPolicy"]
        wait = min(2 ** min(self.attempts - 1, 10), LONGEST_WAIT)
        self.next = now + timedelta(seconds=wait)
        age = (self.next - self.due).total_seconds()
        left = policy["MaximumRetryAttempts"] - (self.attempts - 1)
        return left > 0 and age <= policy["MaximumEventAgeInSeconds"]


class Invocations:
    """Invokes what is due on the local cloud's clock."""

    def __init__(self) -> None:
        self._waiting: list[Invocation] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def take(self, minute: int) -> Iterator[Datum]:
        """Return the counts since the last call (user guide, "Monitoring … with Amazon CloudWatch")."""
        with hooks.LOCK:
            counts, self._counts = self._counts, Counter()
        for (group, name), count in counts.items():
            values = Values()
            values.add(1, count)
            metric = Metric.of("AWS/Scheduler", name, ScheduleGroup=group)
            yield Datum(metric, minute, values)

    def advance(self, since: datetime, until: datetime) -> None:
        """Invoke what is due from ``since`` and before ``until``, and repeat what failed before."""
        with hooks.LOCK:
            for schedule in _schedules():
                self._waiting += _due(schedule, since, until)
            known = {id(schedule) for schedule in _schedules()}
            ready = [invocation for invocation in self._waiting if invocation.next < until]
            self._waiting = [invocation for invocation in self._waiting if invocation.next >= until]
            for invocation in sorted(ready, key=lambda one: one.next):
                if id(invocation.schedule) in known:
                    self._attempt(invocation, until)
            self._delete_completed(until)

    def _attempt(self, invocation: Invocation, now: datetime) -> None:
        self._count(invocation, "InvocationAttemptCount")
        schedule, invocation.attempts = invocation.schedule, invocation.attempts + 1
        try:
            target.run(schedule, invocation.target, invocation.due, invocation.attempts)
        except Exception as problem:
            unforeseen = not isinstance(problem, Refused)
            words = "the schedule %s started no task: %s"
            log.warning(words, schedule.name, problem, exc_info=unforeseen)
            self._count(invocation, "TargetErrorCount")
            if isinstance(problem, Refused) and problem.code in THROTTLED:
                self._count(invocation, "TargetErrorThrottledCount")
            if invocation.retry(now):
                self._waiting.append(invocation)
            else:
                self._count(invocation, "InvocationDroppedCount")

    def _count(self, invocation: Invocation, name: str) -> None:
        self._counts[invocation.group, name] += 1

    def _delete_completed(self, now: datetime) -> None:
        """Delete schedules with ActionAfterCompletion DELETE after their last invocation (API reference)."""
        busy = {id(invocation.schedule) for invocation in self._waiting}
        for schedule in _schedules():
            deletes = schedule.action_after_completion == "DELETE" and id(schedule) not in busy
            if deletes and schedule.state == "ENABLED" and not any(times(schedule, now)):
                backend(SERVICE).delete_schedule(schedule.group_name, schedule.name)


def _schedules() -> list[Any]:
    groups = backend(SERVICE).schedule_groups.values()
    return [schedule for group in groups for schedule in group.schedules.values()]


def _due(schedule: Any, since: datetime, until: datetime) -> Iterator[Invocation]:
    """Yield the invocations from ``since``, or the schedule's last change, and before ``until``."""
    if schedule.state != "ENABLED":
        return
    changed = datetime.fromtimestamp(schedule.last_modified_date, since.tzinfo)
    for due in takewhile(lambda moment: moment < until, times(schedule, max(since, changed))):
        yield Invocation(schedule, deepcopy(schedule.target), due, due)


def times(schedule: Any, since: datetime) -> Iterator[datetime]:
    """Yield the times of moto's record of a schedule at or after ``since``.

    Without a start date a rate counts from the schedule's creation or last change, at which it invokes its target
    for the first time. A one-time schedule ignores both dates (API reference, CreateSchedule).
    """
    once = schedule.schedule_expression.startswith("at(")
    start, end = (
        None if once or given is None else datetime.fromtimestamp(float(given), UTC)
        for given in (schedule.start_date, schedule.end_date)
    )
    anchor = start or datetime.fromtimestamp(schedule.last_modified_date, UTC)
    following = next_time(
        schedule.schedule_expression, schedule.schedule_expression_timezone, anchor
    )
    every = each_time(following, max(since, start) if start else since)
    yield from takewhile(lambda moment: end is None or moment <= end, every)
