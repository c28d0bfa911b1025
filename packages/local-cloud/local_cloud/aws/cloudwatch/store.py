"""CloudWatch's data points, by metric and minute."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

MINUTE = 60
KEPT = 24 * 60 * MINUTE
"""AWS seconds for which data points are kept; CloudWatch keeps minutes for 15 days (user guide, retention)."""
DIGITS = 3
"""Significant digits of values for percentiles. CloudWatch also stores ranges of values."""
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


class Metric(NamedTuple):
    """A metric's full name. The order of its dimensions does not matter."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, namespace: str, name: str, **dimensions: str) -> Metric:
        return cls(namespace, name, frozenset(dimensions.items()))


@dataclass(slots=True)
class Values:
    """The values of one metric in one period. ``spread`` counts them; it is None if only sums were put."""

    count: float = 0.0
    sum: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    spread: dict[float, float] | None = field(default_factory=dict)

    @classmethod
    def of(cls, *values: float) -> Values:
        made = cls()
        for value in values:
            made.add(value)
        return made

    def add(self, value: float, times: float = 1.0) -> None:
        """Add a value that occurred this many times."""
        self.count, self.sum = self.count + times, self.sum + value * times
        self.least, self.most = min(self.least, value), max(self.most, value)
        if self.spread is not None:
            near = float(f"{value:.{DIGITS}g}")
            self.spread[near] = self.spread.get(near, 0.0) + times

    def merge(self, other: Values) -> None:
        self.count, self.sum = self.count + other.count, self.sum + other.sum
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        if self.spread is None or other.spread is None:
            self.spread = None
            return
        for value, times in other.spread.items():
            self.spread[value] = self.spread.get(value, 0.0) + times

    def statistic(self, name: str) -> float | None:
        """Return a statistic by CloudWatch's name, or None without data. Raises ValueError for an unknown one."""
        known = {
            "Sum": self.sum,
            "SampleCount": self.count,
            "Minimum": self.least,
            "Maximum": self.most,
        }
        if name in known:
            return known[name] if self.count else None
        if name == "Average":
            return self.sum / self.count if self.count else None
        found = PERCENTILE.fullmatch(name)
        if found is None:
            raise ValueError(name)
        return self._percentile(float(found[1]))

    def _percentile(self, share: float) -> float | None:
        """Return the percentile: the least value that is not below this share; None if only sums were put (user
        guide)."""
        if not self.spread:
            return None
        wanted, seen = self.count * share / 100, 0.0
        for value in sorted(self.spread):
            seen += self.spread[value]
            if seen >= wanted:
                return min(max(value, self.least), self.most)
        return self.most


class Store:
    """All metrics. Hold the API's lock for every use."""

    def __init__(self) -> None:
        self._minutes: dict[Metric, dict[int, Values]] = {}
        self.now: Callable[[], datetime] = wall

    def put(self, metric: Metric, at: float, values: Values) -> None:
        """Add values to the minute of ``at``, in seconds since 1970."""
        minute, minutes = minute_of(at), self._minutes.setdefault(metric, {})
        minutes.setdefault(minute, Values()).merge(values)
        while len(minutes) > 1 and (oldest := next(iter(minutes))) < minute - KEPT:
            del minutes[oldest]

    def periods(self, metric: Metric, times: range) -> dict[int, Values]:
        """Return the values of each period that has any; ``times`` are the beginnings."""
        minutes, found = self._minutes.get(metric, {}), {}
        for begin in times if minutes else ():
            values = Values()
            for minute in range(begin, begin + times.step, MINUTE):
                if (known := minutes.get(minute)) is not None:
                    values.merge(known)
            if values.count:
                found[begin] = values
        return found

    def series(self, metric: Metric, times: range, statistic: str) -> dict[int, float]:
        """Return one statistic of each period that has it. Raises ValueError for an unknown statistic."""
        every = self.periods(metric, times)
        shown = {begin: values.statistic(statistic) for begin, values in every.items()}
        return {begin: value for begin, value in shown.items() if value is not None}

    def metrics(self) -> Iterator[Metric]:
        yield from self._minutes

    def clear(self) -> None:
        self._minutes.clear()
        self.now = wall


def wall() -> datetime:
    """Return the real time. A rehearsal replaces it by its own clock."""
    return datetime.now(UTC)


STORE = Store()
"""The store of the local cloud's account."""


def named(dimensions: Iterable[Mapping[str, str]]) -> frozenset[tuple[str, str]]:
    return frozenset((dimension["Name"], dimension["Value"]) for dimension in dimensions)


def minute_of(seconds: float) -> int:
    return int(seconds) // MINUTE * MINUTE


def moment(seconds: int) -> datetime:
    """Return seconds since 1970 as in the API."""
    return datetime.fromtimestamp(seconds, UTC)


class Datum(NamedTuple):
    """A data point: ``at`` is in AWS seconds since 1970."""

    metric: Metric
    at: float
    values: Values


Source = Callable[[int], Iterable[Datum]]
"""Returns a service's data points of the minute that began at this time."""
