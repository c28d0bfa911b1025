"""The times of a schedule: its expression in its time zone, from its start date to its end date."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from tools.shared.schedule_expressions import each_time, next_time


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
