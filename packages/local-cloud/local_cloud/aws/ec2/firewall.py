"""Decides which connections security groups, routes and network ACLs allow, with pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

Ports = tuple[int, int]
"""The first and last port of a range."""
LINUX: Ports = (32768, 60999)
"""The ports from which a Linux client connects (VPC user guide, "Ephemeral ports")."""
WIDE: Ports = (1024, 65535)
"""The ports from which load balancers and NAT gateways connect (same source)."""
CLIENTS: Ports = (32768, 65535)
"""The ports from which clients on the internet connect: Linux, macOS and Windows together (same source)."""
TCP, ALL = ("6", "tcp"), "-1"
"""The protocols of rules about TCP, and that of rules about all traffic."""


def _is_about(protocol: str, ports: Ports | None, port: int) -> bool:
    """Return whether a rule with this protocol and these ports is about TCP to ``port``."""
    return protocol == ALL or (
        protocol in TCP and ports is not None and ports[0] <= port <= ports[1]
    )


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A rule of a network ACL. Protocol "-1" is all traffic, and then the ports have no meaning."""

    number: int
    allow: bool
    protocol: str
    network: IPv4Network
    ports: Ports | None = None

    def decides(self, peer: IPv4Address, port: int) -> bool:
        """Return whether the rule is about TCP to ``port`` from or to ``peer``."""
        return peer in self.network and _is_about(self.protocol, self.ports, port)


@dataclass(frozen=True, kw_only=True)
class Acl:
    """A network ACL: its inbound and outbound rules, in the order of their numbers."""

    ingress: tuple[Entry, ...] = ()
    egress: tuple[Entry, ...] = ()


def passes(acls: Mapping[str, Acl], source: Endpoint, target: Endpoint, port: int) -> bool:
    """Return whether TCP passes the ACLs of two subnets to ``port`` and back.

    The responses go to any of the source's ephemeral ports. If only some are closed, some
    connections hang on AWS; here all do. ACLs do not apply within a subnet (VPC user guide,
    "Network ACL basics").
    """
    if source.subnet is not None and source.subnet == target.subnet:
        return True
    there, here = (acls.get(end.subnet or "") for end in (target, source))
    one, ephemeral = (port, port), source.ephemeral
    return (
        (here is None or _all_allowed(here.egress, target.address, one))
        and (there is None or _all_allowed(there.ingress, source.address, one))
        and (there is None or _all_allowed(there.egress, source.address, ephemeral))
        and (here is None or _all_allowed(here.ingress, target.address, ephemeral))
    )


def _all_allowed(entries: tuple[Entry, ...], peer: IPv4Address, ports: Ports) -> bool:
    """Return whether all of the ports are allowed: for each port the lowest matching number decides."""
    return all(
        next((entry.allow for entry in entries if entry.decides(peer, port)), False)
        for port in _edges(entries, ports)
    )


def _edges(entries: tuple[Entry, ...], ports: Ports) -> Iterator[int]:
    """Return the ports to test for a range: its first, and those where a rule begins or has just ended."""
    first, last = ports
    yield first
    for entry in entries:
        for edge in (entry.ports[0], entry.ports[1] + 1) if entry.ports else ():
            if first < edge <= last:
                yield edge


def read(ec2: Any) -> dict[str, Acl]:
    """Return the network ACL of each subnet from moto's state of EC2, without rules about IPv6."""
    return {
        str(association.subnet_id): Acl(ingress=_entries(acl, False), egress=_entries(acl, True))
        for acl in ec2.network_acls.values()
        for association in acl.associations
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
    return tuple(sorted(found, key=lambda entry: entry.number))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of a security group. Protocol "-1" is all traffic, and then the ports have no meaning."""

    protocol: str
    ports: Ports | None = None
    networks: tuple[IPv4Network, ...] = ()
    groups: frozenset[str] = frozenset()

    def covers(self, port: int, peer: Endpoint) -> bool:
        """Return whether the rule allows TCP to ``port`` from or to ``peer``."""
        named = self.groups & peer.groups or any(peer.address in each for each in self.networks)
        return bool(named) and _is_about(self.protocol, self.ports, port)


@dataclass(frozen=True, kw_only=True)
class Group:
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One end of a connection, or of a part of it: a network interface, or (without groups) a host on the internet.

    ``subnet`` is that of the network ACL that a packet passes there, and ``ephemeral`` are the ports from which it
    connects.
    """

    address: IPv4Address
    groups: frozenset[str] = frozenset()
    subnet: str | None = None
    public: bool = False
    ephemeral: Ports = LINUX


@dataclass(frozen=True)
class Route:
    """A route to ``destination`` with the target "local", "igw", "nat" or "endpoint", a gateway endpoint.

    ``nat`` is the NAT gateway's place.
    """

    destination: IPv4Network
    kind: str
    nat: Endpoint | None = None


@dataclass(frozen=True)
class Map:
    """The declared network: groups by id; routes, addresses and ACLs by subnet id.

    ``without_dns`` is the address of the resolver that does not answer, for subnets of a VPC whose DNS is off.
    """

    groups: Mapping[str, Group] = field(default_factory=dict)
    routes: Mapping[str, tuple[Route, ...]] = field(default_factory=dict)
    networks: Mapping[str, IPv4Network] = field(default_factory=dict)
    acls: Mapping[str, Acl] = field(default_factory=dict)
    without_dns: Mapping[str, IPv4Address] = field(default_factory=dict)


INTERNET = Endpoint(address=IPv4Address("203.0.113.10"), ephemeral=CLIENTS)
"""A host on the internet (an address reserved for documentation)."""
PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""Addresses that no host on the internet has (RFC 1918)."""


def clients(network: Map, node: Endpoint, address: str) -> Iterator[Endpoint]:
    """Yield the host on the internet that connects to a node, by its address.

    With "" it may be any that a rule of the node's security groups names: INTERNET, or the first of a rule's network.
    """
    if address:
        yield replace(INTERNET, address=IPv4Address(address))
        return
    yield INTERNET
    for group in node.groups & network.groups.keys():
        for rule in network.groups[group].ingress:
            for named in rule.networks:
                if not any(named.subnet_of(private) for private in PRIVATE):
                    yield replace(INTERNET, address=named.network_address)


def allows(network: Map, source: Endpoint, destination: Endpoint, port: int) -> bool:
    """Return whether a TCP connection from ``source`` to ``destination``:``port`` can be made.

    The security groups of both ends, the source's routes and the network ACLs must allow it, the
    ACLs also the responses. An end without groups is outside the VPC, and no rules apply to it.
    """
    return (
        _any(network, source.groups, "egress", port, destination)
        and _any(network, destination.groups, "ingress", port, source)
        and leads_to(network, source, destination.address)
        and _passes(network, source, destination, port)
    )


def _passes(network: Map, source: Endpoint, destination: Endpoint, port: int) -> bool:
    """Return whether the ACLs of both ends' subnets, and of a NAT gateway's subnet between them, allow it."""
    route = _route(network, source, destination.address)
    nat = route.nat if route else None
    if nat is None:
        return passes(network.acls, source, destination, port)
    # The private subnet sees the internet host's address. Behind the NAT gateway it is the
    # gateway's.
    door = Endpoint(address=destination.address, subnet=nat.subnet)
    return passes(network.acls, source, door, port) and passes(network.acls, nat, destination, port)


def _any(network: Map, ids: frozenset[str], way: str, port: int, peer: Endpoint) -> bool:
    groups = [network.groups[name] for name in ids if name in network.groups]
    return not ids or any(
        rule.covers(port, peer) for group in groups for rule in getattr(group, way)
    )


def leads_to(network: Map, source: Endpoint, address: IPv4Address) -> bool:
    """Return whether the source's subnet has a route to ``address`` that the source can use.

    The most specific route decides. An internet gateway serves only interfaces with a public
    address.
    """
    if source.subnet is None:
        return True
    best = _route(network, source, address)
    if best is None:
        return False
    return best.kind in ("local", "nat", "endpoint") or (best.kind == "igw" and source.public)


def _route(network: Map, source: Endpoint, address: IPv4Address) -> Route | None:
    routes = network.routes.get(source.subnet or "", ())
    leading = [route for route in routes if address in route.destination]
    return max(leading, key=lambda route: route.destination.prefixlen, default=None)
