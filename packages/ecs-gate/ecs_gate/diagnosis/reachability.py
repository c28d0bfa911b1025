"""Evaluate security groups, routes and network ACLs of a snapshot as AWS does: which connections they allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses

from ecs_gate.facts.clients import Allowed
from ecs_gate.parts.vpc import AclEntry, Endpoint, Network, Permission, Route

ANYWHERE = IPv4Network("0.0.0.0/0")

HTTPS = 443


@dataclass(frozen=True)
class HopEnd:
    """Where packets begin or end: a subnet, None outside the VPC, and the addresses there."""

    subnet: str | None
    network: IPv4Network


@dataclass(frozen=True)
class Side:
    """One end of a connection: its security groups, and the subnets in which it may be."""

    groups: tuple[str, ...] = ()
    ends: tuple[HopEnd, ...] = ()

    @classmethod
    def of(cls, network: Network, subnets: Iterable[str], groups: Iterable[str] = ()) -> Side:
        """Return the side of what is in these subnets, as far as they are the network's."""
        known = (network.subnets[subnet] for subnet in subnets if subnet in network.subnets)
        return cls(tuple(groups), tuple(HopEnd(subnet.id, subnet.network) for subnet in known))


INTERNET = Side(ends=(HopEnd(None, ANYWHERE),))


@dataclass(frozen=True)
class MissingRule:
    """A missing security-group rule: ``direction`` is egress or ingress, ``group`` the id that lacks it."""

    direction: str
    group: str


def missing_rules(
    network: Network, source: Side, target: Side, port: int
) -> tuple[MissingRule, ...]:
    """Return the missing security-group rules for TCP from ``source`` to ``target``; () where none is missing."""
    missing = []
    if source.groups and not _open(network, source.groups, "egress", target, port):
        missing.append(MissingRule("egress", source.groups[0]))
    if target.groups and not _open(network, target.groups, "ingress", source, port):
        missing.append(MissingRule("ingress", target.groups[0]))
    return tuple(missing)


def _open(network: Network, ids: Iterable[str], direction: str, peer: Side, port: int) -> bool:
    return any(_allows(rule, peer) for _, rule in _rules(network, ids, direction, port))


def _rules(
    network: Network, ids: Iterable[str], direction: str, port: int
) -> Iterator[tuple[str, Permission]]:
    """Yield the rules for TCP to ``port`` of security groups, each with its group's id."""
    for group in (network.groups[name] for name in ids if name in network.groups):
        for rule in group.egress if direction == "egress" else group.ingress:
            if _carries(rule, port):
                yield group.id, rule


def _allows(rule: Permission, peer: Side) -> bool:
    """Return whether a rule allows all of the peer's addresses.

    A prefix list is taken to hold the peer: what is in it was not looked up, and a false alarm costs
    more than a missed one here.
    """
    if set(rule.groups) & set(peer.groups) or rule.prefix_lists:
        return True
    return bool(peer.ends) and all(
        any(map(end.network.subnet_of, rule.networks)) for end in peer.ends
    )


def _carries(rule: Permission, port: int) -> bool:
    if rule.protocol not in ("-1", "tcp", "6"):
        return False
    return rule.protocol == "-1" or (rule.first or 0) <= port <= (rule.last or 0)


def allows_any_inbound(network: Network, ids: Iterable[str], port: int) -> bool:
    """Return whether a rule of the security groups allows any inbound IPv4 TCP to ``port``."""
    return any(
        rule.networks or rule.groups or rule.prefix_lists
        for _, rule in _rules(network, ids, "ingress", port)
    )


def open_ports(network: Network, ids: Iterable[str]) -> set[int]:
    """Return the single TCP ports to which rules of the security groups allow inbound connections."""
    rules = (
        rule for name in ids if name in network.groups for rule in network.groups[name].ingress
    )
    single = (rule for rule in rules if rule.protocol == "tcp" and rule.first == rule.last)
    return {rule.first for rule in single if rule.first is not None}


@dataclass(frozen=True)
class WiderRule:
    """A peer of an inbound rule that nobody allowed: a network, or the id of a prefix list or a security group."""

    group: str
    rule: Permission
    peer: str


def not_let_in(network: Network, ids: Iterable[str], port: int, allowed: Allowed) -> list[str]:
    """Return the allowed networks and prefix lists from which no rule of the security groups allows TCP to ``port``."""
    rules = [rule for _, rule in _rules(network, ids, "ingress", port)]
    networks = list(collapse_addresses(cidr for rule in rules for cidr in rule.networks))
    if ANYWHERE in networks:
        return []
    lists = {name for rule in rules for name in rule.prefix_lists}
    missing = [cidr for cidr in allowed.networks if not any(map(cidr.subnet_of, networks))]
    return [*map(str, missing), *(name for name in allowed.prefix_lists if name not in lists)]


def wider_rules(
    network: Network, ids: Iterable[str], port: int, allowed: Allowed
) -> tuple[WiderRule, ...]:
    """Return the rules by which the security groups let more clients in to ``port`` than those allowed."""
    if allowed.everyone:
        return ()
    networks = list(collapse_addresses(allowed.networks))
    return tuple(
        WiderRule(group, rule, str(peer))
        for group, rule in _rules(network, ids, "ingress", port)
        for peer in (*rule.networks, *rule.prefix_lists, *rule.groups)
        if not (
            any(map(peer.subnet_of, networks))
            if isinstance(peer, IPv4Network)
            else peer in allowed.prefix_lists
        )
    )


@dataclass(frozen=True)
class NoInternet:
    """A subnet that has no route to the internet.

    ``why`` is no-route, blackhole, nat-missing, nat-state, nat-private or no-public-ip; ``target`` is what
    its default route names.
    """

    subnet: str
    why: str
    target: str = ""


def without_internet(
    network: Network, subnets: Sequence[str], public: bool
) -> tuple[NoInternet, ...]:
    """Return those subnets that have no route to the internet; ``public`` is for tasks with a public IP."""
    reasons = (_no_internet(network, subnet, public) for subnet in subnets)
    return tuple(reason for reason in reasons if reason is not None)


def _no_internet(network: Network, subnet: str, public: bool) -> NoInternet | None:
    route = default_route(network, subnet)
    if route is None:
        return NoInternet(subnet, "no-route")
    if route.state == "blackhole":
        return NoInternet(subnet, "blackhole", route.target)
    if route.kind == "igw":
        return None if public else NoInternet(subnet, "no-public-ip", route.target)
    if route.kind == "nat":
        return _nat(network, subnet, route.target)
    return None


def _nat(network: Network, subnet: str, gateway: str) -> NoInternet | None:
    nat = network.nats.get(gateway)
    if nat is None:
        return NoInternet(subnet, "nat-missing", gateway)
    if nat.state != "available":
        return NoInternet(subnet, "nat-state", gateway)
    beyond = default_route(network, nat.subnet)
    if beyond is None or beyond.kind != "igw":
        return NoInternet(subnet, "nat-private", gateway)
    return None


def default_route(network: Network, subnet: str) -> Route | None:
    known = network.subnets.get(subnet)
    routes = known.routes if known else ()
    return next((route for route in routes if route.destination == ANYWHERE), None)


def private_endpoint(network: Network, service: str) -> Endpoint | None:
    """Return the interface endpoint to which alone a service's name, e.g. ``ecr.api``, leads in the VPC.

    Private DNS needs both of the VPC's attributes (AWS PrivateLink guide, "Private DNS").
    """
    known = (each for each in network.endpoints if each.private_dns and network.hostnames)
    return next((endpoint for endpoint in known if _serves(endpoint, service)), None)


def has_gateway(network: Network, subnets: Iterable[str], service: str) -> bool:
    """Return whether all of these subnets have a route to a gateway endpoint for a service."""
    doors = [endpoint for endpoint in network.endpoints if _serves(endpoint, service)]
    tables = {table for door in doors for table in door.tables}
    return all(network.subnets[each].table in tables for each in subnets if each in network.subnets)


def _serves(endpoint: Endpoint, service: str) -> bool:
    return endpoint.service.endswith(f".{service}") and endpoint.state == "available"


Ports = tuple[int, int]

TASK_PORTS: Ports = (32768, 60999)
"""From where a task connects (VPC user guide, "Ephemeral ports")."""

ELB_PORTS: Ports = (1024, 65535)
"""From where load balancers and NAT gateways connect (VPC user guide, "Ephemeral ports")."""

CLIENT_PORTS: Ports = (32768, 65535)
"""From where people on the internet connect: Linux, macOS and Windows together (VPC user guide, "Ephemeral ports")."""


@dataclass(frozen=True)
class AclDenial:
    """Packets that a network ACL drops: ``direction`` is egress or ingress, seen from the subnet.

    ``number`` is the rule that denies them, None where no rule allows them.
    """

    acl: str
    subnet: str
    direction: str
    ports: Ports
    peer: IPv4Network
    number: int | None


def acl_denials(
    network: Network, near: Side, far: Side, port: int, ephemeral: Ports
) -> tuple[AclDenial, ...]:
    """Return which packets of TCP to ``port`` are dropped, there or on the way back to the ``ephemeral`` ports."""
    denials = [
        denial
        for source in near.ends
        for target in far.ends
        if source.subnet is None or source.subnet != target.subnet
        for denial in _hop(network, source, target, port, ephemeral)
    ]
    return tuple(dict.fromkeys(denials))


def outbound_denials(network: Network, subnets: Iterable[str]) -> tuple[AclDenial, ...]:
    """Return which packets of HTTPS from subnets to the internet are dropped, also behind their NAT gateway."""
    denials: list[AclDenial] = []
    for subnet in subnets:
        source, route = Side.of(network, [subnet]), default_route(network, subnet)
        nat = network.nats.get(route.target) if route and route.kind == "nat" else None
        if nat is None:
            denials += acl_denials(network, source, INTERNET, HTTPS, TASK_PORTS)
        else:
            # The subnet sees the internet's addresses; only behind the gateway they are the gateway's.
            gateway = Side(ends=(HopEnd(nat.subnet, ANYWHERE),))
            denials += acl_denials(network, source, gateway, HTTPS, TASK_PORTS)
            own = Side.of(network, [nat.subnet])
            denials += acl_denials(network, own, INTERNET, HTTPS, ELB_PORTS)
    return tuple(dict.fromkeys(denials))


def _hop(
    network: Network, source: HopEnd, target: HopEnd, port: int, ephemeral: Ports
) -> Iterator[AclDenial]:
    one = (port, port)
    for end, direction, peer, ports in (
        (source, "egress", target.network, one),
        (target, "ingress", source.network, one),
        (target, "egress", source.network, ephemeral),
        (source, "ingress", target.network, ephemeral),
    ):
        known = network.subnets.get(end.subnet or "")
        if known is None or known.acl is None:
            continue
        entries = known.acl.egress if direction == "egress" else known.acl.ingress
        for number in _dropped(entries, peer, ports):
            yield AclDenial(known.acl.id, known.id, direction, ports, peer, number)


def _dropped(entries: Sequence[AclEntry], peer: IPv4Network, ports: Ports) -> Iterator[int | None]:
    """Yield the number of the rule that drops packets between a subnet and a peer; None: no rule allows them.

    Of a subnet every address must pass. Of the internet one is enough, which must not be private: rules
    that keep some of it out are meant so.
    """
    for port in _edges(entries, ports):
        verdicts = list(_verdicts(entries, peer, port))
        if peer == ANYWHERE:
            verdicts = [verdict for verdict in verdicts if not verdict[0].is_private]
        denied = [number for _, allowed, number in verdicts if not allowed]
        if denied and (peer != ANYWHERE or len(denied) == len(verdicts)):
            yield denied[-1] if peer == ANYWHERE else denied[0]
            return


def _edges(entries: Sequence[AclEntry], ports: Ports) -> Iterator[int]:
    """Yield ports that stand for all: where the range begins, and where a rule begins or has just ended."""
    yield ports[0]
    for entry in entries:
        for edge in (entry.first, entry.last + 1):
            if ports[0] < edge <= ports[1]:
                yield edge


def _verdicts(
    entries: Sequence[AclEntry], peer: IPv4Network, port: int
) -> Iterator[tuple[IPv4Network, bool, int | None]]:
    """Yield the parts of the peer that a rule decides alike: allowed or not, and by which rule."""
    for index, entry in enumerate(entries):
        if not entry.first <= port <= entry.last:
            continue
        if peer.subnet_of(entry.network):
            yield peer, entry.allow, entry.number
            return
        if entry.network.subnet_of(peer):
            for half in peer.subnets():
                yield from _verdicts(entries[index:], half, port)
            return
    yield peer, False, None
