"""Runs the clock at AWS's speed while a starting task works.

An app's start takes as long here as on AWS. AWS's own waits, such as the grace period and the pauses between
health checks, are shorter here by the clock's speed. The clock therefore runs at AWS's speed from the start of a
task's containers until those with ports accept connections or have ended, as long as one of their processes
uses or waits for the processor or a disk. A start of 4 s is then 4 s for the grace period, the health checks and
the circuit breaker. A start that only waits, for example in a sleep, runs at the clock's speed: it is longer on
AWS's clock than here, never shorter. So does work beyond LONGEST seconds, for an app that never listens.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress

from local_cloud.clock import Clock
from local_cloud.machine.namespaces import Namespace
from local_cloud.machine.processes import PROC, Process, family, processes

LONGEST = 25.0
"""Real seconds: enough for a start of 6 s on a machine that other work makes four times slower."""
LOOK_SECONDS = 0.1
WORKING = ("R", "D")
"""States of a process that runs or waits for the processor or a disk (proc_pid_stat(5))."""
LISTENING = "0A"
"""TCP_LISTEN in the fourth column of /proc/net/tcp (proc_pid_net(5))."""


class Container:
    """A container that declares ``ports``; ``root`` returns its first process if that is known.

    ``every`` is the process table (``processes()``), which a look at several containers reads once.
    """

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

    def started(self, every: Mapping[int, Process]) -> bool | None:
        """Return whether it accepts connections; None if it has ended.

        A server may listen long before it accepts: gunicorn does so before its workers have loaded
        the app. So a connection is made, and the start is over when that connection no longer
        waits.
        """
        root = self._seen()
        if root is None:
            return self._connect(self._ports)
        if not (PROC / str(root)).exists():
            return None
        waiting = _waiting(every, root, self._ports)
        asked = [port for port in self._ports if port in waiting]
        if not waiting:
            return False
        if self._probe is None:
            # The connection was refused, or it was accepted on a port without a waiting queue: the
            # start is over.
            return not self._connect(asked)
        return not any(waiting[port] for port in asked)

    def works(self, every: Mapping[int, Process]) -> bool:
        """Return whether one of its processes worked since the last call; True if that is not known."""
        root = self._seen()
        if root is None:
            return True
        found = family(every, root)
        before, self._used = self._used, sum(process.cpu for process in found)
        return self._used > before or any(process.state in WORKING for process in found)

    def close(self) -> None:
        if self._probe is not None:
            self._probe.close()

    def _seen(self) -> int | None:
        """Return the first process; None without /proc, or if the engine runs in a virtual machine."""
        return self._root() if PROC.exists() else None

    def _connect(self, ports: Sequence[int]) -> bool:
        for port in ports:
            try:
                probe = self._namespace.new_socket() if self._namespace else socket.socket()
            except OSError:
                return False  # The task has ended, and its namespace with it.
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
    """Run the clock at AWS's speed while ``containers`` work at their start, until ``over`` is set."""
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
            every = processes()
            found = [container.started(every) for container in containers]
            if None in found or all(found):
                break
            worked, works = works, any([container.works(every) for container in containers])
            if works and not worked:
                held.enter_context(clock.at_aws_pace())
            elif worked and not works:
                held.close()
    for container in containers:
        container.close()


def _waiting(every: Mapping[int, Process], root: int, ports: Sequence[int]) -> dict[int, int]:
    """Return how many connections wait to be accepted, by the port on which a container listens."""
    opened = frozenset().union(*(_sockets(process.pid) for process in family(every, root)))
    found: dict[int, int] = {}
    for name in ("tcp", "tcp6"):
        # The kernel goes through all its sockets for each table, which takes milliseconds.
        if not opened or found.keys() >= {*ports}:
            break
        for row in _rows(root, name):
            # Local address, state, queues and inode (proc_pid_net(5)). The second queue of a listening
            # socket counts the waiting connections.
            local, state, queues, inode = row[1], row[3], row[4], row[9]
            if state == LISTENING and f"socket:[{inode}]" in opened:
                port = int(local.rpartition(":")[2], 16)
                found[port] = found.get(port, 0) + int(queues.partition(":")[2], 16)
    return found


def _rows(process: int, name: str) -> list[list[str]]:
    try:
        rows = (PROC / str(process) / "net" / name).read_text().splitlines()[1:]
    except OSError:
        return []
    return [row.split() for row in rows]


def _sockets(process: int) -> frozenset[str]:
    """Return a process's open sockets, as the links in /proc/PID/fd name them."""
    found = set()
    with suppress(OSError):
        for link in (PROC / str(process) / "fd").iterdir():
            with suppress(OSError):
                found.add(str(link.readlink()))
    return frozenset(name for name in found if name.startswith("socket:"))
