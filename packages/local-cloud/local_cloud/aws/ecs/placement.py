"""A task's placement: its network interface, its address on this machine, and the state of its containers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from local_cloud.machine.namespaces import Namespace, TaskAddress
from local_cloud.machine.sockets import Forwarder, is_free
from local_cloud.text import t

METADATA_PORT = 51679
API_PORT = 51680
"""Ports of the AWS API and the task metadata on each task's address, outside the range that apps use."""
PLATFORM = "169.254.170.2"
"""The address of the task metadata on Fargate (ECS Developer Guide, task metadata endpoint version 4).

In the rehearsal the AWS API and the databases have this address, too.
"""


@dataclass(eq=False, kw_only=True)
class Placement:
    """A task's placement. ``definition`` and ``interface`` are moto's objects.

    ``address`` is the private address in the task's ``namespace``, or without one a loopback
    address. With ``mounts`` each container has a mount namespace.
    """

    task: str
    cluster: str
    service: str
    definition: Any
    interface: Any
    address: str
    namespace: Namespace | None = None
    mounts: bool = False
    forwarders: dict[int, Forwarder] = field(default_factory=dict)
    containers: list[ContainerState] = field(default_factory=list)

    @property
    def private_address(self) -> str:
        return str(self.interface.private_ip_address)

    @property
    def platform(self) -> str:
        """Return the address at which the task reaches the AWS API and databases."""
        return PLATFORM if self.namespace else self.address

    def listener(self, port: int) -> socket.socket:
        """Bind a socket to ``port`` of the platform address. Raises OSError if the port is taken."""
        if self.namespace is None:
            return socket.create_server((self.platform, port))
        made = self.namespace.new_socket()
        try:
            made.bind((self.platform, port))
        except OSError:
            made.close()
            raise
        return made

    def at(self, port: int) -> TaskAddress:
        """Return where the task listens on ``port``."""
        return TaskAddress(self.address, port, self.namespace)

    @property
    def arn(self) -> str:
        region, account = self.interface.ec2_backend.region_name, self.interface.owner_id
        return f"arn:aws:ecs:{region}:{account}:task/{self.cluster}/{self.task}"

    @property
    def zone(self) -> str:
        return str(self.interface.availability_zone)


@dataclass(eq=False, kw_only=True)
class ContainerState:
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
        """Return the state of a container that has not started."""
        return cls(
            name=str(definition["name"]),
            image=str(definition["image"]),
            essential=bool(definition.get("essential", True)),
        )


def health_of(placement: Placement) -> str:
    """Return a task's health: the worst of its essential containers with a health check."""
    found = [each.health for each in placement.containers if each.essential and each.checked]
    for health in ("UNHEALTHY", "UNKNOWN"):
        if health in found:
            return health
    return "HEALTHY" if found else "UNKNOWN"


FIRST = IPv4Address("127.0.1.1")
LAST = IPv4Address("127.0.250.254")


class NoLoopback(Exception):
    """This machine has no second loopback address, or none is free. The text says which and what to do."""


class Addresses:
    """Loopback addresses, each used once at a time and only if the task's ports are free."""

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
        """Return an address on which all ``ports`` are free."""
        with self._lock:
            for number in range(int(FIRST), int(LAST)):
                address = IPv4Address(number)
                if address in self._taken or address.packed[3] in (0, 255):
                    continue
                if all(is_free(str(address), port) for port in ports):
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
        with self._lock:
            self._taken.discard(IPv4Address(address))
