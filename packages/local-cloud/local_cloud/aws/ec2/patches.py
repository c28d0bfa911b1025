"""Replaces parts of moto's EC2: what it makes and describes otherwise than AWS."""

from inspect import signature
from ipaddress import ip_network
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models.instances import Instance
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.models.vpcs import VPC

_create_default_vpc = EC2Backend.create_default_vpc
_create_route = EC2Backend.create_route
_make_rule = SecurityGroupRule.__init__


def install() -> None:
    """Replace properties of moto's classes. A second call changes nothing."""
    EC2Backend.create_default_vpc = _default_vpc  # type: ignore[method-assign,assignment]
    EC2Backend.create_route = _new_route  # type: ignore[method-assign,assignment]
    Instance.security_groups = property(_groups, _set_groups)  # type: ignore[assignment]
    SecurityGroupRule.__init__ = _new_rule  # type: ignore[method-assign,assignment]
    SecurityGroupRule.description = property(_description)  # type: ignore[assignment]
    SecurityGroupRule.__eq__ = _same_rule  # type: ignore[method-assign]


def _default_vpc(ec2: EC2Backend) -> VPC:
    """Create the default VPC with an internet gateway, to which its main route table leads; moto has neither.

    VPC user guide, "Default VPC components".
    """
    vpc = _create_default_vpc(ec2)
    gateway = ec2.create_internet_gateway()
    ec2.attach_internet_gateway(gateway.id, vpc.id)
    tables = ec2.route_tables.values()
    [main] = [table for table in tables if table.vpc_id == vpc.id and table.main_association_id]
    ec2.create_route(main.id, "0.0.0.0/0", gateway_id=gateway.id)
    return vpc


def _new_route(
    ec2: EC2Backend,
    route_table_id: str,
    destination_cidr_block: str | None = None,
    *args: Any,
    **named: Any,
) -> Any:
    """Create a route without bits of a network's host (API reference, CreateRoute, DestinationCidrBlock)."""
    network = destination_cidr_block and str(ip_network(destination_cidr_block, strict=False))
    return _create_route(ec2, route_table_id, network, *args, **named)


def _groups(instance: Instance) -> Any:
    """Return the security groups of the primary interface, which are those of the instance (EC2, Instance)."""
    held = vars(instance)
    primary = held.get("nics", {}).get(0)
    return held["launched with"] if primary is None else primary._group_set


def _set_groups(instance: Instance, groups: Any) -> None:
    held = vars(instance)
    held["launched with"] = groups
    primary = held.get("nics", {}).get(0)
    if primary is not None:
        primary._group_set = list(groups)


def _new_rule(rule: SecurityGroupRule, *args: Any, **named: Any) -> None:
    """Keep the description of a rule for a prefix list, which moto drops, and clear bits of a network's host."""
    _make_rule(rule, *args, **named)
    for family in {"CidrIp", "CidrIpv6"} & rule.ip_range.keys():
        rule.ip_range[family] = str(ip_network(rule.ip_range[family], strict=False))
    listed = dict(zip(RULE_ARGUMENTS, args, strict=False)) | named
    words = (listed.get("prefix_list_id") or {}).get("Description")
    if words:
        rule.ip_range["Description"] = words


RULE_ARGUMENTS = tuple(signature(_make_rule).parameters)[1:]


def _description(rule: SecurityGroupRule) -> str | None:
    """Return a rule's description, which moto keeps with the network or with the group."""
    return rule.ip_range.get("Description") or rule.source_group.get("Description")


def _same_rule(one: SecurityGroupRule, other: object) -> bool:
    """Compare two rules without their descriptions, as EC2 does (InvalidPermission.Duplicate)."""
    return isinstance(other, SecurityGroupRule) and compared(one) == compared(other)


def compared(rule: SecurityGroupRule) -> tuple[str, str, str, Any]:
    """Return what EC2 compares of a rule: the protocol, its ports where it has some, and the peer."""
    protocol, group = str(rule.ip_protocol).upper(), rule.source_group.get("GroupId")
    peer = group or rule.prefix_list_id or rule.cidr_ipv6 or rule.cidr_ipv4
    low, high = (None, None) if protocol == "-1" else (rule.from_port, rule.to_port)
    return protocol, str(low), str(high), peer
