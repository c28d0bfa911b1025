"""The health checker: one endless check per registered target, on the clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from rehearsal.clock import Clock
from rehearsal.control import hooks
from rehearsal.data.target_state import FAILED, TIMED_OUT, Check, Outcome, answered
from rehearsal.data.targets import Target, Targets, check_of
from rehearsal.data.task_place import TaskAddress
from rehearsal.data.upstream import unverified_tls

log = logging.getLogger(__name__)

SHORTEST_TIMEOUT = 2.0
"""Seconds of the wall that a command or a connection has on a compressed clock: they take their own time."""

Place = TaskAddress | None
"""Where a target really listens; None when the network lets nobody through."""


class HealthChecker:
    """Checks every target as its group declares it. Works on the data plane's loop."""

    def __init__(
        self, clock: Clock, targets: Targets, place: Callable[[Target, int], Place]
    ) -> None:
        self._clock, self._targets, self._place = clock, targets, place

    async def watch(self, target: Target) -> None:
        """Check ``target`` until it is registered no more."""
        while not target.gone and target.draining_until is None:
            check = self._check(target)
            if check is None or not check.enabled:
                await self._clock.pause(check.interval if check else 5.0)
                continue
            self._targets.check(target, target.health.begin())
            outcome = await self._probe(target, check)
            self._targets.check(target, target.health.after(outcome, check))
            await self._clock.pause(check.interval)

    def _check(self, target: Target) -> Check | None:
        group = hooks.backend("elbv2").target_groups.get(target.group)
        return check_of(group) if group is not None else None

    async def _probe(self, target: Target, check: Check) -> Outcome:
        port = target.port if check.port == "traffic-port" else int(check.port)
        place = self._place(target, port)
        if place is None:
            await self._clock.pause(check.timeout)
            return Outcome(TIMED_OUT)
        try:
            # Not compressed: the app's own time is not, and an answer of 4 s passes on AWS.
            async with asyncio.timeout(check.timeout):
                return await _ask(place, target, check)
        except TimeoutError:
            return Outcome(TIMED_OUT)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return Outcome(FAILED)


async def _ask(place: TaskAddress, target: Target, check: Check) -> Outcome:
    context = unverified_tls() if check.protocol == "HTTPS" else None
    reader, writer = await place.connect(context)
    try:
        if check.protocol not in ("HTTP", "HTTPS"):
            return Outcome()
        writer.write(
            f"GET {check.path} HTTP/1.1\r\nHost: {target.id}:{target.port}\r\n"
            "Connection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\n"
            "Accept-Encoding: gzip, compressed\r\n\r\n".encode("latin-1")
        )
        line = await reader.readuntil(b"\r\n")
        version, status, *_ = line.split()
        if not version.startswith(b"HTTP/1."):
            raise ValueError(line)
        return answered(int(status), check.matcher)
    finally:
        # Not close(): the end of a TLS session waits for the target's, which may never come.
        writer.transport.abort()
