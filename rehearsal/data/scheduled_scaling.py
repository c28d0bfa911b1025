"""Scheduled actions of Application Auto Scaling, carried out on the rehearsal's clock."""

from __future__ import annotations

import logging
import threading

from rehearsal.clock import Clock
from rehearsal.control import hooks, scaling

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""Seconds of the wall between two looks at the clock."""


class ScheduledScaling:
    """One thread that does what has become due since its last look."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rehearsal-scaling", daemon=True)

    def start(self) -> None:
        """Begin; what was due before is not made up for, as on AWS."""
        self._thread.start()

    def stop(self) -> None:
        """Do nothing more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        seen = self._clock.now()
        while not self._over.wait(LOOK_SECONDS):
            now = self._clock.now()
            try:
                with hooks.LOCK:
                    scaling.run_due(seen, now)
            except Exception:
                log.exception("a scheduled action of the rehearsal failed")
            seen = now
