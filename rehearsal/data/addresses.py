"""Loopback addresses that stand for tasks' private ones: 127.0.1.1 and up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from ipaddress import IPv4Address

from i18n import t

FIRST = IPv4Address("127.0.1.1")
LAST = IPv4Address("127.0.250.254")


class NoLoopback(Exception):
    """This machine has no second loopback address, or none is free; says which and the way out."""


class Addresses:
    """Gives addresses out, each once, and only where the wanted ports are free."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[IPv4Address] = set()

    def check(self) -> None:
        """Raise NoLoopback on a machine without 127.0.1.1 (macOS has only 127.0.0.1)."""
        try:
            with socket.socket() as probe:
                probe.bind((str(FIRST), 0))
        except OSError as error:
            raise NoLoopback(
                t(
                    "{address} cannot be bound ({why}); each task needs an address of its own: add "
                    "it with `sudo ifconfig lo0 alias {address}`, and so on for every task",
                    address=str(FIRST),
                    why=str(error.strerror),
                )
            ) from None

    def take(self, ports: Sequence[int]) -> str:
        """An address on which all ``ports`` are free now."""
        with self._lock:
            for number in range(int(FIRST), int(LAST)):
                address = IPv4Address(number)
                if address in self._taken or address.packed[3] in (0, 255):
                    continue
                if all(_free(str(address), port) for port in ports):
                    self._taken.add(address)
                    return str(address)
        raise NoLoopback(
            t(
                "no loopback address from {first} on has ports {ports} free; end what listens there",
                first=str(FIRST),
                ports=", ".join(map(str, ports)),
            )
        )

    def give_back(self, address: str) -> None:
        """The task is over."""
        with self._lock:
            self._taken.discard(IPv4Address(address))


def _free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
