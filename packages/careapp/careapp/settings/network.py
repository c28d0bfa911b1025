"""The VPC: its keys and record, and the choice of its availability zones."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import NamedTuple, Self

from careapp.settings import rules
from careapp.settings.file import Reader
from careapp.settings.rules import Change, Invalid, Key, value_of
from ecs_gate.text import t

COUNT = rules.Integer(2, 3, t(" (RDS and the load balancer need two)"))


class Zones(NamedTuple):
    """The number of zones, and their names; without, ``choose_zones`` chooses them."""

    number: int
    names: tuple[str, ...] = ()


def zones(text: str) -> Zones:
    """Return a number of zones, or zones by names like ap-northeast-1a."""
    names = rules.names(text) if "-" in text else ()
    return Zones(COUNT(str(len(names)) if names else text), names)


VPC_CIDR = Key(
    "vpcCidr",
    "10.0.0.0/16",
    rules.private_range,
    "private CIDR range of the VPC, /16 to /19",
    example="10.1.0.0/16",
    change=Change(
        "refused, protected or not: [a subnet group cannot change its VPC]"
        "(https://github.com/hashicorp/terraform-provider-aws/issues/27459). `pulumi destroy` first"
    ),
)
ZONES = Key(
    "zones",
    "2",
    zones,
    "number of availability zones, 2 or 3: those that the stack has, of a new stack the account's first; or their "
    "names, like `ap-northeast-1c,ap-northeast-1d`",
    example="3",
    change=Change(
        "a third zone is added or removed, and the service replaces its tasks; the database is always in the first "
        "two. Others than those in use (the output `kept`) are refused, protected or not: `pulumi destroy` first",
        new_tasks=True,
    ),
)
NAT_STRATEGY = Key(
    "natStrategy",
    "single",
    rules.Choice(("none", "single", "onePerAz")),
    "NAT gateways of the private subnets; with `none` tasks run in public subnets with a public IP",
    example="onePerAz",
    change=Change(
        "NAT gateways are added or deleted; to and from `none` the service replaces its tasks"
    ),
)


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The VPC's range, its zones, and the NAT strategy: none, single or onePerAz."""

    cidr: IPv4Network = value_of(VPC_CIDR)  # noqa: RUF009 - a field
    zones: Zones = value_of(ZONES)  # noqa: RUF009 - a field
    nat: str = value_of(NAT_STRATEGY)

    @classmethod
    def load(cls, read: Reader, region: str) -> Self:
        if region:
            read.check(lambda: check_zones(region, read(ZONES).names), ZONES)
        return read.record(cls)


def choose_zones(
    network: NetworkSettings, region: str, kept: Sequence[str], offered: Callable[[], Sequence[str]]
) -> tuple[str, ...]:
    """Return the stack's zones: those that its file names, or else those that it has, ``kept``.

    ``offered`` asks AWS for the account's zones, which differ between accounts (EC2 user guide, "Regions and
    Zones"). It is called only for zones that the stack does not have yet: a zone that AWS adds or closes must
    not move a subnet. Raises ValueError for zones that are not offered.
    """
    count, names = network.zones
    zones = names or tuple(kept[:count])
    if len(zones) == count and set(zones) <= set(kept):
        return zones
    there = sorted(offered())
    if missing := [name for name in zones if name not in there and name not in kept]:
        raise Invalid(
            "the account has no availability zone {zones} in {region}; it has {there}",
            zones=", ".join(missing),
            region=region,
            there=", ".join(there),
        )
    added = [name for name in there if name not in zones][: count - len(zones)]
    if len(zones) + len(added) < count:
        raise Invalid(
            "the account has {count} availability zone in {region} ({there}), and zones is "
            "{wanted}; set a smaller number, or another aws:region",
            "the account has {count} availability zones in {region} ({there}), and zones is "
            "{wanted}; set a smaller number, or another aws:region",
            count=len(there),
            region=region,
            there=", ".join(there),
            wanted=count,
        )
    return (*zones, *added)


def check_zones(region: str, names: tuple[str, ...]) -> None:
    """Raise ValueError where a stack file names zones of another region, or one twice."""
    for name in names:
        if not re.fullmatch(re.escape(region) + "[a-z]", name):
            raise Invalid(
                "{name} is not a zone of {region}; its zones are named like {region}a",
                name=name,
                region=region,
            )
    if len(set(names)) < len(names):
        raise Invalid("{names} contains a zone twice; name each once", names=", ".join(names))
