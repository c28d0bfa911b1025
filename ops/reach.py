"""Who reaches whom: security groups and routes as AWS applies them, over a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from ops.snapshot.surroundings import Group, Network, Permission, Route

ANYWHERE = IPv4Network("0.0.0.0/0")
HTTPS = 443


@dataclass(frozen=True)
class Side:
    """One end of a connection: its security groups, and the addresses it may have."""

    groups: tuple[str, ...]
    networks: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True)
class Closed:
    """A rule that is missing: ``way`` is egress or ingress, ``group`` the id it is missing in."""

    way: str
    group: str


def closed(network: Network, source: Side, target: Side, port: int) -> tuple[Closed, ...]:
    """What the security groups lack for TCP from ``source`` to ``target``; () where all is open."""
    missing = []
    if source.groups and not _open(network, source.groups, "egress", target, port):
        missing.append(Closed("egress", source.groups[0]))
    if target.groups and not _open(network, target.groups, "ingress", source, port):
        missing.append(Closed("ingress", target.groups[0]))
    return tuple(missing)


def _open(network: Network, ids: Iterable[str], way: str, peer: Side, port: int) -> bool:
    for group in (network.groups.get(each, Group(id=each, name=each)) for each in ids):
        rules = group.egress if way == "egress" else group.ingress
        if any(covers(rule, peer, port) for rule in rules):
            return True
    return False


def covers(rule: Permission, peer: Side, port: int) -> bool:
    """Whether a rule lets TCP to ``port`` through for all of the peer's addresses.

    A prefix list is taken to hold the peer: what is in it was not looked up, and a false alarm costs
    more than a missed one here.
    """
    if not _carries(rule, port):
        return False
    if set(rule.groups) & set(peer.groups) or rule.prefix_lists:
        return True
    return bool(peer.networks) and all(
        any(each.subnet_of(allowed) for allowed in rule.networks) for each in peer.networks
    )


def _carries(rule: Permission, port: int) -> bool:
    if rule.protocol not in ("-1", "tcp", "6"):
        return False
    return rule.protocol == "-1" or (rule.first or 0) <= port <= (rule.last or 0)


def lets_in(network: Network, ids: Iterable[str], port: int) -> bool:
    """Whether a rule of the security groups lets anybody at all in by TCP to ``port``, over IPv4."""
    return any(
        _carries(rule, port) and (rule.networks or rule.groups or rule.prefix_lists)
        for group in ids
        if group in network.groups
        for rule in network.groups[group].ingress
    )


@dataclass(frozen=True)
class Dead:
    """A subnet from which nothing reaches the internet.

    ``why`` is no-route, blackhole, nat-missing, nat-state, nat-private or no-public-ip; ``target`` is what
    its default route names.
    """

    subnet: str
    why: str
    target: str = ""


def ways_out(network: Network, subnets: Sequence[str], public: bool) -> tuple[Dead, ...]:
    """The subnets of these that do not lead to the internet; ``public`` is for tasks with a public IP."""
    found = (_way_out(network, each, public) for each in subnets)
    return tuple(each for each in found if each is not None)


def _way_out(network: Network, subnet: str, public: bool) -> Dead | None:
    route = default_route(network, subnet)
    if route is None:
        return Dead(subnet, "no-route")
    if route.state == "blackhole":
        return Dead(subnet, "blackhole", route.target)
    if route.kind == "igw":
        return None if public else Dead(subnet, "no-public-ip", route.target)
    if route.kind == "nat":
        return _nat(network, subnet, route.target)
    return None


def _nat(network: Network, subnet: str, gateway: str) -> Dead | None:
    nat = network.nats.get(gateway)
    if nat is None:
        return Dead(subnet, "nat-missing", gateway)
    if nat.state != "available":
        return Dead(subnet, "nat-state", gateway)
    beyond = default_route(network, nat.subnet)
    if beyond is None or beyond.kind != "igw":
        return Dead(subnet, "nat-private", gateway)
    return None


def default_route(network: Network, subnet: str) -> Route | None:
    """The subnet's route to everywhere."""
    known = network.subnets.get(subnet)
    routes = known.routes if known else ()
    return next((each for each in routes if each.destination == ANYWHERE), None)


def has_door(network: Network, subnets: Sequence[str], groups: Sequence[str], service: str) -> bool:
    """Whether an interface endpoint leads to an AWS service, e.g. ``ecr.api``, and lets these in."""
    source = Side(tuple(groups), addresses(network, subnets))
    for door in network.endpoints:
        if not (door.service.endswith(f".{service}") and door.private_dns):
            continue
        target = Side(door.groups, addresses(network, door.subnets))
        if door.state == "available" and not closed(network, source, target, HTTPS):
            return True
    return False


def addresses(network: Network, subnets: Iterable[str]) -> tuple[IPv4Network, ...]:
    """The ranges of subnets."""
    return tuple(network.subnets[each].network for each in subnets if each in network.subnets)
