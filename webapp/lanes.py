"""Threads of their own for each kind of request."""

import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# Of each worker's 1000 connections (gunicorn's worker_connections, see gunicorn.conf.py), at which
# it would stop to accept, so that health checks would wait in the kernel: at most so many ...
QUEUE = 256
"""... wait for a thread of the pages. At 20 ms a page, which 99 % of them stay below at half of the
peak rate, the last one waits 0.3 s; if pages are slow, MAX_WAIT is what bounds the wait."""
PROBES = 64
"""... wait for /health/db. The answer of one probe serves all who ask meanwhile."""
LINGERING = 128
"""... are only waited for until the client closes them."""
SPARE = 100
"""... are left for health checks and for what has not sent anything yet."""

MAX_WAIT = 10.0
"""Seconds a request may wait for a thread. Together with the longest page, which takes two of the
database's longest queries (9 s), it stays below graceful_timeout (25 s), so that a server that stops
answers all whom it has let in, and far below a balancer's idle timeout (60 s by default on AWS)."""

HEALTH_LINE = re.compile(rb"(?:GET|HEAD) /health(/db)?[ ?]")
BODY = re.compile(rb"\n(?:content-length|transfer-encoding)", re.IGNORECASE)


class Lane:
    """A pool of threads, and how many requests it has; used by the main thread alone."""

    def __init__(self, pool: ThreadPoolExecutor, limit: float = float("inf")) -> None:
        self._pool = pool
        self._limit = limit
        self._taken = 0

    def full(self) -> bool:
        """Whether no more may wait."""
        return self._taken >= self._limit

    def submit(self, work: Callable[[], Any], done: Callable[[Future[Any]], None]) -> None:
        """Have a thread do it and then call `done`, which must have the main thread `leave`."""
        self._taken += 1
        self._pool.submit(work).add_done_callback(done)

    def leave(self) -> None:
        """One request less."""
        self._taken -= 1


class Lanes:
    """The lanes of one worker.

    With one pool a few requests that wait for a slow database are enough to keep /health waiting,
    and then the load balancer ends a task that works.
    """

    def __init__(self, pages: ThreadPoolExecutor, threads: int) -> None:
        self.pages = Lane(pages, threads + QUEUE)
        # As many as for pages: with fewer, each request means waking a thread (measured: half the
        # rate with two).
        self._health = Lane(ThreadPoolExecutor(threads, "health"))
        self._probe = Lane(ThreadPoolExecutor(1, "health-db"), PROBES)

    def of(self, head: bytes) -> Lane:
        """The lane for a request, by its first bytes.

        Health checks have theirs only if nothing of them is missing: a body that never comes, or
        the rest of a head, would keep its threads.
        """
        match = HEALTH_LINE.match(head)
        if not match or b"\r\n\r\n" not in head or BODY.search(head):
            return self.pages
        return self._probe if match[1] else self._health
