"""Asks EC2 for the network: security groups, subnets with their routes, ways out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from typing import Any

from ops.aws import Session
from ops.snapshot.surroundings import (
    Acl,
    AclEntry,
    Endpoint,
    Group,
    Nat,
    Network,
    Permission,
    Route,
    Subnet,
)

ASKED = (
    ("describe_security_groups", "SecurityGroups", "Filters"),
    ("describe_subnets", "Subnets", "Filters"),
    ("describe_route_tables", "RouteTables", "Filters"),
    ("describe_nat_gateways", "NatGateways", "Filter"),
    ("describe_vpc_endpoints", "VpcEndpoints", "Filters"),
    ("describe_network_interfaces", "NetworkInterfaces", "Filters"),
    ("describe_network_acls", "NetworkAcls", "Filters"),
)
ALL_OR_TCP = ("-1", "6")
LAST_RULE = 32767
"""The number under which EC2 shows the rule "*", which denies what no other rule is about."""


def network(session: Session, vpc: str) -> Network:
    """The VPC's network. Raises AwsProblem."""
    chosen = [{"Name": "vpc-id", "Values": [vpc]}]

    def ask(operation: str, key: str, filters: str) -> list[Any]:
        return session.all("ec2", operation, key, **{filters: chosen})

    session.client("ec2")
    with ThreadPoolExecutor(len(ASKED)) as pool:
        asked = [pool.submit(ask, *each) for each in ASKED]
        groups, subnets, tables, nats, doors, interfaces, acls = (each.result() for each in asked)
    return Network(
        groups={each["GroupId"]: _group(each) for each in groups},
        subnets={each["SubnetId"]: _subnet(each, tables, acls) for each in subnets},
        nats={each["NatGatewayId"]: _nat(each) for each in nats},
        endpoints=tuple(_door(each) for each in doors if each["VpcEndpointType"] == "Interface"),
        interfaces={
            each["NetworkInterfaceId"]: (each.get("Association") or {}).get("PublicIp")
            for each in interfaces
        },
    )


def _group(raw: dict[str, Any]) -> Group:
    return Group(
        id=raw["GroupId"],
        name=raw["GroupName"],
        ingress=tuple(_permission(each) for each in raw.get("IpPermissions", ())),
        egress=tuple(_permission(each) for each in raw.get("IpPermissionsEgress", ())),
    )


def _permission(raw: dict[str, Any]) -> Permission:
    return Permission(
        protocol=raw["IpProtocol"],
        first=raw.get("FromPort"),
        last=raw.get("ToPort"),
        networks=tuple(
            IPv4Network(each["CidrIp"], strict=False) for each in raw.get("IpRanges", ())
        ),
        groups=tuple(each["GroupId"] for each in raw.get("UserIdGroupPairs", ())),
        prefix_lists=tuple(each["PrefixListId"] for each in raw.get("PrefixListIds", ())),
    )


def _subnet(
    raw: dict[str, Any], tables: Sequence[dict[str, Any]], acls: Sequence[dict[str, Any]]
) -> Subnet:
    identity = raw["SubnetId"]
    tags = {each["Key"]: each["Value"] for each in raw.get("Tags", ())}
    table = _table(identity, tables)
    return Subnet(
        id=identity,
        name=tags.get("Name", identity),
        network=IPv4Network(raw["CidrBlock"]),
        table=table.get("RouteTableId", ""),
        routes=tuple(
            _route(each) for each in table.get("Routes", ()) if each.get("DestinationCidrBlock")
        ),
        free=raw.get("AvailableIpAddressCount", 0),
        acl=next(
            (
                _acl(each)
                for each in acls
                if identity in [one["SubnetId"] for one in each.get("Associations", ())]
            ),
            None,
        ),
    )


def _acl(raw: dict[str, Any]) -> Acl:
    entries = sorted(raw["Entries"], key=lambda each: int(each["RuleNumber"]))
    found: dict[bool, list[AclEntry]] = {True: [], False: []}
    for each in entries:
        protocol, cidr = str(each["Protocol"]), each.get("CidrBlock")
        if cidr and protocol in ALL_OR_TCP and each["RuleNumber"] != LAST_RULE:
            ports = {"From": 0, "To": 65535} if protocol == "-1" else each["PortRange"]
            found[each["Egress"]].append(
                AclEntry(
                    number=each["RuleNumber"],
                    allow=each["RuleAction"] == "allow",
                    network=IPv4Network(cidr, strict=False),
                    first=ports["From"],
                    last=ports["To"],
                )
            )
    return Acl(id=raw["NetworkAclId"], ingress=tuple(found[False]), egress=tuple(found[True]))


def _table(subnet: str, tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The table that is associated with the subnet, or the VPC's main one."""
    main: dict[str, Any] = {}
    for table in tables:
        for each in table.get("Associations", ()):
            if each.get("SubnetId") == subnet:
                return table
            if each.get("Main"):
                main = table
    return main


def _route(raw: dict[str, Any]) -> Route:
    gateway = raw.get("GatewayId") or ""
    kind, target = "other", gateway
    if gateway == "local":
        kind = "local"
    elif raw.get("NatGatewayId"):
        kind, target = "nat", raw["NatGatewayId"]
    elif gateway.startswith("igw-"):
        kind = "igw"
    return Route(
        destination=IPv4Network(raw["DestinationCidrBlock"]),
        kind=kind,
        target=target,
        state=raw.get("State", "active"),
    )


def _nat(raw: dict[str, Any]) -> Nat:
    return Nat(
        id=raw["NatGatewayId"],
        state=raw["State"],
        subnet=raw.get("SubnetId", ""),
        failure=raw.get("FailureMessage", ""),
    )


def _door(raw: dict[str, Any]) -> Endpoint:
    return Endpoint(
        service=raw["ServiceName"],
        state=str(raw.get("State", "")).lower(),
        private_dns=bool(raw.get("PrivateDnsEnabled")),
        subnets=tuple(raw.get("SubnetIds", ())),
        groups=tuple(each["GroupId"] for each in raw.get("Groups", ())),
    )
