"""Tells CloudWatch once a minute, on AWS's clock, what the services have to tell."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from rehearsal.clock import Clock
from rehearsal.control import hooks
from rehearsal.control.metrics.store import MINUTE, STORE, minute_of
from rehearsal.data.metrics.datum import Source

log = logging.getLogger(__name__)

SHORTEST = 0.5
"""Seconds of the wall between two looks at the sources, however fast the clock runs."""


class Publisher:
    """One thread. What a source fails with is logged, and shown by ``cloud status`` until it works again."""

    def __init__(
        self,
        clock: Clock,
        sources: Sequence[Source],
        after: Callable[[int], None] = lambda _: None,
    ) -> None:
        """``after`` is called with the minute that has been told."""
        self._clock, self._sources, self._after = clock, sources, after
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rehearsal-metrics", daemon=True)
        self._problems: dict[str, str] = {}
        self._minutes = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def describe(self) -> dict[str, object]:
        """For ``cloud status``."""
        return {"minutes": self._minutes, "problems": list(self._problems.values())}

    def publish(self, minute: int) -> None:
        """Tell what there is of a minute that is over."""
        for each in (*self._sources, self._evaluate):
            name = getattr(each, "__qualname__", repr(each))
            try:
                found = list(each(minute) or ())
                with hooks.LOCK:
                    for datum in found:
                        STORE.put(*datum)
                self._problems.pop(name, None)
            except Exception as problem:
                log.exception("metrics of the rehearsal could not be told")
                self._problems[name] = f"{name}: {type(problem).__name__}: {problem}"
        self._minutes += 1

    def _evaluate(self, minute: int) -> None:
        self._after(minute)

    def _run(self) -> None:
        while True:
            if self._over.wait(SHORTEST):
                return
            now = self._clock.now().timestamp()
            if self._clock.sleep(minute_of(now) + MINUTE - now, self._over):
                return
            self.publish(minute_of(self._clock.now().timestamp()) - MINUTE)
