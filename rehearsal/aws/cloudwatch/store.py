"""What CloudWatch keeps of metrics: by metric and minute, for as long as an incident is looked at."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

MINUTE = 60
KEPT = 24 * 60 * MINUTE
"""AWS seconds that a metric is kept here; CloudWatch keeps minutes for 15 days (user guide, retention)."""
DIGITS = 3
"""Significant digits of a value that a percentile is taken over; CloudWatch, too, keeps ranges of values."""
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


class Metric(NamedTuple):
    """A metric's full name. The order of its dimensions does not matter."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, namespace: str, name: str, **dimensions: str) -> Metric:
        """By the dimensions' names."""
        return cls(namespace, name, frozenset(dimensions.items()))


@dataclass(slots=True)
class Values:
    """The values of one metric in one period. ``spread`` counts them; None where only sums were put."""

    count: float = 0.0
    sum: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    spread: dict[float, float] | None = field(default_factory=dict)

    @classmethod
    def of(cls, *values: float) -> Values:
        """Of single values."""
        made = cls()
        for value in values:
            made.add(value)
        return made

    def add(self, value: float, times: float = 1.0) -> None:
        """Take in a value that was seen so many times."""
        self.count, self.sum = self.count + times, self.sum + value * times
        self.least, self.most = min(self.least, value), max(self.most, value)
        if self.spread is not None:
            near = float(f"{value:.{DIGITS}g}")
            self.spread[near] = self.spread.get(near, 0.0) + times

    def merge(self, other: Values) -> None:
        """Take in what was seen elsewhere, or at another time."""
        self.count, self.sum = self.count + other.count, self.sum + other.sum
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        if self.spread is None or other.spread is None:
            self.spread = None
            return
        for value, times in other.spread.items():
            self.spread[value] = self.spread.get(value, 0.0) + times

    def statistic(self, name: str) -> float | None:
        """By CloudWatch's name; None where there is none. ValueError for a statistic not known here."""
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
        """The least value that so many per cent are not above. None where only sums were put (user guide)."""
        if not self.spread:
            return None
        wanted, seen = self.count * share / 100, 0.0
        for value in sorted(self.spread):
            seen += self.spread[value]
            if seen >= wanted:
                return min(max(value, self.least), self.most)
        return self.most


@dataclass
class _Line:
    unit: str = "None"
    minutes: dict[int, Values] = field(default_factory=dict)


NO_LINE = _Line()


class Store:
    """All metrics. Hold the API's lock around every use."""

    def __init__(self) -> None:
        self._lines: dict[Metric, _Line] = {}
        self.now: Callable[[], datetime] = wall

    def put(self, metric: Metric, at: float, values: Values, unit: str = "None") -> None:
        """Add values to the minute in which ``at``, seconds since 1970, lies."""
        line = self._lines.setdefault(metric, _Line())
        minute = minute_of(at)
        line.unit = unit
        line.minutes.setdefault(minute, Values()).merge(values)
        while len(line.minutes) > 1 and (oldest := next(iter(line.minutes))) < minute - KEPT:
            del line.minutes[oldest]

    def unit(self, metric: Metric) -> str:
        """The unit in which a metric was put last."""
        return self._lines.get(metric, NO_LINE).unit

    def periods(self, metric: Metric, times: range) -> dict[int, Values]:
        """The values of each period that has any; ``times`` are where they begin."""
        minutes, found = self._lines.get(metric, NO_LINE).minutes, {}
        for begin in times if minutes else ():
            values = Values()
            for minute in range(begin, begin + times.step, MINUTE):
                if (known := minutes.get(minute)) is not None:
                    values.merge(known)
            if values.count:
                found[begin] = values
        return found

    def series(self, metric: Metric, times: range, statistic: str) -> dict[int, float]:
        """One statistic of each period that has it. ValueError for a statistic not known here."""
        every = self.periods(metric, times)
        shown = {begin: values.statistic(statistic) for begin, values in every.items()}
        return {begin: value for begin, value in shown.items() if value is not None}

    def metrics(self) -> Iterator[Metric]:
        """Every metric that has values."""
        yield from self._lines

    def clear(self) -> None:
        """Forget all, the clock too."""
        self._lines.clear()
        self.now = wall


def wall() -> datetime:
    """The wall's time; a rehearsal puts its own clock in its place."""
    return datetime.now(UTC)


STORE = Store()
"""The account's, as moto's backends are."""


def named(dimensions: Iterable[Mapping[str, str]]) -> frozenset[tuple[str, str]]:
    """Dimensions as the API has them."""
    return frozenset((each["Name"], each["Value"]) for each in dimensions)


def minute_of(seconds: float) -> int:
    """Where the minute begins in which a moment lies."""
    return int(seconds) // MINUTE * MINUTE


def moment(seconds: int) -> datetime:
    """Seconds since 1970 as the API has them."""
    return datetime.fromtimestamp(seconds, UTC)


class Datum(NamedTuple):
    """What is put: ``at`` is in AWS's seconds since 1970, the unit in CloudWatch's words."""

    metric: Metric
    at: float
    values: Values
    unit: str


Source = Callable[[int], Iterable[Datum]]
"""What a service has to tell when the minute that began at this moment is over."""
