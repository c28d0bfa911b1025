"""The VPC: its keys and record, and the choice of its availability zones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from stack import rules
from stack.file import Reader
from stack.rules import Change, Key, value_of
from tools.i18n import t

FIXED = Change(
    "refused, protected or not, as AWS cannot change the range or a zone in use: "
    "[a subnet group cannot change its VPC](https://github.com/hashicorp/terraform-provider-aws/issues/27459). "
    "The output `kept` has the current values; for others `pulumi destroy` first",
)

VPC_CIDR = Key(
    "vpcCidr",
    "10.0.0.0/16",
    rules.private_range,
    "private CIDR range of the VPC, /16 to /19",
    example="10.1.0.0/16",
    change=FIXED,
)
ZONE_COUNT = Key(
    "zoneCount",
    "2",
    rules.Integer(2, 3, t(" (RDS and the load balancer need two)")),
    "number of availability zones",
    change=Change(
        "a third zone is added or removed, and the service replaces its tasks; the database is always in the "
        "first two",
        new_tasks=True,
    ),
)
ZONES = Key(
    "zones",
    "",
    rules.names,
    "zone names, comma-separated; empty: those that the stack has, of a new stack the account's "
    "first `zoneCount`",
    example="ap-northeast-1c,ap-northeast-1d",
    change=FIXED,
)
NAT_STRATEGY = Key(
    "natStrategy",
    "single",
    rules.Choice(("none", "single", "onePerAz")),
    "NAT gateways of the private subnets; with `none` tasks run in public subnets with a public IP",
    example="onePerAz",
    change=Change(
        "NAT gateways are added or deleted; to and from `none` the service replaces its tasks",
    ),
)


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The VPC's range, its zones, and the NAT strategy: none, single or onePerAz."""

    cidr: IPv4Network = value_of(VPC_CIDR)  # noqa: RUF009 - a field
    zone_count: int = value_of(ZONE_COUNT)
    zones: tuple[str, ...] = value_of(ZONES)
    """The zones that the stack file names; empty: ``choose_zones`` chooses them."""
    nat: str = value_of(NAT_STRATEGY)

    @classmethod
    def load(cls, read: Reader, region: str) -> NetworkSettings:
        count, names = read(ZONE_COUNT), read(ZONES)
        if region:
            read.check(lambda: check_zones(region, count, names), ZONES, ZONE_COUNT)
        return read.record(cls)


def choose_zones(
    network: NetworkSettings,
    region: str,
    kept: Sequence[str],
    offered: Callable[[], Sequence[str]],
) -> tuple[str, ...]:
    """Return the stack's zones: those that its file names, or else those that it has, ``kept``.

    ``offered`` asks AWS for the account's zones, which differ between accounts (EC2 user guide, "Regions and
    Zones"). It is called only for zones that the stack does not have yet: a zone that AWS adds or closes must
    not move a subnet. Raises ValueError for zones that are not offered.
    """
    zones = network.zones or tuple(kept[: network.zone_count])
    if len(zones) == network.zone_count and set(zones) <= set(kept):
        return zones
    there = sorted(offered())
    if missing := [name for name in zones if name not in there and name not in kept]:
        raise ValueError(
            t(
                "the account has no availability zone {zones} in {region}; it has {there}",
                zones=", ".join(missing),
                region=region,
                there=", ".join(there),
            )
        )
    added = [name for name in there if name not in zones][: network.zone_count - len(zones)]
    if len(zones) + len(added) < network.zone_count:
        raise ValueError(
            t(
                "the account has {count} availability zone in {region} ({there}), and zoneCount is "
                "{wanted}; set a smaller number, or another aws:region",
                "the account has {count} availability zones in {region} ({there}), and zoneCount is "
                "{wanted}; set a smaller number, or another aws:region",
                count=len(there),
                region=region,
                there=", ".join(there),
                wanted=network.zone_count,
            )
        )
    return (*zones, *added)


def check_zones(region: str, count: int, names: tuple[str, ...]) -> None:
    """Raise ValueError where a stack file names zones of another region, one twice, or another number."""
    for name in names:
        if not re.fullmatch(re.escape(region) + "[a-z]", name):
            raise ValueError(
                t(
                    "{name} is not a zone of {region}; its zones are named like {region}a",
                    name=name,
                    region=region,
                )
            )
    if len(set(names)) < len(names):
        raise ValueError(t("{names} contains a zone twice; name each once", names=", ".join(names)))
    if names and len(names) != count:
        raise ValueError(
            t(
                "{names} has {count} zone, but zoneCount is {wanted}; make them equal",
                "{names} has {count} zones, but zoneCount is {wanted}; make them equal",
                names=", ".join(names),
                count=len(names),
                wanted=count,
            )
        )
