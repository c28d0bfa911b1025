"""Where one task is: its network interface, its loopback address on this machine and what listens there for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from i18n import t
from rehearsal.machine.namespaces import Namespace
from rehearsal.machine.sockets import Forwarder

METADATA_PORT = 51679
API_PORT = 51680
"""Ports of the platform on each task's own address, outside the app's usual range."""
PLATFORM = "169.254.170.2"
"""Where a task finds the task metadata on Fargate (ECS Developer Guide, task metadata endpoint version 4).

In the rehearsal it finds AWS's API and its databases there, too.
"""


@dataclass(frozen=True)
class TaskAddress:
    """Where a task is reached; ``namespace`` None: on this machine's own loopback."""

    host: str
    port: int
    namespace: Namespace | None

    async def connect(
        self, context: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection, with TLS by ``context``. Raises OSError."""
        if self.namespace is None:
            return await asyncio.open_connection(self.host, self.port, ssl=context)
        made = self.namespace.new_socket()
        try:
            made.setblocking(False)
            await asyncio.get_running_loop().sock_connect(made, (self.host, self.port))
            name = self.host if context else None
            return await asyncio.open_connection(sock=made, ssl=context, server_hostname=name)
        except BaseException:
            made.close()
            raise


@dataclass(eq=False, kw_only=True)
class Place:
    """A task's place. ``definition`` and ``interface`` are moto's own objects.

    ``address`` is where the app is reached: the private address in the task's own ``namespace``; without one
    a loopback address of this machine.
    """

    task: str
    cluster: str
    service: str
    definition: Any
    interface: Any
    address: str
    namespace: Namespace | None = None
    forwarders: dict[int, Forwarder] = field(default_factory=dict)
    containers: list[ContainerState] = field(default_factory=list)

    @property
    def private_address(self) -> str:
        """The address in the VPC."""
        return str(self.interface.private_ip_address)

    @property
    def platform(self) -> str:
        """The address at which the task reaches what is not its own app."""
        return PLATFORM if self.namespace else self.address

    def listener(self, port: int) -> socket.socket:
        """Bind a socket to ``port`` of the platform's address. Raises OSError when the port is taken."""
        if self.namespace is None:
            return socket.create_server((self.platform, port))
        made = self.namespace.new_socket()
        try:
            made.bind((self.platform, port))
        except OSError:
            made.close()
            raise
        return made

    @property
    def arn(self) -> str:
        """The task's ARN; its region is the interface's."""
        region, account = self.interface.ec2_backend.region_name, self.interface.owner_id
        return f"arn:aws:ecs:{region}:{account}:task/{self.cluster}/{self.task}"

    @property
    def zone(self) -> str:
        """The availability zone."""
        return str(self.interface.availability_zone)


@dataclass(eq=False, kw_only=True)
class ContainerState:
    """What is known of one container of a task."""

    name: str
    image: str
    essential: bool
    checked: bool = False
    digest: str | None = None
    pid: int | None = None
    status: str = "PENDING"
    exit_code: int | None = None
    reason: str | None = None
    health: str = "UNKNOWN"

    @classmethod
    def declared(cls, definition: Mapping[str, Any]) -> ContainerState:
        """A container that has not started yet."""
        return cls(
            name=str(definition["name"]),
            image=str(definition["image"]),
            essential=bool(definition.get("essential", True)),
        )


def health_of(place: Place) -> str:
    """A task's health: that of its essential containers with a check, the worst first."""
    found = [each.health for each in place.containers if each.essential and each.checked]
    for health in ("UNHEALTHY", "UNKNOWN"):
        if health in found:
            return health
    return "HEALTHY" if found else "UNKNOWN"


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
