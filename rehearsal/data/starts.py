"""How long the start of a task takes on AWS's clock.

An app's start is work of this machine: a second of it is a second on AWS, too. AWS's own waits (the grace
period, the pauses between health checks) pass faster here, at the clock's speed. So while a task starts the
clock runs at AWS's own pace: from the start of its containers until those that declare a port listen on any
port, or have ended. A start of 4 s here is then one of 4 s to the grace period, the health checks, the
circuit breaker and every time that is shown.

After LONGEST seconds the clock runs at its own speed again, so that an app that never listens does not hold
up the rehearsal: its start is then longer on AWS's clock than here, never shorter.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from rehearsal.clock import Clock
from rehearsal.data.metrics.usage import PROC, family, processes

LONGEST = 25.0
"""Seconds of the wall: a start of 6 s on a machine that is four times as slow for other work."""
LOOK_SECONDS = 0.1
LISTENING = "0A"
"""TCP_LISTEN in the fourth column of /proc/net/tcp (proc_pid_net(5))."""

Listens = Callable[[], bool | None]
"""Whether a container listens; None when it has ended."""


def follow(clock: Clock, over: threading.Event, containers: Sequence[Listens]) -> None:
    """Hold the clock at AWS's pace while ``containers`` start and ``over`` is not set."""
    if not containers or clock.speed <= 1:
        return
    threading.Thread(
        target=_hold, args=(clock, over, containers), daemon=True, name="rehearsal-task-start"
    ).start()


def _hold(clock: Clock, over: threading.Event, containers: Sequence[Listens]) -> None:
    end = time.monotonic() + LONGEST
    with clock.at_aws_pace():
        while time.monotonic() < end and not over.wait(LOOK_SECONDS):
            found = [listens() for listens in containers]
            if None in found or all(found):
                return


def listens(root: int | None, address: str, ports: Sequence[int]) -> bool | None:
    """Whether the container with the first process ``root`` listens; None when that has ended.

    Where the processes cannot be looked at (no /proc, an engine in a virtual machine), whether one of its
    declared ``ports`` takes a connection at ``address``.
    """
    if root is None or not PROC.exists():
        return any(_connects(address, port) for port in ports)
    if not (PROC / str(root)).exists():
        return None
    sockets = _listening(root)
    return any(_opened(each.pid) & sockets for each in family(processes(), root))


def _listening(process: int) -> set[str]:
    """The sockets that listen in a process's network, as the links in /proc/PID/fd name them."""
    found = set()
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            rows = (PROC / str(process) / "net" / name).read_text().splitlines()[1:]
            fields = [row.split() for row in rows]
            found |= {f"socket:[{each[9]}]" for each in fields if each[3] == LISTENING}
    return found


def _opened(process: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for each in (PROC / str(process) / "fd").iterdir():
            with suppress(OSError):
                found.add(str(each.readlink()))
    return found


def _connects(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False
