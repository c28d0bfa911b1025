"""Reads the declared network from moto's EC2 state, and creates the network interfaces of tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.ec2 import firewall
from local_cloud.aws.ec2.firewall import Endpoint, Group, Map, Route, Rule, allows

RESERVED_FIRST = 4
"""AWS reserves a subnet's first four addresses and its last one."""


class NoAddressLeft(Exception):
    """The subnet has no free address. The text names it."""


def read_map() -> Map:
    """Return the network as it is declared now."""
    with hooks.LOCK:
        return _map(hooks.backend("ec2"), hooks.registry.changes["ec2"])


@lru_cache(maxsize=1)
def _map(ec2: Any, _changes: int) -> Map:
    """Read the network after so many changes: each health check and each request asks for it."""
    groups = {
        str(group.id): Group(
            ingress=tuple(_rule(ec2, rule) for rule in group.ingress_rules),
            egress=tuple(_rule(ec2, rule) for rule in group.egress_rules),
        )
        for group in ec2.describe_security_groups()
    }
    subnets = {str(subnet.id): subnet for subnet in ec2.describe_subnets()}
    routes = {key: _routes(ec2, subnet) for key, subnet in subnets.items()}
    networks = {key: subnet.cidr for key, subnet in subnets.items()}
    return Map(groups, routes, networks, firewall.read(ec2), _without_dns(ec2, subnets))


def _without_dns(ec2: Any, subnets: Mapping[str, Any]) -> dict[str, IPv4Address]:
    """Return the resolver's address, the VPC's base plus two, for the subnets of VPCs with enableDnsSupport false.

    No query to it succeeds then (EC2 API reference, ModifyVpcAttribute).
    """
    vpcs = {key: ec2.get_vpc(subnet.vpc_id) for key, subnet in subnets.items()}
    return {
        key: IPv4Network(vpc.cidr_block).network_address + 2
        for key, vpc in vpcs.items()
        # moto stores what ModifyVpcAttribute sent, which is text.
        if str(vpc.enable_dns_support).lower() != "true"
    }


def _rule(ec2: Any, rule: Any) -> Rule:
    cidr, group = rule.ip_range.get("CidrIp"), rule.source_group.get("GroupId")
    return Rule(
        protocol=str(rule.ip_protocol),
        ports=None if rule.from_port is None else (int(rule.from_port), int(rule.to_port)),
        networks=(IPv4Network(cidr),) if cidr else _listed(ec2, rule.prefix_list_id),
        groups=frozenset({group} if group else ()),
    )


def _listed(ec2: Any, prefix_list: str | None) -> tuple[IPv4Network, ...]:
    """Return the networks of a prefix list, of its newest version."""
    known = ec2.managed_prefix_lists.get(prefix_list)
    if known is None or known.address_family != "IPv4":
        return ()
    entries = list(known.entries.values())[-1] if known.entries else ()
    return tuple(IPv4Network(entry["Cidr"]) for entry in entries)


def _routes(ec2: Any, subnet: Any) -> tuple[Route, ...]:
    return tuple(
        Route(destination, _kind(ec2, route), _nat(ec2, route))
        for route in _table(ec2, subnet).routes
        for destination in _destinations(ec2, route)
    )


def _destinations(ec2: Any, route: Any) -> tuple[IPv4Network, ...]:
    if route.destination_cidr_block:
        return (IPv4Network(route.destination_cidr_block),)
    return _listed(ec2, route.destination_prefix_list_id)


def _nat(ec2: Any, route: Any) -> Endpoint | None:
    gateway = route.nat_gateway and ec2.nat_gateways.get(route.nat_gateway.id)
    if not gateway:
        return None
    return _node(ec2.get_subnet(gateway.subnet_id))


def _table(ec2: Any, subnet: Any) -> Any:
    mine = [table for table in ec2.route_tables.values() if table.vpc_id == subnet.vpc_id]
    for table in mine:
        if subnet.id in table._associations.values():
            return table
    return next(table for table in mine if table.main_association_id)


def _kind(ec2: Any, route: Any) -> str:
    if route.local:
        return "local"
    if route.nat_gateway is not None:
        gateway = ec2.nat_gateways.get(route.nat_gateway.id)
        alive = gateway is not None and gateway.state == "available"
        return "nat" if alive and _public(ec2, gateway.subnet_id) else "blackhole"
    if route.gateway is not None and route.gateway.id in ec2.internet_gateways:
        return "igw"
    if route.gateway is not None and route.gateway.id in ec2.vpc_end_points:
        return "endpoint"
    return "blackhole"


def _public(ec2: Any, subnet_id: str) -> bool:
    """Return whether the subnet has a route to an internet gateway, which a NAT gateway needs."""
    return any(
        route.gateway is not None and str(route.gateway.id).startswith("igw-")
        for route in _table(ec2, ec2.get_subnet(subnet_id)).routes
        if route.destination_cidr_block == "0.0.0.0/0"
    )


def attach(subnet_id: str, group_ids: Sequence[str], public: bool, words: str) -> Any:
    """Create a network interface with a free address of the subnet, without groups in its VPC's default one.

    Raises NoAddressLeft.
    """
    with hooks.LOCK:
        ec2 = hooks.backend("ec2")
        subnet = ec2.get_subnet(subnet_id)
        interface = ec2.create_network_interface(
            subnet,
            str(free_address(ec2, subnet)),
            group_ids=list(group_ids) or [ec2.get_default_security_group(subnet.vpc_id).id],
            description=words,
            delete_on_termination=True,
        )
        interface.status, interface.requester_managed = "in-use", True
        if public:
            interface.public_ip = f"198.51.100.{1 + len(ec2.enis) % 254}"
        return interface


def free_address(ec2: Any, subnet: Any) -> IPv4Address:
    """Return the first free address after the last one used, so that an address is not reused at once."""
    taken = {interface.private_ip_address for interface in ec2.enis.values()}
    taken |= {str(each) for subnet in ec2.describe_subnets() for each in subnet._subnet_ips}
    first = int(subnet.cidr.network_address) + RESERVED_FIRST
    count = int(subnet.cidr.broadcast_address) - first
    after = _last_given.get(subnet.id, -1) + 1
    for offset in range(count):
        place = (after + offset) % count
        if str(IPv4Address(first + place)) not in taken:
            _last_given[subnet.id] = place
            return IPv4Address(first + place)
    raise NoAddressLeft(f"subnet {subnet.id} ({subnet.cidr}) has no free address left")


_last_given: dict[str, int] = {}


def detach(interface_id: str) -> None:
    """Delete a network interface. It may have been deleted already."""
    with hooks.LOCK:
        hooks.backend("ec2").enis.pop(interface_id, None)


def endpoint_of(interface: Any) -> Endpoint:
    """Return a network interface as an end of connections."""
    return Endpoint(
        address=IPv4Address(interface.private_ip_address),
        groups=frozenset(str(group.id) for group in interface._group_set),
        subnet=str(interface.subnet.id),
        public=interface.public_ip is not None,
    )


def load_balancer_endpoints(balancer: Any) -> list[Endpoint]:
    """Return a load balancer's nodes, one per subnet; each stands for any address of its subnet."""
    groups = frozenset(str(group) for group in balancer.security_groups or ())
    public = balancer.scheme != "internal"  # The default is internet-facing.
    return [replace(_node(subnet), groups=groups, public=public) for subnet in balancer.subnets]


def _node(subnet: Any) -> Endpoint:
    """Return a node of AWS's own in a subnet, without groups."""
    address = subnet.cidr.network_address + RESERVED_FIRST
    return Endpoint(address=address, subnet=str(subnet.id), ephemeral=firewall.WIDE)


def database_endpoint(instance: Any) -> Endpoint:
    """Return a DB instance's network interface, in the first subnet of its group."""
    group = hooks.backend("rds").subnet_groups.get(instance._db_subnet_group_name or "")
    subnets = list(group._subnets) if group is not None else []
    address = subnets[0].cidr.network_address + RESERVED_FIRST if subnets else IPv4Address(0)
    return Endpoint(
        address=address,
        groups=frozenset(str(each) for each in instance.vpc_security_group_ids),
        subnet=str(subnets[0].id) if subnets else None,
        public=bool(instance.publicly_accessible),
    )


def reaches(network: Map, source: Endpoint, service: str) -> bool:
    """Return whether ``source`` resolves an AWS API's name and reaches it at each of its addresses."""
    if source.subnet in network.without_dns:
        return False
    return all(allows(network, source, place, 443) for place in api_places(source, service))


def api_places(source: Endpoint, service: str) -> list[Endpoint]:
    """Return to where an AWS API's name leads in the source's VPC.

    Where the VPC has an interface endpoint with private DNS for the service, the name leads to it alone, whatever
    other routes there are (AWS PrivateLink guide, "Private DNS").
    """
    return _private_places(source, service) or [_public_place(service)]


def _public_place(service: str) -> Endpoint:
    """Return an address of the service on the internet; of S3 one in AWS's prefix list."""
    if service != "s3":
        return Endpoint(address=IPv4Address("198.18.0.1"))
    with hooks.LOCK:
        lists = hooks.backend("ec2").managed_prefix_lists.values()
        [entry, *_] = next(e for e in lists if str(e.prefix_list_name).endswith(".s3")).entries[1]
    return Endpoint(address=IPv4Network(entry["Cidr"]).network_address)


def _private_places(source: Endpoint, service: str) -> list[Endpoint]:
    """Return the interfaces of the service's endpoint in the source's VPC; none where its private DNS does not work.

    That needs the VPC's enableDnsHostnames, too (AWS PrivateLink guide, "Private DNS").
    """
    with hooks.LOCK:
        ec2 = hooks.backend("ec2")
        vpc = ec2.get_subnet(source.subnet).vpc_id if source.subnet else ""
        return [
            endpoint_of(ec2.enis[interface])
            for door in ec2.vpc_end_points.values()
            if door.vpc_id == vpc
            and str(door.service_name).endswith(f".{service}")
            and str(door.private_dns_enabled).lower() == "true"
            and str(door.state).lower() == "available"
            and str(ec2.get_vpc(vpc).enable_dns_hostnames).lower() == "true"
            for interface in door.network_interface_ids
        ]
