"""The VPC: its keys and record, and which availability zones a region has, without asking AWS."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network
from types import MappingProxyType

from i18n import t
from stack import rules
from stack.reader import Reader
from stack.rules import Key

ZONE_LETTERS = MappingProxyType(
    {
        "ap-northeast-1": "acd",
        "ap-northeast-2": "abcd",
        "ap-northeast-3": "abc",
        "ap-southeast-1": "abc",
        "ap-southeast-2": "abc",
        "eu-central-1": "abc",
        "eu-west-1": "abc",
        "eu-west-2": "abc",
        "us-east-2": "abc",
        "us-west-2": "abcd",
    }
)
"""The zones that every account sees, by region.

A look-up would make the network depend on the day: a zone that AWS adds must not move a subnet.
Regions whose zones differ from account to account (us-east-1, us-west-1) are left out on purpose.
"""

VPC_CIDR = Key("vpcCidr", "10.0.0.0/16", rules.private_range, "the VPC's private range, /16 to /19")
ZONE_COUNT = Key(
    "zoneCount",
    "2",
    rules.integer(2, 3, t(" (RDS and the load balancer need two)")),
    "availability zones, 2 or 3; a third one may come and go",
)
ZONES = Key(
    "zones",
    "",
    rules.names,
    "the zones by name, comma-separated; empty takes the region's first `zoneCount`; one in use cannot be exchanged",
)
NAT_STRATEGY = Key(
    "natStrategy",
    "single",
    rules.choice(("none", "single", "onePerAz")),
    "way out of the private subnets; with `none` tasks run in public subnets with a public IP",
)


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The VPC's range, its zones by name, and the NAT strategy: none, single or onePerAz."""

    cidr: IPv4Network
    zones: tuple[str, ...]
    nat: str

    @classmethod
    def load(cls, read: Reader, region: str) -> NetworkSettings:
        count, names = read(ZONE_COUNT), read(ZONES)
        return cls(
            cidr=read(VPC_CIDR),
            zones=read.together(
                lambda: choose_zones(region, count, names),
                ZONES if names else ZONE_COUNT,
                otherwise=(),
            )
            if region
            else (),
            nat=read(NAT_STRATEGY),
        )


def choose_zones(region: str, count: int, names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The named zones, or else the region's first `count`.

    ValueError when they are not the region's, or when careapp cannot know the region's.
    """
    if names:
        return _named_zones(region, count, names)
    if region not in ZONE_LETTERS:
        raise ValueError(
            t(
                "the zones of {region} are not known here; name them: "
                "`pulumi config set zones {region}a,{region}b`",
                region=region,
            )
        )
    letters = ZONE_LETTERS[region]
    if count > len(letters):
        raise ValueError(
            t(
                "{count} zones are wanted, but {region} has {number}; want fewer",
                count=count,
                region=region,
                number=len(letters),
            )
        )
    return tuple(region + letter for letter in letters[:count])


def _named_zones(region: str, count: int, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not re.fullmatch(re.escape(region) + "[a-z]", name):
            raise ValueError(
                t(
                    "{name} is no zone of {region}; its zones are like {region}a",
                    name=name,
                    region=region,
                )
            )
        if name[-1] not in ZONE_LETTERS.get(region, name[-1]):
            offered = ", ".join(region + letter for letter in ZONE_LETTERS[region])
            raise ValueError(
                t(
                    "{name} is not open to every account; {region} has {offered}",
                    name=name,
                    region=region,
                    offered=offered,
                )
            )
    if len(set(names)) < len(names):
        raise ValueError(t("{names} names a zone twice; name each once", names=", ".join(names)))
    if len(names) != count:
        raise ValueError(
            t(
                "{names} is {number} but zoneCount is {count}; make them agree",
                names=", ".join(names),
                number=len(names),
                count=count,
            )
        )
    return names
