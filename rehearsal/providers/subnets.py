"""Where awsx puts each subnet of a VPC: its ``Auto`` strategy with masks that are given.

awsx cuts the VPC into blocks of ``availabilityZoneCidrMask``, one a zone, and lays each zone's subnets one after the
other, each at the next boundary of its own size (pulumi-awsx, ``awsx/ec2/subnetDistributorNew.ts``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """One subnet: its name, ``Public``, ``Private`` or ``Isolated``, its zone and its range."""

    name: str
    kind: str
    zone: str
    cidr: IPv4Network
    tags: Mapping[str, str]


def lay_out(
    vpc_name: str, zones: Mapping[str, IPv4Network], specs: Sequence[Mapping[str, Any]]
) -> list[Subnet]:
    """Every subnet, in the order in which awsx creates them; ``zones`` have each its block of the VPC.

    Raises ``ValueError`` when they do not fit.
    """
    placed: list[Subnet] = []
    for number, (zone, base) in enumerate(zones.items(), start=1):
        start = base.network_address
        for spec in specs:
            cidr = _next(start, int(spec["cidrMask"]))
            if not cidr.subnet_of(base):
                raise ValueError(f"subnet {_label(spec)} of {zone} does not fit into {base}")
            name = f"{vpc_name}-{_label(spec)}-{number}"
            tags = spec.get("tags") or {}
            placed.append(Subnet(name=name, kind=spec["type"], zone=zone, cidr=cidr, tags=tags))
            start = cidr.broadcast_address + 1
    return placed


def _label(spec: Mapping[str, Any]) -> str:
    return str(spec.get("name") or str(spec["type"]).lower())


def _next(start: IPv4Address, mask: int) -> IPv4Network:
    """The first range of that size which begins at ``start`` or after it."""
    size = 1 << (32 - mask)
    aligned = -(-int(start) // size) * size
    return IPv4Network((aligned, mask))
