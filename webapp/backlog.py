"""The visits on their way into the database, and by how many the number read from it is short."""

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

MAX_WAITING = 10_000  # visits; what comes while the database is away for long is not kept
REMEMBERED = 16  # writes; far more than there are while one query runs
CONFIRMATION = 0.5  # seconds that a page waits for the outcome of a write that it may have seen


class Noted(NamedTuple):
    """A visit: when, in seconds since the epoch, in which language, and which task answered."""

    at: float
    language: str
    task: str


@dataclass(frozen=True)
class Batch:
    """Visits that are being written, and what the counter was known to be before."""

    visits: list[Noted]
    counter: int


class Mark(NamedTuple):
    """When a query began, and how many visits were surely written by then."""

    at: float
    written: int


class Backlog:
    """Visits wait here, are taken in batches, and stay in it until their write is confirmed.

    A query may see a batch before its write is confirmed: so a count made of the two could go
    down or up by a batch. Each write tells what it made of the counter; as that only grows, a
    number that was read holds a batch if, and only if, it is at least that.
    """

    def __init__(self) -> None:
        self._waiting: deque[Noted] = deque()
        self._batch: Batch | None = None
        self._written = 0
        self._writes: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self._counter, self._counter_known_at = 0, float("-inf")
        self._changed = threading.Condition()

    def add(self, visit: Noted) -> None:
        """Note a visit."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(visit)

    def take(self) -> Batch | None:
        """All that wait, to be written; with them `landed` or `failed` must be called then."""
        with self._changed:
            visits = [self._waiting.popleft() for _ in range(len(self._waiting))]
            self._batch = Batch(visits, self._counter) if visits else None
            return self._batch

    def landed(self, batch: Batch, counter: int) -> None:
        """The batch is written, and has made the counter this."""
        with self._changed:
            self._written += len(batch.visits)
            self._writes.append((counter, self._written))
            self._end()

    def failed(self, batch: Batch) -> None:
        """The batch is not written, as far as is known: it waits again."""
        with self._changed:
            self._waiting.extendleft(reversed(batch.visits))
            self._end()

    def mark(self) -> Mark:
        """To be taken before the counter is read."""
        with self._changed:
            return Mark(time.monotonic(), self._written)

    def total(self, counter: int, since: Mark) -> int:
        """All visits, where a query that began at the mark has read this from the counter."""
        with self._changed:
            if counter < self._counter and since.at <= self._counter_known_at:
                counter = self._counter  # a query that began later was quicker
            self._counter, self._counter_known_at = counter, time.monotonic()
            self._settle(counter)
            seen = max(
                [since.written, *(written for made, written in self._writes if made <= counter)]
            )
            underway = len(self._batch.visits) if self._batch else 0
            return counter + self._written - seen + underway + len(self._waiting)

    def _settle(self, counter: int) -> None:
        """Wait for the write that this number may hold already; without one it could not be it."""
        batch = self._batch
        if batch and counter >= batch.counter + len(batch.visits):
            self._changed.wait_for(lambda: self._batch is not batch, CONFIRMATION)

    def _end(self) -> None:
        self._batch = None
        self._changed.notify_all()
