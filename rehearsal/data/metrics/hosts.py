"""How many targets are healthy (ELB user guide, CloudWatch metrics): told while any is registered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rehearsal.clock import Clock
from rehearsal.data.metrics.counts import Counts
from rehearsal.data.metrics.datum import Datum
from rehearsal.data.metrics.traffic import about, balanced
from rehearsal.data.targets import Targets

COUNTED = {"HealthyHostCount": "healthy", "UnHealthyHostCount": "unhealthy"}


class Hosts:
    """Looks at every minute's end and whenever a target's health changes, so that no moment is missed."""

    def __init__(self, clock: Clock, targets: Targets) -> None:
        self._targets = targets
        self._seen = Counts[tuple[str, str]](clock)

    def look(self, group: str) -> None:
        """Count a group's targets as they are now."""
        states = [
            each.health.state for each in self._targets.of(group) if each.draining_until is None
        ]
        for name, state in COUNTED.items() if states else ():
            self._seen.add((name, group), states.count(state))

    def take(self, minute: int) -> Iterator[Datum]:
        """What was seen up to the end of this minute."""
        used = self.registered()
        for _, group in used:
            self.look(group)
        for (at, (name, group)), values in self._seen.take(minute).items():
            for balancer in [each for each, arn in used if arn == group]:
                yield Datum(about(name, balancer, group), at, values, "Count")

    def registered(self) -> list[tuple[Any, str]]:
        """Every load balancer with each of its target groups that has targets."""
        return [(balancer, group) for balancer, group in balanced() if self._targets.of(group)]
