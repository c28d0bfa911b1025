"""What AWS refuses to delete because something still uses it, and moto does not."""

from __future__ import annotations

from collections.abc import Iterator

from moto.ec2.models.subnets import Subnet
from moto.rds.models import DBSubnetGroup, RDSBackend

from rehearsal.control.hooks import Params, Refused, backend, before

_modify_db_subnet_group = RDSBackend.modify_db_subnet_group


def install() -> None:
    """Replace moto's ModifyDBSubnetGroup; the rules register as this module is imported."""
    RDSBackend.modify_db_subnet_group = modify_db_subnet_group  # type: ignore[method-assign]


def modify_db_subnet_group(
    self: RDSBackend, subnet_name: str, description: str, subnets: list[Subnet]
) -> DBSubnetGroup:
    """Change a subnet group and keep it: moto 5.2.5 takes it out of its table and leaves it out."""
    changed = _modify_db_subnet_group(self, subnet_name, description, subnets)
    self.subnet_groups[subnet_name] = changed
    return changed


@before("rds", "ModifyDBSubnetGroup")
def subnets_of_databases_stay(params: Params) -> None:
    """Refuse to take a subnet out of a group that a database uses.

    RDS refuses where an instance or its standby lives in that subnet, and chooses the zones itself (AWS
    knowledge center, "How can I delete a subnet that is part of an Amazon RDS DB subnet group?"). A stack
    cannot know them, so the rehearsal takes the case that goes wrong.
    """
    name = params["DBSubnetGroupName"].lower()
    group = backend("rds").subnet_groups.get(name)
    held = {subnet["SubnetIdentifier"] for subnet in group.subnets} if group else set()
    removed = sorted(held - set(params["SubnetIds"]))
    if removed and _databases_in(name):
        words = f"Some of the subnets to be deleted are currently in use: {', '.join(removed)}"
        raise Refused("SubnetAlreadyInUse", words)


def _databases_in(group: str) -> list[str]:
    """The databases that use a subnet group, by their identifiers."""
    databases = backend("rds").databases.values()
    return [
        each.db_instance_identifier for each in databases if each._db_subnet_group_name == group
    ]


@before("rds", "DeleteDBSubnetGroup")
def subnet_group_unused(params: Params) -> None:
    name = params["DBSubnetGroupName"].lower()
    for database in _databases_in(name):
        raise Refused(
            "InvalidDBSubnetGroupStateFault",
            f"Cannot delete the subnet group {name!r} because at least one database instance: "
            f"{database} is still using it.",
        )


@before("rds", "DeleteDBParameterGroup")
def parameter_group_unused(params: Params) -> None:
    name = params["DBParameterGroupName"]
    for database in backend("rds").databases.values():
        if getattr(database, "db_parameter_group_name", None) == name:
            raise Refused(
                "InvalidDBParameterGroupState",
                "One or more database instances are still members of this parameter group "
                f"{name}, so the group cannot be deleted",
            )


@before("ec2", "DeleteSubnet")
def subnet_unused(params: Params) -> None:
    subnet = params["SubnetId"]
    balancers = backend("elbv2").load_balancers.values()
    gateways = backend("ec2").nat_gateways.values()
    in_use = any(subnet in [held.id for held in balancer.subnets] for balancer in balancers)
    in_use |= any(nat.subnet_id == subnet and nat.state != "deleted" for nat in gateways)
    if in_use:
        words = f"The subnet '{subnet}' has dependencies and cannot be deleted."
        raise Refused("DependencyViolation", words)


@before("ec2", "DetachInternetGateway")
def no_public_address_left(params: Params) -> None:
    """Keep an internet gateway while anything in its VPC holds a public address.

    AWS's words: hashicorp/terraform issue 497. NAT gateways, load balancers (jenkins-x/terraform-aws-eks-jx
    issue 373), instances, and network interfaces of Fargate tasks (alchemy-run/alchemy pull request 1125).
    """
    vpc = params["VpcId"]
    if vpc in _vpcs_with_public_addresses():
        raise Refused(
            "DependencyViolation",
            f"Network {vpc} has some mapped public address(es). Please unmap those public address(es) "
            "before detaching the gateway.",
        )


def _vpcs_with_public_addresses() -> Iterator[str]:
    """The VPC of each public address that is in use."""
    ec2 = backend("ec2")
    gateways = ec2.nat_gateways.values()
    for gateway in gateways:
        if gateway.connectivity_type != "private" and gateway.state == "available":
            yield gateway.vpc_id
    for balancer in backend("elbv2").load_balancers.values():
        if balancer.scheme != "internal":
            yield balancer.vpc_id
    # moto keeps the interface of a deleted NAT gateway, with its address.
    of_gateways = {gateway._eni.id for gateway in gateways}
    for interface in ec2.enis.values():
        if interface.public_ip and interface.id not in of_gateways:
            yield interface.subnet.vpc_id


@before("ec2", "DeleteSecurityGroup")
def group_unused(params: Params) -> None:
    """Another group's rule that names it holds it (EC2, DeleteSecurityGroup)."""
    group = params.get("GroupId")
    for other in backend("ec2").describe_security_groups():
        rules = [*other.ingress_rules, *other.egress_rules]
        named = {(rule.source_group or {}).get("GroupId") for rule in rules}
        if other.id != group and group in named:
            words = f"resource {group} has a dependent object"
            raise Refused("DependencyViolation", words)
