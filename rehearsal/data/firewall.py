"""Who may reach whom: security groups, routes and network ACLs, as pure functions over what was declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from rehearsal.data import acls

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
    """One end of a connection: a network interface, or (without groups) somebody on the internet.

    ``ephemeral`` are the ports from which it connects to others.
    """

    address: IPv4Address
    groups: frozenset[str] = frozenset()
    subnet: str | None = None
    public: bool = False
    ephemeral: acls.Ports = acls.LINUX


@dataclass(frozen=True)
class Route:
    """Where a subnet's route table sends what goes to ``destination``: "local", "igw" or "nat".

    ``nat`` is where the NAT gateway stands.
    """

    destination: IPv4Network
    kind: str
    nat: acls.Stop | None = None


@dataclass(frozen=True)
class Map:
    """What the declared network looks like: groups by id; routes, addresses and ACLs by subnet id."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    routes: Mapping[str, tuple[Route, ...]] = field(default_factory=dict)
    networks: Mapping[str, IPv4Network] = field(default_factory=dict)
    acls: Mapping[str, acls.Acl] = field(default_factory=dict)


INTERNET = Endpoint(address=IPv4Address("203.0.113.10"), ephemeral=acls.CLIENTS)
"""Somebody out there (an address reserved for documentation)."""


def allows(network: Map, source: Endpoint, destination: Endpoint, port: int) -> bool:
    """Whether a TCP connection from ``source`` to ``destination``:``port`` comes about.

    Both ends' groups must let it through, the source's routes must lead there, and the network ACLs on the
    way must let it come and its answers go. An end without groups is outside the VPC and bound by none.
    """
    return (
        _any(network, source.groups, "egress", port, destination)
        and _any(network, destination.groups, "ingress", port, source)
        and leads_to(network, source, destination.address)
        and _passes(network, source, destination, port)
    )


def _passes(network: Map, source: Endpoint, destination: Endpoint, port: int) -> bool:
    """The ACLs of both ends' subnets; on the way through a NAT gateway those of its subnet as well."""
    begin = acls.Stop(source.subnet, source.address)
    end = acls.Stop(destination.subnet, destination.address)
    route = _route(network, source, destination.address)
    nat = route.nat if route else None
    if nat is None:
        return acls.passes(network.acls, begin, end, port, source.ephemeral)
    # The private subnet sees the internet's address; only behind the gateway it is the gateway's.
    door = acls.Stop(nat.subnet, destination.address)
    return acls.passes(network.acls, begin, door, port, source.ephemeral) and acls.passes(
        network.acls, nat, end, port, acls.WIDE
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
    best = _route(network, source, address)
    if best is None:
        return False
    return best.kind in ("local", "nat") or (best.kind == "igw" and source.public)


def _route(network: Map, source: Endpoint, address: IPv4Address) -> Route | None:
    routes = network.routes.get(source.subnet or "", ())
    leading = [each for each in routes if address in each.destination]
    return max(leading, key=lambda each: each.destination.prefixlen, default=None)
