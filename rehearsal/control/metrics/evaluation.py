"""When an alarm rings (CloudWatch user guide, "Evaluating an alarm" and "treat missing data"): pure rules."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
MORE = 2
"""Periods that are looked at beyond those asked for: the guide's examples look at five for three."""
BEYOND: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
Points = Sequence[float | None]
"""One value for each period, the newest last; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What an alarm declares: ``needed`` of ``periods`` values beyond the threshold make it ring."""

    comparison: str
    threshold: float
    periods: int
    needed: int
    missing: str = "missing"

    @property
    def range(self) -> int:
        """How many periods are looked at."""
        return self.periods + MORE

    def state(self, points: Points, now: str) -> str:
        """The alarm's next state; ``now`` is the one it is in."""
        bad = [None if each is None else self._bad(each) for each in points]
        known = [each for each in bad if each is not None]
        if len(known) >= self.periods:
            return ALARM if sum(known[-self.periods :]) >= self.needed else OK
        if not known:
            return {"breaching": ALARM, "notBreaching": OK, "ignore": now}.get(
                self.missing, INSUFFICIENT
            )
        filled = self.periods - len(known) if self.missing == "breaching" else 0
        if sum(known) + filled >= self.needed:
            return ALARM
        if self.missing in ("breaching", "notBreaching") or not all(known):
            return OK
        if self.missing == "ignore":
            return now
        oldest = len(bad) - bad.index(True)
        return ALARM if oldest >= self.needed else INSUFFICIENT

    def reason(self, points: Points, state: str) -> str:
        """In words like CloudWatch's."""
        known = [each for each in points if each is not None][-self.periods :]
        if state == INSUFFICIENT or not known:
            return f"Insufficient Data: {len(points) - len(known)} datapoints were unknown."
        bad = sum(map(self._bad, known))
        count, side = (bad, "") if state == ALARM else (len(known) - bad, "not ")
        return (
            f"Threshold Crossed: {count} out of the last {len(known)} datapoints {known} were "
            f"{side}{BEYOND[self.comparison][1]} the threshold ({self.threshold})."
        )

    def _bad(self, value: float) -> bool:
        return BEYOND[self.comparison][0](value, self.threshold)
