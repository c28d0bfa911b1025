"""For what part of a week a service runs that scheduled actions stop and start."""

from __future__ import annotations

import re
from collections.abc import Iterator

from i18n import t
from ops.cost.bill import CannotSay
from ops.cost.graph import Graph, Resource

WEEK = 7 * 24 * 60
"""Minutes."""
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
CRON = re.compile(r"^cron\((\d+) (\d+) (\S+) \* (\S+) \*\)$")
"""Minute and hour, day of the month, day of the week; every month of every year."""


def share_of_week(graph: Graph) -> float:
    """1 without scheduled actions; otherwise the part of a week in which the last one left it running.

    Raises CannotSay for a schedule that is no plain weekly one.
    """
    moments = sorted(
        moment
        for action in graph.all("appautoscaling:ScheduledAction")
        for moment in _moments(action)
    )
    if not moments:
        return 1
    ends = [*moments[1:], (moments[0][0] + WEEK, True)]
    running = sum(
        end - begin for (begin, runs), (end, _) in zip(moments, ends, strict=True) if runs
    )
    return running / WEEK


def _moments(action: Resource) -> Iterator[tuple[int, bool]]:
    """When in the week an action happens, in minutes, and whether tasks run from then on."""
    text = str(action.get("schedule"))
    found = CRON.match(text)
    if not found or found[3] not in "?*":
        raise CannotSay(
            t(
                "{schedule} is no weekly schedule, so nobody knows for how long it runs",
                schedule=text,
            )
        )
    limits = action.get("scalableTargetAction", {})
    runs = limits.get("maxCapacity") not in (0, "0")
    for day in _days(found[4]):
        yield day * 24 * 60 + int(found[2]) * 60 + int(found[1]), runs


def _days(field: str) -> list[int]:
    if field in "?*":
        return list(range(7))
    chosen: list[int] = []
    for part in field.split(","):
        first, _, last = part.partition("-")
        begin, end = _day(first), _day(last or first)
        chosen += [each % 7 for each in range(begin, end + 1 if end >= begin else end + 8)]
    return chosen


def _day(word: str) -> int:
    """A day of AWS's cron: SUN to SAT, or 1 to 7."""
    return DAYS.index(word.upper()) if word.upper() in DAYS else int(word) - 1
