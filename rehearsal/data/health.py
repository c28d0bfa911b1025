"""The health checker: one endless check per registered target, on the clock."""

from __future__ import annotations

import asyncio
import logging
import time
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
BOOT_ALLOWANCE = 6.0
"""Seconds of the wall in which a refused connection is not held against a target on a compressed clock.

The app starts at its own pace while AWS's waits pass faster: without this a start of two seconds would look
like forty on AWS. It ends as soon as the target has accepted one connection.
"""

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
        began, seen = time.monotonic(), False
        while not target.gone and target.draining_until is None:
            check = self._check(target)
            if check is None or not check.enabled:
                await asyncio.sleep(self._clock.wall(check.interval if check else 5.0))
                continue
            self._targets.check(target, target.health.begin())
            outcome, connected = await self._probe(target, check)
            seen = seen or connected
            if outcome.passed or seen or not self._starting(began, outcome):
                self._targets.check(target, target.health.after(outcome, check))
            await asyncio.sleep(self._clock.wall(check.interval))

    def _check(self, target: Target) -> Check | None:
        group = hooks.backend("elbv2").target_groups.get(target.group)
        return check_of(group) if group is not None else None

    def _starting(self, began: float, outcome: Outcome) -> bool:
        young = time.monotonic() - began < BOOT_ALLOWANCE
        return self._clock.speed > 1 and young and outcome.why == FAILED

    async def _probe(self, target: Target, check: Check) -> tuple[Outcome, bool]:
        port = target.port if check.port == "traffic-port" else int(check.port)
        place = self._place(target, port)
        if place is None:
            await asyncio.sleep(self._clock.wall(check.timeout))
            return Outcome(TIMED_OUT), False
        connected: list[bool] = []
        try:
            # Not compressed: the app's own time is not, and an answer of 4 s passes on AWS.
            async with asyncio.timeout(check.timeout):
                return await _ask(place, target, check, connected), True
        except TimeoutError:
            return Outcome(TIMED_OUT), bool(connected)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return Outcome(FAILED), bool(connected)


async def _ask(place: TaskAddress, target: Target, check: Check, connected: list[bool]) -> Outcome:
    context = unverified_tls() if check.protocol == "HTTPS" else None
    reader, writer = await place.connect(context)
    connected.append(True)
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
        writer.close()
