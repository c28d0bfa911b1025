"""The VPC: its keys and record, and the availability zones of each region."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network
from types import MappingProxyType

from i18n import t
from stack import rules
from stack.file import Reader
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
"""The zones that are available to every account, by region.

They are not read from AWS: a zone that AWS adds must not move a subnet. Regions whose zones differ
between accounts (us-east-1, us-west-1) are left out on purpose.
"""

VPC_CIDR = Key(
    "vpcCidr", "10.0.0.0/16", rules.private_range, "private CIDR range of the VPC, /16 to /19"
)
ZONE_COUNT = Key(
    "zoneCount",
    "2",
    rules.integer(2, 3, t(" (RDS and the load balancer need two)")),
    "number of availability zones, 2 or 3; a third one can be added and removed",
)
ZONES = Key(
    "zones",
    "",
    rules.names,
    "zone names, comma-separated; empty: the region's first `zoneCount`; a zone in use cannot be replaced",
)
NAT_STRATEGY = Key(
    "natStrategy",
    "single",
    rules.choice(("none", "single", "onePerAz")),
    "NAT gateways of the private subnets; with `none` tasks run in public subnets with a public IP",
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
    """Return the named zones, or else the region's first `count`.

    Raises ValueError for zones of another region, and for a region that is not in ZONE_LETTERS.
    """
    if names:
        return _named_zones(region, count, names)
    if region not in ZONE_LETTERS:
        raise ValueError(
            t(
                "the zones of {region} are unknown; set their names: "
                "`pulumi config set zones {region}a,{region}b`",
                region=region,
            )
        )
    letters = ZONE_LETTERS[region]
    if count > len(letters):
        raise ValueError(
            t(
                "{region} has {number} zones, not {count}; set a smaller number",
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
                    "{name} is not a zone of {region}; its zones are named like {region}a",
                    name=name,
                    region=region,
                )
            )
        if name[-1] not in ZONE_LETTERS.get(region, name[-1]):
            offered = ", ".join(region + letter for letter in ZONE_LETTERS[region])
            raise ValueError(
                t(
                    "{name} is not available to every account; {region} has {offered}",
                    name=name,
                    region=region,
                    offered=offered,
                )
            )
    if len(set(names)) < len(names):
        raise ValueError(t("{names} contains a zone twice; name each once", names=", ".join(names)))
    if len(names) != count:
        raise ValueError(
            t(
                "{names} has {number} zones, but zoneCount is {count}; make them equal",
                names=", ".join(names),
                number=len(names),
                count=count,
            )
        )
    return names
