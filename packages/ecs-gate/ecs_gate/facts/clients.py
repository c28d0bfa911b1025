"""Who may reach a load balancer."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

EVERYONE = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True)
class Allowed:
    """The clients that may reach the load balancer."""

    networks: tuple[IPv4Network, ...] = (EVERYONE,)
    prefix_lists: tuple[str, ...] = ()

    @property
    def everyone(self) -> bool:
        return EVERYONE in self.networks

    def __str__(self) -> str:
        return ", ".join([*map(str, self.networks), *self.prefix_lists])

    def has(self, client: str) -> bool:
        """Return whether an address is in one of the networks. What is in a prefix list is not known here."""
        return any(IPv4Address(client) in network for network in self.networks)

    def rules(self, weight: Callable[[str], int]) -> int:
        """Return how many rules of a security group they count for, per port; ``weight`` is a prefix list's."""
        return len(self.networks) + sum(map(weight, self.prefix_lists))
