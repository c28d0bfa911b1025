"""The VPC's keys and record."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from i18n import t
from infra.settings import rules, zones
from infra.settings.key import Key
from infra.settings.reader import Reader

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
                lambda: zones.choose(region, count, names),
                ZONES if names else ZONE_COUNT,
                otherwise=(),
            )
            if region
            else (),
            nat=read(NAT_STRATEGY),
        )
