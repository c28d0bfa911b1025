"""AWS's time in the local cloud, which can run faster than wall-clock time."""

from __future__ import annotations

import asyncio
import threading
import time
from bisect import bisect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from local_cloud.machine.problems import PROBLEMS
from local_cloud.text import t

DEFAULT_SPEED = 20.0
"""AWS seconds per wall-clock second: a health-check interval of 10 s takes half a second."""
SHORTEST = 0.01
"""Shortest wait in wall-clock seconds."""
CHECK_SECONDS = 0.2
"""Wall-clock seconds between two checks for what is due. AWS's precision is 60 s of its own time."""


class Background:
    """Work in a thread of its own, `_run`, until `_over` is set."""

    def __init__(self, name: str) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"rehearsal-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(20)

    def _run(self) -> None:
        raise NotImplementedError


class Due(Background):
    """Does what is due on a clock: calls ``work`` with the end of its last call, and with the time now."""

    def __init__(self, name: str, clock: Clock, work: Callable[[datetime, datetime], None]) -> None:
        super().__init__(name)
        self._name, self._clock, self._work = name, clock, work

    def _run(self) -> None:
        seen = self._clock.now()
        while not self._over.wait(CHECK_SECONDS):
            now = self._clock.now()
            with PROBLEMS.caught(f"the {self._name}"):
                self._work(seen, now)
            seen = now


class Clock:
    """A clock that starts at the current time and then runs ``speed`` times as fast.

    Inside ``at_aws_pace`` it runs at normal speed.
    """

    def __init__(self, speed: float = DEFAULT_SPEED) -> None:
        if not speed > 0:
            raise ValueError(
                t("speed: {speed} is not above 0; 1 is AWS's own pace, 20 the default", speed=speed)
            )
        self.speed = speed
        self.start = datetime.now(UTC)
        self._lock = threading.Lock()
        self._held = 0
        self._turns = [(0.0, time.monotonic())]
        """Its seconds and this machine's at its start, and whenever its speed changed."""

    def monotonic(self) -> float:
        """Return the AWS seconds since the clock was created."""
        with self._lock:
            return self._read(time.monotonic())

    def now(self) -> datetime:
        """Return AWS's current time, in UTC."""
        return self.start + timedelta(seconds=self.monotonic())

    def wall_time(self, moment: datetime) -> datetime:
        """Return this machine's time when it is ``moment`` in AWS's time. Programs here know only that one."""
        here = time.monotonic()
        with self._lock:
            points = [*self._turns, (self._read(here), here)]
        passed = (moment - self.start).total_seconds()
        number = bisect([turn for turn, _ in points[1:-1]], passed)
        (before, since), (after, until) = points[number : number + 2]
        rate = (until - since) / (after - before) if after > before else 0.0
        seconds = since - points[0][1] + (passed - before) * rate
        return self.start + timedelta(seconds=seconds)

    def wall(self, seconds: float) -> float:
        """Return the wall-clock seconds that ``seconds`` of AWS's time take at the clock's speed."""
        return seconds / self.speed

    def sleep(self, seconds: float, stop: threading.Event) -> bool:
        """Wait ``seconds`` of AWS's time. Return True as soon as ``stop`` is set."""
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            if stop.wait(max(self.wall(left), SHORTEST)):
                return True
        return stop.is_set()

    async def pause(self, seconds: float) -> None:
        """Wait ``seconds`` of AWS's time on an event loop."""
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            await asyncio.sleep(max(self.wall(left), SHORTEST))

    @contextmanager
    def at_aws_pace(self) -> Iterator[None]:
        """Run the clock at normal speed while at least one such block runs."""
        self._hold(1)
        try:
            yield
        finally:
            self._hold(-1)

    def _hold(self, change: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._turns.append((self._read(now), now))
            self._held += change

    def _read(self, now: float) -> float:
        rate = min(self.speed, 1.0) if self._held else self.speed
        passed, since = self._turns[-1]
        return passed + (now - since) * rate
