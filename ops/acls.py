"""Network ACLs along a way, as AWS applies them: by number, each packet for itself, over a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from ops.reach import ANYWHERE, HTTPS, default_route
from ops.snapshot.surroundings import AclEntry, Network

Ports = tuple[int, int]
LINUX: Ports = (32768, 60999)
"""From where a task connects (VPC user guide, "Ephemeral ports")."""
WIDE: Ports = (1024, 65535)
"""From where load balancers and NAT gateways connect (the same)."""
CLIENTS: Ports = (32768, 65535)
"""From where people on the internet connect: Linux, macOS and Windows together (the same)."""


@dataclass(frozen=True)
class End:
    """One end of a hop: its subnet, None outside the VPC, and the addresses it has there."""

    subnet: str | None
    network: IPv4Network


@dataclass(frozen=True)
class Barred:
    """Packets that a network ACL drops: ``way`` is egress or ingress, seen from the subnet.

    ``number`` is the rule that denies them, None where no rule allows them.
    """

    acl: str
    subnet: str
    way: str
    ports: Ports
    peer: IPv4Network
    number: int | None


INTERNET = End(None, ANYWHERE)


def ends(network: Network, subnets: Iterable[str]) -> list[End]:
    """Subnets as the ends of a hop."""
    return [End(each, network.subnets[each].network) for each in subnets if each in network.subnets]


def between(
    network: Network, sources: Sequence[End], targets: Sequence[End], port: int, ephemeral: Ports
) -> tuple[Barred, ...]:
    """What is dropped of TCP to ``port``, there or on the way back to the ``ephemeral`` ports."""
    found = [
        each
        for source in sources
        for target in targets
        if source.subnet is None or source.subnet != target.subnet
        for each in _hop(network, source, target, port, ephemeral)
    ]
    return tuple(dict.fromkeys(found))


def way_out(network: Network, subnets: Iterable[str]) -> tuple[Barred, ...]:
    """What is dropped of HTTPS from subnets to the internet, through a NAT gateway where one leads."""
    found: list[Barred] = []
    for source in ends(network, subnets):
        route = default_route(network, source.subnet or "")
        nat = network.nats.get(route.target) if route and route.kind == "nat" else None
        if nat is None:
            found += between(network, [source], [INTERNET], HTTPS, LINUX)
        else:
            # The subnet sees the internet's addresses; only behind the gateway they are the gateway's.
            found += between(network, [source], [End(nat.subnet, ANYWHERE)], HTTPS, LINUX)
            found += between(network, ends(network, [nat.subnet]), [INTERNET], HTTPS, WIDE)
    return tuple(dict.fromkeys(found))


def _hop(
    network: Network, source: End, target: End, port: int, ephemeral: Ports
) -> Iterator[Barred]:
    one = (port, port)
    for end, way, peer, ports in (
        (source, "egress", target.network, one),
        (target, "ingress", source.network, one),
        (target, "egress", source.network, ephemeral),
        (source, "ingress", target.network, ephemeral),
    ):
        known = network.subnets.get(end.subnet or "")
        if known is None or known.acl is None:
            continue
        entries = known.acl.egress if way == "egress" else known.acl.ingress
        for number in _dropped(entries, peer, ports):
            yield Barred(known.acl.id, known.id, way, ports, peer, number)


def _dropped(entries: Sequence[AclEntry], peer: IPv4Network, ports: Ports) -> Iterator[int | None]:
    """The rule that drops packets, if they are.

    Of a subnet every address must pass. Of the internet one is enough, which must not be private: rules
    that keep some of it out are meant so.
    """
    for port in _edges(entries, ports):
        verdicts = list(_verdicts(entries, peer, port))
        if peer == ANYWHERE:
            verdicts = [each for each in verdicts if not each[0].is_private]
        denied = [number for _, allowed, number in verdicts if not allowed]
        if denied and (peer != ANYWHERE or len(denied) == len(verdicts)):
            yield denied[-1] if peer == ANYWHERE else denied[0]
            return


def _edges(entries: Sequence[AclEntry], ports: Ports) -> Iterator[int]:
    """Ports that stand for all: where the range begins, and where a rule begins or has just ended."""
    yield ports[0]
    for each in entries:
        for edge in (each.first, each.last + 1):
            if ports[0] < edge <= ports[1]:
                yield edge


def _verdicts(
    entries: Sequence[AclEntry], peer: IPv4Network, port: int
) -> Iterator[tuple[IPv4Network, bool, int | None]]:
    """Each part of the peer that is judged alike: allowed or not, and by which rule."""
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
