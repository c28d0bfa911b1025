"""The network as frozen records, and how it is read: security groups, subnets, routes, network ACLs."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from ecs_gate.aws.session import Session


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One security-group rule. Protocol "-1" is all traffic; its ports have no meaning."""

    protocol: str
    first: int | None = None
    last: int | None = None
    networks: tuple[IPv4Network, ...] = ()
    groups: tuple[str, ...] = ()
    prefix_lists: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    id: str
    name: str
    ingress: tuple[Permission, ...] = ()
    egress: tuple[Permission, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route: ``kind`` is local, nat, igw or other; ``state`` is active or blackhole."""

    destination: IPv4Network
    kind: str
    target: str
    state: str = "active"


@dataclass(frozen=True, kw_only=True)
class AclEntry:
    """A network ACL's rule for TCP, from port to port."""

    number: int
    allow: bool
    network: IPv4Network
    first: int = 0
    last: int = 65535


@dataclass(frozen=True, kw_only=True)
class Acl:
    """A network ACL's rules for TCP, ordered by number, without the last rule "*"."""

    id: str
    ingress: tuple[AclEntry, ...] = ()
    egress: tuple[AclEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """A subnet with its zone, its routes and its network ACL.

    ``other_association`` is that with a route table of another name; "" with its own.
    """

    id: str
    name: str
    network: IPv4Network
    zone: str = ""
    table: str = ""
    other_association: str = ""
    routes: tuple[Route, ...] = ()
    acl: Acl | None = None


@dataclass(frozen=True, kw_only=True)
class Nat:
    id: str
    state: str
    subnet: str
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A VPC endpoint. A gateway has no private DNS, but route ``tables``."""

    service: str
    state: str
    private_dns: bool
    subnets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Network:
    """The VPC; ``dns`` is enableDnsSupport, ``hostnames`` enableDnsHostnames."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    nats: Mapping[str, Nat] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    dns: bool = True
    hostnames: bool = True

    def lacks(self, subnets: Collection[str]) -> bool:
        """Return whether these subnets are another VPC's, as those of a database behind a peering connection."""
        return bool(subnets) and not {*subnets} & {*self.subnets}


ASKED = (
    ("describe_security_groups", "SecurityGroups", "Filters"),
    ("describe_subnets", "Subnets", "Filters"),
    ("describe_route_tables", "RouteTables", "Filters"),
    ("describe_nat_gateways", "NatGateways", "Filter"),
    ("describe_vpc_endpoints", "VpcEndpoints", "Filters"),
    ("describe_network_acls", "NetworkAcls", "Filters"),
)

ALL_OR_TCP = ("-1", "6")

LAST_RULE = 32767
"""The number under which EC2 shows the rule "*", which denies what no other rule is about."""


def network(session: Session, vpc: str) -> Network:
    """Return the VPC's network. Raises AwsProblem."""
    chosen = [{"Name": "vpc-id", "Values": [vpc]}]

    def ask(operation: str, key: str, filters: str) -> list[Any]:
        return session.all("ec2", operation, key, **{filters: chosen})

    session.client("ec2")
    with ThreadPoolExecutor(len(ASKED) + 2) as pool:
        dns, hostnames = (
            pool.submit(_has, session, vpc, each) for each in ("DnsSupport", "DnsHostnames")
        )
        futures = [pool.submit(ask, *question) for question in ASKED]
        groups, subnets, tables, nats, endpoints, acls = (future.result() for future in futures)
    return Network(
        groups={group["GroupId"]: _group(group) for group in groups},
        # One of IPv6 alone has none of the addresses that are judged.
        subnets={
            subnet["SubnetId"]: _subnet(subnet, tables, acls)
            for subnet in subnets
            if subnet.get("CidrBlock")
        },
        nats={nat["NatGatewayId"]: _nat(nat) for nat in nats},
        endpoints=tuple(map(_endpoint, endpoints)),
        dns=dns.result(),
        hostnames=hostnames.result(),
    )


def network_of(session: Session, subnets: Sequence[str]) -> Network | None:
    """Return the network of the VPC that subnets are in; None without one. Raises AwsProblem."""
    if not subnets:  # EC2 would tell of all.
        return None
    known = session.all("ec2", "describe_subnets", "Subnets", SubnetIds=list(subnets)[:1])
    return network(session, known[0]["VpcId"]) if known else None


def _has(session: Session, vpc: str, name: str) -> bool:
    attribute = {"VpcId": vpc, "Attribute": f"enable{name}"}
    answer = session.call("ec2", "describe_vpc_attribute", **attribute)
    return bool(answer[f"Enable{name}"]["Value"])


def _group(raw: dict[str, Any]) -> Group:
    return Group(
        id=raw["GroupId"],
        name=raw["GroupName"],
        ingress=tuple(_permission(permission) for permission in raw.get("IpPermissions", ())),
        egress=tuple(_permission(permission) for permission in raw.get("IpPermissionsEgress", ())),
    )


def _permission(raw: dict[str, Any]) -> Permission:
    return Permission(
        protocol=raw["IpProtocol"],
        first=raw.get("FromPort"),
        last=raw.get("ToPort"),
        networks=tuple(
            IPv4Network(span["CidrIp"], strict=False) for span in raw.get("IpRanges", ())
        ),
        groups=tuple(pair["GroupId"] for pair in raw.get("UserIdGroupPairs", ())),
        prefix_lists=tuple(entry["PrefixListId"] for entry in raw.get("PrefixListIds", ())),
    )


def _subnet(
    raw: dict[str, Any], tables: Sequence[dict[str, Any]], acls: Sequence[dict[str, Any]]
) -> Subnet:
    identity = raw["SubnetId"]
    name, table = _name(raw), _table(identity, tables)
    associations = table.get("Associations", ()) if _name(table) != name else ()
    return Subnet(
        id=identity,
        name=name or identity,
        network=IPv4Network(raw["CidrBlock"]),
        zone=raw.get("AvailabilityZone", ""),
        table=table.get("RouteTableId", ""),
        other_association="".join(
            association["RouteTableAssociationId"]
            for association in associations
            if association.get("SubnetId") == identity
        ),
        routes=tuple(
            _route(route) for route in table.get("Routes", ()) if route.get("DestinationCidrBlock")
        ),
        acl=next(
            (
                _acl(acl)
                for acl in acls
                if identity in [one["SubnetId"] for one in acl.get("Associations", ())]
            ),
            None,
        ),
    )


def _name(raw: dict[str, Any]) -> str:
    return next((tag["Value"] for tag in raw.get("Tags", ()) if tag["Key"] == "Name"), "")


def _acl(raw: dict[str, Any]) -> Acl:
    entries = sorted(raw["Entries"], key=lambda entry: int(entry["RuleNumber"]))
    by_direction: dict[bool, list[AclEntry]] = {True: [], False: []}
    for entry in entries:
        protocol, cidr = str(entry["Protocol"]), entry.get("CidrBlock")
        if cidr and protocol in ALL_OR_TCP and entry["RuleNumber"] != LAST_RULE:
            ports = {"From": 0, "To": 65535} if protocol == "-1" else entry["PortRange"]
            by_direction[entry["Egress"]].append(
                AclEntry(
                    number=entry["RuleNumber"],
                    allow=entry["RuleAction"] == "allow",
                    network=IPv4Network(cidr, strict=False),
                    first=ports["From"],
                    last=ports["To"],
                )
            )
    return Acl(
        id=raw["NetworkAclId"], ingress=tuple(by_direction[False]), egress=tuple(by_direction[True])
    )


def _table(subnet: str, tables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the subnet's own route table, or else the VPC's main one."""
    pairs = [(each, table) for table in tables for each in table.get("Associations", ())]
    own = [table for association, table in pairs if association.get("SubnetId") == subnet]
    return next(iter([*own, *(table for each, table in pairs if each.get("Main"))]), {})


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


def _endpoint(raw: dict[str, Any]) -> Endpoint:
    return Endpoint(
        service=raw["ServiceName"],
        state=str(raw.get("State", "")).lower(),
        private_dns=bool(raw.get("PrivateDnsEnabled")) and raw["VpcEndpointType"] == "Interface",
        subnets=tuple(raw.get("SubnetIds", ())),
        groups=tuple(group["GroupId"] for group in raw.get("Groups", ())),
        tables=tuple(raw.get("RouteTableIds", ())),
    )
