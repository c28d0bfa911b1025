"""How many targets are healthy (ELB user guide, CloudWatch metrics): told while any is registered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from rehearsal.clock import Clock
from rehearsal.control.metrics.store import Values
from rehearsal.data.metrics.datum import Datum, minute_of
from rehearsal.data.metrics.traffic import about, balanced
from rehearsal.data.targets import Targets

COUNTED = {"HealthyHostCount": "healthy", "UnHealthyHostCount": "unhealthy"}


class Hosts:
    """Looks at every minute's end and whenever a target's health changes, so that no moment is missed."""

    def __init__(self, clock: Clock, targets: Targets) -> None:
        self._clock, self._targets = clock, targets
        self._lock = threading.Lock()
        self._seen: dict[tuple[int, str, str], Values] = {}

    def look(self, group: str) -> None:
        """Count a group's targets as they are now."""
        states = [
            each.health.state for each in self._targets.of(group) if each.draining_until is None
        ]
        minute = minute_of(self._clock.now().timestamp())
        for name, state in COUNTED.items() if states else ():
            with self._lock:
                values = self._seen.setdefault((minute, name, group), Values())
                values.add(states.count(state))

    def take(self, minute: int) -> Iterator[Datum]:
        """What was seen up to the end of this minute."""
        used = self.registered()
        for _, group in used:
            self.look(group)
        with self._lock:
            over = {key: values for key, values in self._seen.items() if key[0] <= minute}
            for key in over:
                del self._seen[key]
        for (at, name, group), values in over.items():
            for balancer in [each for each, arn in used if arn == group]:
                yield Datum(about(name, balancer, group), at, values, "Count")

    def registered(self) -> list[tuple[Any, str]]:
        """Every load balancer with each of its target groups that has targets."""
        return [(balancer, group) for balancer, group in balanced() if self._targets.of(group)]
