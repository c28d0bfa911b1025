"""A container's own health check, run inside it, as the ECS agent does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.clock import Clock
from rehearsal.data.health import SHORTEST_TIMEOUT
from rehearsal.data.processes import Running

SHORTEST_PAUSE = 1.0
"""Seconds of the wall between two checks: each one starts a program, which takes its own time."""


def command_of(check: Mapping[str, Any]) -> list[str] | None:
    """The program to run: CMD runs it as it is, CMD-SHELL through a shell, NONE turns the check off."""
    kind, *rest = [str(each) for each in check["command"]]
    if kind == "NONE":
        return None
    if kind == "CMD-SHELL":
        return ["/bin/sh", "-c", " ".join(rest)]
    return rest if kind == "CMD" else [kind, *rest]


def watch(
    running: Running,
    check: Mapping[str, Any],
    clock: Clock,
    over: threading.Event,
    tell: Callable[[str], None],
) -> None:
    """Check until ``over`` is set; tells HEALTHY and UNHEALTHY when it changes.

    Numbers as in the API reference, HealthCheck: failures inside the start period do not count.
    """
    argv = command_of(check)
    if argv is None:
        return
    interval, timeout = float(check.get("interval", 30)), float(check.get("timeout", 5))
    retries, start_period = int(check.get("retries", 3)), float(check.get("startPeriod", 0))
    limit = min(timeout, max(clock.wall(timeout), SHORTEST_TIMEOUT))
    began, failures, known = clock.monotonic(), 0, "UNKNOWN"
    while not _pause(clock, interval, over):
        passed = running.check(argv, limit) == 0
        if over.is_set():
            return
        if passed:
            failures, found = 0, "HEALTHY"
        elif clock.monotonic() - began < start_period and known == "UNKNOWN":
            continue
        else:
            failures += 1
            found = "UNHEALTHY" if failures >= retries else known
        if found != known:
            known = found
            tell(found)


def _pause(clock: Clock, interval: float, over: threading.Event) -> bool:
    """Wait for the next check; True when ``over`` is set."""
    end = clock.monotonic() + interval
    return over.wait(SHORTEST_PAUSE) or clock.sleep(end - clock.monotonic(), over)
