"""One answer for all who ask at the same time, and never one that is older than the question."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

GATHER = 0.001
"""Seconds that a run waits for more callers where others ask as well: measured best of 0 to 4 ms."""

T = TypeVar("T")


class _Flight(Generic[T]):
    """One run of the work, and who waits for it."""

    __slots__ = ("error", "landed", "result")

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None


class Shared(Generic[T]):
    """Work that is done once for the requests which arrived before it began.

    Each caller gets the result of a run that started after the call: it is as fresh as if the
    caller had done the work itself, and under load one query serves many requests.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._joining = threading.Lock()
        self._running = threading.Lock()
        self._next: _Flight[T] | None = None

    def get(self, timeout: float) -> T:
        """The result, or what the work raised. Raises TimeoutError after `timeout` seconds."""
        with self._joining:
            flight, leads = self._next, self._next is None
            if flight is None:
                flight = self._next = _Flight()
        if leads:
            self._lead(flight, timeout)
        elif not flight.landed.wait(timeout):
            raise TimeoutError
        if flight.error is not None:
            raise flight.error
        return flight.result  # type: ignore[return-value]  # no error: so there is a result

    def _lead(self, flight: _Flight[T], timeout: float) -> None:
        alone = self._running.acquire(blocking=False)
        started = alone or self._running.acquire(timeout=timeout)
        if started and not alone:
            time.sleep(GATHER)
        with self._joining:
            self._next = None
        try:
            if not started:
                raise TimeoutError
            flight.result = self._work()
        except BaseException as error:
            flight.error = error
        finally:
            if started:
                self._running.release()
            flight.landed.set()
