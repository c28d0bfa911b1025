"""What is left of a stack that has neither load balancer nor database nor service, and what of others holds it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from careapp.additions.parts.settings import settings_of
from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from ecs_gate.aws.session import Session
from ecs_gate.parts.gather import Reading
from ecs_gate.parts.of_service import PartOf
from ecs_gate.text import t


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A resource in the stack's VPC that is not the stack's. ``command`` deletes it; "" where only its owner can."""

    id: str
    description: str = ""
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Remains:
    """The stack's resources, each with its service in AWS, and the holders in the order in which EC2 deletes them."""

    resources: tuple[str, ...] = ()
    holders: tuple[Holder, ...] = ()


IN_VPC = (
    ("describe_network_interfaces", "NetworkInterfaceId", "delete-network-interface"),
    ("describe_vpc_endpoints", "VpcEndpointId", "delete-vpc-endpoints"),
    ("describe_subnets", "SubnetId", "delete-subnet"),
    ("describe_route_tables", "RouteTableId", "delete-route-table"),
    ("describe_security_groups", "GroupId", "delete-security-group"),
    ("describe_network_acls", "NetworkAclId", "delete-network-acl"),
)
"""What EC2 deletes no VPC with (API reference, DeleteVpc): the operation that lists it, its id, and its end."""

NAMED = (
    ("ecr", "describe_repositories", "repositories", "repositoryName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    ("rds", "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupName"),
    ("s3", "list_buckets", "Buckets", "Name"),
)


def remains(session: Session, settings: Settings) -> Remains:
    """Return what is left of a stack, by its tags and names. Raises AwsProblem."""
    mine = [{"Name": f"tag:{key}", "Values": [value]} for key, value in settings.tags.items()]
    found = session.all("ec2", "describe_vpcs", "Vpcs", Filters=mine)
    vpcs = [str(vpc["VpcId"]) for vpc in found]
    return Remains(
        resources=(*(f"ec2 {vpc}" for vpc in vpcs), *_named(session, settings.names)),
        holders=tuple(holder for vpc in vpcs for holder in _holders(session, vpc, settings.tags)),
    )


def _holders(session: Session, vpc: str, tags: dict[str, str]) -> Iterator[Holder]:
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    for operation, identity, deletion in IN_VPC:
        key = re.sub(
            "_([a-z])", lambda letter: letter[1].upper(), operation.removeprefix("describe")
        )
        for found in session.all("ec2", operation, key, Filters=filters):
            own = found.get("Tags") or found.get("TagSet") or ()
            raw = {tag["Key"]: tag["Value"] for tag in own}
            if not (_comes_with_vpc(found) or tags.items() <= raw.items()):
                option = re.sub("(?<!^)(?=[A-Z])", "-", identity).lower()
                option += "s" if deletion.endswith("s") else ""
                command = f"aws ec2 {deletion} --{option} {found[identity]}"
                # EC2 deletes no interface in use, and one of a service goes with what the service has it for.
                used = found.get("Status") == "in-use" or found.get("RequesterManaged")
                description = str(found.get("Description") or raw.get("Name", ""))
                yield Holder(
                    id=found[identity], description=description, command="" if used else command
                )


def _comes_with_vpc(raw: dict[str, Any]) -> bool:
    """Return whether it is the VPC's own security group, network ACL or route table, or already deleted."""
    main = any(association.get("Main") for association in raw.get("Associations", ()))
    gone = str(raw.get("State", "")).lower() in ("deleting", "deleted")
    return main or gone or raw.get("IsDefault", False) or raw.get("GroupName") == "default"


def _named(session: Session, names: StackNames) -> Iterator[str]:
    clusters = session.call("ecs", "describe_clusters", clusters=[names.cluster])["clusters"]
    yield from (f"ecs {each['clusterName']}" for each in clusters if each["status"] == "ACTIVE")
    fixed = (names.repository, names.log_group)
    buckets = (f"{names.prefix}-{role}" for role in ("database", "uploads", "access-logs"))
    ours = re.compile(
        "|".join((*map(re.escape, fixed), *(f"{bucket}-[0-9a-f]{{7}}" for bucket in buckets)))
    )
    for service, operation, key, name in NAMED:
        found = (str(resource[name]) for resource in session.all(service, operation, key))
        yield from (f"{service} {each}" for each in found if ours.fullmatch(each))


def _left(now: Reading) -> Remains | None:
    main = (now.service, now.balancer, now.group, now.database)
    return remains(now.session, settings_of(now)) if all(part.absent for part in main) else None


REMAINS = PartOf(t("what is left of the stack"), _left, essential=False, shown=True, name="remains")
