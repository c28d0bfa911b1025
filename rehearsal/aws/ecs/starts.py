"""How long the start of a task takes on AWS's clock.

An app's start is work of this machine: a second of work is a second on AWS, too, and more of them on a busy
machine. AWS's own waits (the grace period, the pauses between health checks) pass faster here, at the clock's
speed. So the clock runs at AWS's own pace while a task that starts works: from the start of its containers
until those that declare a port take connections there, or have ended, and as long as a process of theirs
uses or waits for the processor or a disk. A normal start of 4 s here is then one of 4 s to the grace period,
the health checks, the circuit breaker and every time that is shown. A start that only waits, as for a lock or
in a sleep, passes at the clock's speed like every other wait: it is longer on AWS's clock than here, never
shorter. So is what a start works beyond LONGEST seconds: an app that never listens does not hold up the
rehearsal.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress

from rehearsal.clock import Clock
from rehearsal.machine.namespaces import Namespace
from rehearsal.machine.processes import PROC, family, processes

LONGEST = 25.0
"""Seconds of the wall: a start of 6 s on a machine that is four times as slow for other work."""
LOOK_SECONDS = 0.1
WORKING = ("R", "D")
"""States of a process that runs or waits for the processor, or for a disk (proc_pid_stat(5))."""
LISTENING = "0A"
"""TCP_LISTEN in the fourth column of /proc/net/tcp (proc_pid_net(5))."""


class Container:
    """A container that declares ``ports``; ``root`` tells its first process where that can be told."""

    def __init__(
        self,
        root: Callable[[], int | None],
        address: str,
        ports: Sequence[int],
        namespace: Namespace | None = None,
    ) -> None:
        self._root, self._address, self._ports = root, address, ports
        self._namespace = namespace
        self._probe: socket.socket | None = None
        self._used = 0.0

    def started(self) -> bool | None:
        """Whether it listens and takes connections; None when it has ended.

        A server may listen long before it takes connections: gunicorn does so before its workers have
        loaded the app. So a connection is made, and the start is over when it waits no more.
        """
        root = self._seen()
        if root is None:
            return self._connect(self._ports)
        if not (PROC / str(root)).exists():
            return None
        waiting = _waiting(root)
        asked = [port for port in self._ports if port in waiting]
        if not waiting:
            return False
        if self._probe is None:
            # Refused, or on a port where nobody asks: there it listens, and starts no more.
            return not self._connect(asked)
        return not any(waiting[port] for port in asked)

    def works(self) -> bool:
        """Whether one of its processes works, or has since the last look; True where that cannot be told."""
        root = self._seen()
        if root is None:
            return True
        found = family(processes(), root)
        before, self._used = self._used, sum(each.cpu for each in found)
        return self._used > before or any(each.state in WORKING for each in found)

    def close(self) -> None:
        """Close the connection that was made."""
        if self._probe is not None:
            self._probe.close()

    def _seen(self) -> int | None:
        """The first process; None without /proc, or with an engine in a virtual machine."""
        return self._root() if PROC.exists() else None

    def _connect(self, ports: Sequence[int]) -> bool:
        for port in ports:
            probe = self._namespace.new_socket() if self._namespace else socket.socket()
            probe.settimeout(1)
            try:
                probe.connect((self._address, port))
            except OSError:
                probe.close()
            else:
                self._probe = probe
                return True
        return False


def follow(clock: Clock, over: threading.Event, containers: Sequence[Container]) -> None:
    """Let the clock run at AWS's pace while ``containers`` work at their start, until ``over`` is set."""
    if not containers or clock.speed <= 1:
        return
    threading.Thread(
        target=_follow, args=(clock, over, containers), daemon=True, name="rehearsal-task-start"
    ).start()


def _follow(clock: Clock, over: threading.Event, containers: Sequence[Container]) -> None:
    end, works = time.monotonic() + LONGEST, True
    with ExitStack() as held:
        held.enter_context(clock.at_aws_pace())
        while time.monotonic() < end and not over.wait(LOOK_SECONDS):
            found = [each.started() for each in containers]
            if None in found or all(found):
                break
            worked, works = works, any([each.works() for each in containers])
            if works and not worked:
                held.enter_context(clock.at_aws_pace())
            elif worked and not works:
                held.close()
    for each in containers:
        each.close()


def _waiting(root: int) -> dict[int, int]:
    """How many connections wait to be taken, by the port on which a container listens."""
    opened = frozenset().union(*(_opened(each.pid) for each in family(processes(), root)))
    found: dict[int, int] = {}
    for row in _rows(root):
        # Local address, state, queues and inode (proc_pid_net(5)): of a socket that listens the second
        # queue counts the connections that wait.
        local, state, queues, inode = row[1], row[3], row[4], row[9]
        if state == LISTENING and f"socket:[{inode}]" in opened:
            port = int(local.rpartition(":")[2], 16)
            found[port] = found.get(port, 0) + int(queues.partition(":")[2], 16)
    return found


def _rows(process: int) -> Iterator[list[str]]:
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            rows = (PROC / str(process) / "net" / name).read_text().splitlines()[1:]
            yield from (row.split() for row in rows)


def _opened(process: int) -> frozenset[str]:
    """What a process has open, as the links in /proc/PID/fd name it."""
    found = set()
    with suppress(OSError):
        for each in (PROC / str(process) / "fd").iterdir():
            with suppress(OSError):
                found.add(str(each.readlink()))
    return frozenset(found)
