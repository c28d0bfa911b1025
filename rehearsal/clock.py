"""AWS's time, which may pass faster here than on the wall."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from i18n import t

DEFAULT_SPEED = 20.0
"""AWS seconds in one second of the wall: a health-check interval of 10 s takes half a second."""
SHORTEST = 0.01
"""Seconds of the wall between two looks at whether a wait is over."""


class Clock:
    """A clock that starts at the wall's time and then runs ``speed`` times as fast.

    Inside of ``at_aws_pace`` it runs as fast as the wall's.
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
        self._passed, self._since = 0.0, time.monotonic()

    def monotonic(self) -> float:
        """AWS seconds since the clock was made."""
        with self._lock:
            return self._read(time.monotonic())

    def now(self) -> datetime:
        """The moment on AWS's side, with its time zone."""
        return self.start + timedelta(seconds=self.monotonic())

    def wall(self, seconds: float) -> float:
        """How many seconds of the wall ``seconds`` on AWS's side take at the clock's own speed."""
        return seconds / self.speed

    def sleep(self, seconds: float, stop: threading.Event) -> bool:
        """Wait ``seconds`` of AWS's time; True at once when ``stop`` is set."""
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
        """Let no more AWS seconds pass than seconds of the wall while any such block runs."""
        self._hold(1)
        try:
            yield
        finally:
            self._hold(-1)

    def _hold(self, change: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._passed, self._since = self._read(now), now
            self._held += change

    def _read(self, now: float) -> float:
        rate = min(self.speed, 1.0) if self._held else self.speed
        return self._passed + (now - self._since) * rate
