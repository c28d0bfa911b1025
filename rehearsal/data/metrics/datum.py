"""One value, or many, of one metric in one minute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rehearsal.control.metrics.store import Metric, Values


class Datum(NamedTuple):
    """What is put: ``at`` is in AWS's seconds since 1970, the unit in CloudWatch's words."""

    metric: Metric
    at: float
    values: Values
    unit: str


Source = Callable[[int], Iterable[Datum]]
"""What a service has to tell when the minute that began at this moment is over."""
