"""Network ACLs: the numbered rules of subnets, which know of no connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
TCP = ("6", "tcp", "-1")


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
        if self.protocol not in TCP or peer not in self.network:
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
