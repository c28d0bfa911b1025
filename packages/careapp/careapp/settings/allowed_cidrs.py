"""Who may reach the load balancer: addresses, ranges and prefix lists, each a rule of its security group."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

from careapp.settings import rules
from careapp.settings.rules import PRIVATE_RANGES, Change, Invalid, Key
from ecs_gate.facts.clients import EVERYONE, Allowed

PREFIX_LIST = re.compile(r"pl-[0-9a-f]{8}([0-9a-f]{9})?")

RULES_QUOTA = ("vpc", "L-0EA8095F")
"""Service and code of the quota of inbound rules of a security group, which can be raised."""
USUAL_RULES = 60
"""The default of RULES_QUOTA (VPC user guide, "Amazon VPC quotas")."""
WEIGHTS = {
    "cloudfront.origin-facing": 55,
    "dynamodb": 1,
    "ec2-instance-connect": 2,
    "groundstation": 5,
    "route53-healthchecks": 25,
    "s3": 1,
    "s3express": 6,
    "vpc-lattice": 10,
}
"""How many rules a prefix list of AWS counts for, by the end of its name (VPC user guide, "AWS-managed prefix list
weight"). A customer's own counts for its maximum number of entries (VPC user guide, "Amazon VPC quotas")."""


def weight(name: str, most_entries: int) -> int:
    """Return how many rules a prefix list counts for. ``most_entries`` is 0 for AWS's own.

    One of AWS's that is not in WEIGHTS counts as 1: too small a number is refused by EC2, too large a one only here.
    """
    return most_entries or next((WEIGHTS[end] for end in WEIGHTS if name.endswith(f".{end}")), 1)


def allowed(text: str) -> Allowed:
    """Return the clients of a comma-separated list."""
    entries = rules.names(text)
    if not entries:
        raise Invalid(
            "it names no network, so no client could reach the page; 0.0.0.0/0 is everyone"
        )
    networks = tuple(_network(entry) for entry in entries if not entry.startswith("pl-"))
    lists = tuple(_prefix_list(entry) for entry in entries if entry.startswith("pl-"))
    sources = Allowed(networks, lists)
    if sources.everyone and len(entries) > 1:
        raise Invalid(
            "0.0.0.0/0 is everyone, so the other entries have no effect; delete it, or them"
        )
    for index, client in enumerate((*networks, *lists)):
        if client in (*networks, *lists)[:index]:
            raise Invalid("{entry} is there twice; delete one", entry=str(client))
    for inner in networks:
        for outer in networks:
            if inner != outer and inner.subnet_of(outer):
                raise Invalid(
                    "{inner} is a part of {outer}, which allows it already; delete one of them",
                    inner=str(inner),
                    outer=str(outer),
                )
    return sources


def _prefix_list(text: str) -> str:
    if not PREFIX_LIST.fullmatch(text):
        raise Invalid(
            "{text!r} is not the ID of a prefix list like pl-0123456789abcdef0", text=text
        )
    return text


def _network(text: str) -> IPv4Network:
    """Return a network that a client on the internet can be in. Raises ValueError."""
    try:
        network = ip_network(text, strict=False)
    except ValueError as wrong:
        raise Invalid(
            "{text!r} is neither an address, nor a range like 203.0.113.0/24, nor the ID of a prefix list",
            text=text,
        ) from wrong
    if isinstance(network, IPv6Network):
        raise Invalid(
            "{text} is IPv6, and the load balancer has IPv4 addresses only, so no client comes from there; "
            "delete it",
            text=text,
        )
    if IPv4Address(text.partition("/")[0]) != network.network_address:
        raise Invalid(
            "{text} is not the first address of its range; write {network}, or {address} for that one alone",
            text=text,
            network=str(network),
            address=text.partition("/")[0],
        )
    if any(network.subnet_of(private) for private in PRIVATE_RANGES):
        raise Invalid(
            "{text} is private, and the load balancer sees a client's public address; write that, which "
            "`curl https://checkip.amazonaws.com` shows there",
            text=text,
        )
    return network


ALLOWED_CIDRS = Key(
    "allowedCidrs",
    str(EVERYONE),
    allowed,
    "who may reach the page: IPv4 addresses, ranges and IDs of prefix lists (`pl-…`), comma-separated; `0.0.0.0/0`: "
    "everyone",
    example="198.51.100.0/24,203.0.113.7",
    change=Change(
        "the rules of new entries are made before those of former ones are deleted, so the page stays reachable; both "
        "together must fit into the quota"
    ),
)
