"""Who may reach whom: security groups, routes and network ACLs, as pure functions over what was declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

Ports = tuple[int, int]
"""The first and the last of a range."""
LINUX: Ports = (32768, 60999)
"""From where a Linux client connects (VPC user guide, "Ephemeral ports")."""
WIDE: Ports = (1024, 65535)
"""From where load balancers and NAT gateways connect (the same)."""
CLIENTS: Ports = (32768, 65535)
"""From where somebody on the internet connects: Linux, macOS and Windows together (the same)."""
MEANS_TCP = ("6", "tcp", "-1")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One rule. Protocol "-1" is all traffic, and then the ports mean nothing."""

    number: int
    allow: bool
    protocol: str
    network: IPv4Network
    ports: Ports | None = None

    def decides(self, peer: IPv4Address, port: int) -> bool:
        """Whether it is about TCP to ``port`` from or to ``peer``."""
        if self.protocol not in MEANS_TCP or peer not in self.network:
            return False
        return self.protocol == "-1" or (
            self.ports is not None and self.ports[0] <= port <= self.ports[1]
        )


@dataclass(frozen=True, kw_only=True)
class Acl:
    """A network ACL's rules, each way in the order of their numbers."""

    ingress: tuple[Entry, ...] = ()
    egress: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Stop:
    """Where a packet passes a network ACL: the subnet, None outside the VPC, and its address there."""

    subnet: str | None
    address: IPv4Address


def passes(
    acls: Mapping[str, Acl], source: Stop, target: Stop, port: int, ephemeral: Ports
) -> bool:
    """Whether TCP comes and goes between two subnets: the way there by ``port``, the way back.

    The way back leads to any of the source's ``ephemeral`` ports; where some are closed, some connections
    hang, and here all do. Within a subnet no ACL is asked (VPC user guide, "Network ACL basics").
    """
    if source.subnet is not None and source.subnet == target.subnet:
        return True
    there, here = (acls.get(each.subnet or "") for each in (target, source))
    one = (port, port)
    return (
        (here is None or _let(here.egress, target.address, one))
        and (there is None or _let(there.ingress, source.address, one))
        and (there is None or _let(there.egress, source.address, ephemeral))
        and (here is None or _let(here.ingress, target.address, ephemeral))
    )


def _let(entries: tuple[Entry, ...], peer: IPv4Address, ports: Ports) -> bool:
    """Whether all of the ports are allowed: for each the lowest number decides, and none denies."""
    return all(
        next((each.allow for each in entries if each.decides(peer, port)), False)
        for port in _edges(entries, ports)
    )


def _edges(entries: tuple[Entry, ...], ports: Ports) -> Iterator[int]:
    """Ports that stand for all: where the range begins, and where a rule begins or has just ended."""
    first, last = ports
    yield first
    for each in entries:
        for edge in (each.ports[0], each.ports[1] + 1) if each.ports else ():
            if first < edge <= last:
                yield edge


def read(ec2: Any) -> dict[str, Acl]:
    """The network ACL of each subnet, from moto's state of EC2. Rules about IPv6 are left out."""
    return {
        str(each.subnet_id): Acl(ingress=_entries(acl, False), egress=_entries(acl, True))
        for acl in ec2.network_acls.values()
        for each in acl.associations
    }


def _entries(acl: Any, egress: bool) -> tuple[Entry, ...]:
    found = [
        Entry(
            number=int(each.rule_number),
            allow=each.rule_action == "allow",
            protocol=str(each.protocol),
            network=IPv4Network(each.cidr_block),
            ports=(int(each.port_range_from), int(each.port_range_to)) if each.port_range else None,
        )
        for each in acl.entries
        if each.cidr_block and (str(each.egress).lower() == "true") is egress
    ]
    return tuple(sorted(found, key=lambda each: each.number))


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
    ephemeral: Ports = LINUX


@dataclass(frozen=True)
class Route:
    """Where a subnet's route table sends what goes to ``destination``: "local", "igw" or "nat".

    ``nat`` is where the NAT gateway stands.
    """

    destination: IPv4Network
    kind: str
    nat: Stop | None = None


@dataclass(frozen=True)
class Map:
    """What the declared network looks like: groups by id; routes, addresses and ACLs by subnet id."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    routes: Mapping[str, tuple[Route, ...]] = field(default_factory=dict)
    networks: Mapping[str, IPv4Network] = field(default_factory=dict)
    acls: Mapping[str, Acl] = field(default_factory=dict)


INTERNET = Endpoint(address=IPv4Address("203.0.113.10"), ephemeral=CLIENTS)
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
    begin = Stop(source.subnet, source.address)
    end = Stop(destination.subnet, destination.address)
    route = _route(network, source, destination.address)
    nat = route.nat if route else None
    if nat is None:
        return passes(network.acls, begin, end, port, source.ephemeral)
    # The private subnet sees the internet's address; only behind the gateway it is the gateway's.
    door = Stop(nat.subnet, destination.address)
    return passes(network.acls, begin, door, port, source.ephemeral) and passes(
        network.acls, nat, end, port, WIDE
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
