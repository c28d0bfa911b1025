"""AWS's time, which may pass faster here than on the wall."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from ops.texts import t

DEFAULT_SPEED = 20.0
"""AWS seconds in one second of the wall: a health-check interval of 10 s takes half a second."""


class Clock:
    """A clock that starts at the wall's time and then runs ``speed`` times as fast."""

    def __init__(self, speed: float = DEFAULT_SPEED, start: datetime | None = None) -> None:
        """``start`` is when it began, for a second clock that tells another process's time."""
        if not speed > 0:
            raise ValueError(
                t("speed: {speed} is not above 0; 1 is AWS's own pace, 20 the default", speed=speed)
            )
        self.speed = speed
        now = datetime.now(UTC)
        self.start = start or now
        self._zero = time.monotonic() - (now - self.start).total_seconds()

    def monotonic(self) -> float:
        """AWS seconds since the clock was made."""
        return (time.monotonic() - self._zero) * self.speed

    def now(self) -> datetime:
        """The moment on AWS's side, with its time zone."""
        return self.start + timedelta(seconds=self.monotonic())

    def wall(self, seconds: float) -> float:
        """How many seconds of the wall ``seconds`` on AWS's side take."""
        return seconds / self.speed

    def sleep(self, seconds: float, stop: threading.Event) -> bool:
        """Wait ``seconds`` of AWS's time; True at once when ``stop`` is set."""
        return stop.wait(self.wall(seconds))
