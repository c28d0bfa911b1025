"""What is counted as it happens, minute by minute, until its minute is over."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from rehearsal.clock import Clock
from rehearsal.control.metrics.store import Values, minute_of

K = TypeVar("K")


class Counts(Generic[K]):
    """Values by minute, on AWS's clock, and by what they are of. Any thread may add."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counted: dict[tuple[int, K], Values] = {}

    def add(self, key: K, value: float) -> None:
        """Take in a value that was seen just now."""
        minute = minute_of(self._clock.now().timestamp())
        with self._lock:
            self._counted.setdefault((minute, key), Values()).add(value)

    def take(self, minute: int) -> dict[tuple[int, K], Values]:
        """All up to the end of this minute, which is not counted any more."""
        with self._lock:
            over = {key: values for key, values in self._counted.items() if key[0] <= minute}
            for key in over:
                del self._counted[key]
        return over
