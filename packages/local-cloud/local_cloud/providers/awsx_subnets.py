"""Where awsx places the subnets of ``awsx:ec2:Vpc`` (pulumi-awsx 3.11, ``awsx/ec2/subnetDistributor*.ts``).

It divides the VPC into blocks, one per zone. By the strategy Auto the subnets follow each other in a block, each from
the next boundary of its size. By Legacy, the default, private ones come first, then public and isolated ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

Spec = Mapping[str, Any]
USUAL = {"private": 19, "public": 20, "isolated": 24}
"""The masks of subnets of the strategy Legacy, in its order, unless they are larger than half of a zone's block."""


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """One subnet. ``kind`` is ``Public``, ``Private`` or ``Isolated``."""

    name: str
    kind: str
    zone: str
    cidr: IPv4Network
    tags: Mapping[str, str]


def lay_out(name: str, zones: Sequence[str], args: Mapping[str, Any]) -> list[Subnet]:
    """Return the subnets of a VPC with this name and these arguments, zone by zone.

    Raises ``ValueError`` when they do not fit, and for a strategy that is not known.
    """
    strategy = args.get("subnetStrategy") or "Legacy"
    if strategy not in ("Auto", "Legacy"):
        raise ValueError(f"subnetStrategy: {strategy!r} is none of ['Auto', 'Legacy']")
    cidr = IPv4Network(args["cidrBlock"])
    mask = cidr.prefixlen + (len(zones) - 1).bit_length()
    if strategy == "Auto":
        mask = int(args.get("availabilityZoneCidrMask") or mask)
    bases = list(cidr.subnets(new_prefix=mask))
    if len(bases) < len(zones):
        raise ValueError(f"{cidr} has {len(bases)} blocks of /{mask}, not one for each of {zones}")
    specs = args.get("subnetSpecs") or _usual(mask)
    placed: list[Subnet] = []
    for index, (zone, base) in enumerate(zip(zones, bases, strict=False)):
        if any("cidrBlocks" in spec for spec in specs):
            blocks = _given(specs, index, len(zones))
        else:
            blocks = _legacy(base, specs) if strategy == "Legacy" else _auto(base, specs)
        for spec, block in blocks:
            full, tags = f"{name}-{_label(spec)}-{index + 1}", spec.get("tags") or {}
            placed.append(Subnet(name=full, kind=spec["type"], zone=zone, cidr=block, tags=tags))
    return placed


def mask_of(spec: Spec) -> int | None:
    """Return the mask that a program gives a subnet, also by its number of addresses.

    Raises ``ValueError`` for a size that no subnet has, and for one that is not its mask's.
    """
    mask, size = (int(spec.get(name) or 0) for name in ("cidrMask", "size"))
    of_size = 33 - size.bit_length()
    if size and (size & (size - 1) or mask not in (0, of_size)):
        raise ValueError(f"subnet {_label(spec)} cannot have the size {size}")
    return mask or (of_size if size else None)


def _usual(mask: int) -> list[Spec]:
    """Return a private and a public subnet, of which no one is larger than the half of a /16."""
    largest = max(mask, 16) + 1
    return [
        {"type": "Private", "cidrMask": largest},
        {"type": "Public", "cidrMask": largest + 1},
    ]


def _given(specs: Sequence[Spec], index: int, zones: int) -> Iterator[tuple[Spec, IPv4Network]]:
    for spec in specs:
        blocks = spec.get("cidrBlocks") or []
        if len(blocks) != zones:
            raise ValueError(
                f"subnet {_label(spec)} has {len(blocks)} cidrBlocks, not one per zone"
            )
        yield spec, IPv4Network(blocks[index])


def _auto(base: IPv4Network, specs: Sequence[Spec]) -> Iterator[tuple[Spec, IPv4Network]]:
    start, usual = base.network_address, base.prefixlen + (len(specs) - 1).bit_length()
    for spec in specs:
        block = _next(start, mask_of(spec) or usual)
        if not block.subnet_of(base):
            raise ValueError(f"subnet {_label(spec)} does not fit into its zone's {base}")
        start = block.broadcast_address + 1
        if spec["type"] != "Unused":
            yield spec, block


def _legacy(base: IPv4Network, specs: Sequence[Spec]) -> Iterator[tuple[Spec, IPv4Network]]:
    """Yield each kind's subnets as if they began after the kind before; one that overlaps comes after the last.

    What does not fit into the zone's block is EC2's to refuse.
    """
    last: IPv4Network | None = None
    for kind, usual in USUAL.items():
        start = last.broadcast_address + 1 if last else base.network_address
        for number, spec in enumerate(each for each in specs if each["type"].lower() == kind):
            mask = mask_of(spec) or max(base.prefixlen + (len(specs) > 1), usual)
            block = IPv4Network((int(start) + (number << (32 - mask)), mask), strict=False)
            if last and block.overlaps(last):
                block = _next(last.broadcast_address + 1, mask)
            last = block
            yield spec, block


def _label(spec: Spec) -> str:
    return str(spec.get("name") or str(spec["type"]).lower())


def _next(start: IPv4Address, mask: int) -> IPv4Network:
    """Return the first aligned range of this size at or after ``start``."""
    size = 1 << (32 - mask)
    aligned = -(-int(start) // size) * size
    return IPv4Network((aligned, mask))
