"""Who may reach whom: security groups and routes, as pure functions over what was declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

TCP = "tcp"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One security-group rule. ``protocol`` "-1" is all traffic, and then the ports mean nothing."""

    protocol: str
    first_port: int | None = None
    last_port: int | None = None
    networks: tuple[IPv4Network, ...] = ()
    groups: frozenset[str] = frozenset()

    def covers(self, port: int, peer: Endpoint) -> bool:
        """Whether it lets TCP to ``port`` from or to ``peer`` through."""
        if self.protocol != "-1":
            if self.protocol != TCP or self.first_port is None or self.last_port is None:
                return False
            if not self.first_port <= port <= self.last_port:
                return False
        if self.groups & peer.groups:
            return True
        return any(peer.address in network for network in self.networks)


@dataclass(frozen=True, kw_only=True)
class Group:
    """A security group's rules."""

    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One end of a connection: a network interface, or (without groups) somebody on the internet."""

    address: IPv4Address
    groups: frozenset[str] = frozenset()
    subnet: str | None = None
    public: bool = False


@dataclass(frozen=True)
class Route:
    """Where a subnet's route table sends what goes to ``destination``: "local", "igw" or "nat"."""

    destination: IPv4Network
    kind: str


@dataclass(frozen=True)
class Map:
    """What the declared network looks like: groups by id, routes and addresses by subnet id."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    routes: Mapping[str, tuple[Route, ...]] = field(default_factory=dict)
    networks: Mapping[str, IPv4Network] = field(default_factory=dict)


INTERNET = Endpoint(address=IPv4Address("203.0.113.10"))
"""Somebody out there (an address reserved for documentation)."""


def allows(network: Map, source: Endpoint, destination: Endpoint, port: int) -> bool:
    """Whether a TCP connection from ``source`` to ``destination``:``port`` comes about.

    Both ends' groups must let it through, and the source's routes must lead there. An end without groups is
    outside the VPC and bound by none.
    """
    return (
        _any(network, source.groups, "egress", port, destination)
        and _any(network, destination.groups, "ingress", port, source)
        and leads_to(network, source, destination.address)
    )


def _any(network: Map, ids: Iterable[str], way: str, port: int, peer: Endpoint) -> bool:
    ids = tuple(ids)
    if not ids:
        return True
    for group in (network.groups.get(each, Group()) for each in ids):
        rules = group.egress if way == "egress" else group.ingress
        if any(rule.covers(port, peer) for rule in rules):
            return True
    return False


def leads_to(network: Map, source: Endpoint, address: IPv4Address) -> bool:
    """Whether the source's subnet has a route to ``address`` that works for it.

    The most specific route decides. An internet gateway serves only interfaces with a public address.
    """
    if source.subnet is None:
        return True
    routes = [each for each in network.routes.get(source.subnet, ()) if address in each.destination]
    if not routes:
        return False
    best = max(routes, key=lambda each: each.destination.prefixlen)
    return best.kind in ("local", "nat") or (best.kind == "igw" and source.public)
