"""Rules that AWS enforces and moto does not: the admission hooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moto.ecs.exceptions import TaskDefinitionNotFoundException
from moto.ecs.models import EC2ContainerServiceBackend, TaskDefinition

from rehearsal.control.hooks import Params, Refused, after, backend, before

FARGATE: dict[int, Iterable[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
"""CPU units: the MiB of memory that go with them (ECS developer guide, "Fargate task definition differences")."""


def install() -> None:
    """The rules hook themselves in as this module is imported; the call makes that visible."""


@before("ecs", "RegisterTaskDefinition")
def fargate_size(params: Params) -> None:
    if "FARGATE" not in (params.get("requiresCompatibilities") or []):
        return
    if int(params.get("memory") or 0) not in FARGATE.get(int(params.get("cpu") or 0), ()):
        raise Refused("ClientException", "No Fargate configuration exists for given values.")
    if params.get("networkMode") != "awsvpc":
        raise Refused("ClientException", "Fargate only supports network mode \u2018awsvpc\u2019.")


_describe_task_definition = EC2ContainerServiceBackend.describe_task_definition


def newest_active(self: EC2ContainerServiceBackend, task_definition_str: str) -> TaskDefinition:
    """Describe a task definition; a family's name means its newest ACTIVE revision.

    So says botocore (DescribeTaskDefinition, taskDefinition); moto takes a deregistered one, too.
    """
    named = task_definition_str
    if ":" not in named:
        revisions = self.task_definitions.get(named, {})
        active = [number for number, each in revisions.items() if each.status == "ACTIVE"]
        if not active:
            raise TaskDefinitionNotFoundException()
        named = f"{named}:{max(active)}"
    return _describe_task_definition(self, named)


EC2ContainerServiceBackend.describe_task_definition = newest_active  # type: ignore[method-assign]


@before("ecs", "CreateService")
def service_once(params: Params) -> None:
    cluster = str(params.get("cluster", "default")).rpartition("/")[2]
    found = backend("ecs").services.get(f"{cluster}:{params['serviceName']}")
    if found and found.status == "ACTIVE":
        raise Refused("InvalidParameterException", "Creation of service was not idempotent.")


@before("ecs", "CreateService")
def service_has_network(params: Params) -> None:
    if not (params.get("networkConfiguration") or {}).get("awsvpcConfiguration"):
        raise Refused(
            "InvalidParameterException",
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )


@before("ecs", "CreateService")
def target_group_attached(params: Params) -> None:
    groups = backend("elbv2").target_groups
    for balancer in params.get("loadBalancers") or []:
        arn = balancer.get("targetGroupArn")
        if arn in groups and not groups[arn].load_balancer_arns:
            raise Refused(
                "InvalidParameterException",
                f"The target group with targetGroupArn {arn} does not have an associated load balancer.",
            )


@before("ecs", "DeleteCluster")
def cluster_empty(params: Params) -> None:
    name = str(params["cluster"]).rpartition("/")[2]
    services = backend("ecs").services.values()
    if any(service.cluster_name == name and service.status == "ACTIVE" for service in services):
        raise Refused(
            "ClusterContainsServicesException",
            "The Cluster cannot be deleted while Services are active.",
        )


@before("elbv2", "CreateLoadBalancer")
def two_zones(params: Params) -> None:
    subnets = backend("ec2").describe_subnets(subnet_ids=_subnets(params))
    if len({subnet.availability_zone for subnet in subnets}) < 2:
        raise Refused(
            "InvalidConfigurationRequest",
            "At least two subnets in two different Availability Zones must be specified",
        )


@after("ec2", "CreateNatGateway")
def nat_needs_internet_gateway(_params: Params) -> None:
    """EC2 makes the NAT gateway and lets it fail (VPC user guide, "NAT gateway creation fails")."""
    made = list(backend("ec2").nat_gateways.values())[-1]
    if made.connectivity_type != "private" and not _internet_gateway(made.vpc_id):
        made.state, made.failure_code = "failed", "Gateway.NotAttached"
        made.failure_message = f"Network {made.vpc_id} has no Internet gateway attached"


@before("elbv2", "CreateLoadBalancer")
def balancer_needs_internet_gateway(params: Params) -> None:
    """AWS's words: openshift/installer issue 1110."""
    if params.get("Scheme") == "internal":
        return
    for subnet in backend("ec2").describe_subnets(subnet_ids=_subnets(params)):
        if not _internet_gateway(subnet.vpc_id):
            raise Refused("InvalidSubnet", f"VPC {subnet.vpc_id} has no internet gateway")


def _internet_gateway(vpc_id: str) -> bool:
    gateways = backend("ec2").internet_gateways.values()
    return any(gateway.vpc and gateway.vpc.id == vpc_id for gateway in gateways)


def _subnets(params: Params) -> list[str]:
    mappings = params.get("SubnetMappings") or []
    return params.get("Subnets") or [mapping["SubnetId"] for mapping in mappings]


@before("elbv2", "CreateLoadBalancer")
def short_name(params: Params) -> None:
    if len(params["Name"]) > 32:
        words = f"The load balancer name '{params['Name']}' cannot be longer than '32' characters"
        raise Refused("ValidationError", words)


@before("elbv2", "CreateListener")
def one_listener_a_port(params: Params) -> None:
    balancer = backend("elbv2").load_balancers[params["LoadBalancerArn"]]
    if any(
        str(listener.port) == str(params.get("Port")) for listener in balancer.listeners.values()
    ):
        words = "A listener already exists on this port for this load balancer"
        raise Refused("DuplicateListener", words)
    if params.get("Protocol") == "HTTPS" and not params.get("Certificates"):
        words = "A certificate must be specified for HTTPS listeners"
        raise Refused("CertificateNotFound", words)


def _health_check(params: Params) -> None:
    interval = int(params.get("HealthCheckIntervalSeconds") or 30)
    timeout = int(params.get("HealthCheckTimeoutSeconds") or 5)
    if timeout >= interval:
        raise Refused(
            "ValidationError",
            f"Health check timeout '{timeout}' must be smaller than the interval '{interval}'",
        )
    path = params.get("HealthCheckPath")
    if path is not None and not str(path).startswith("/"):
        raise Refused("ValidationError", f"Health check path '{path}' must start with '/'")


before("elbv2", "CreateTargetGroup")(_health_check)


@before("elbv2", "ModifyTargetGroup")
def changed_health_check(params: Params) -> None:
    group = backend("elbv2").target_groups.get(params["TargetGroupArn"])
    now: dict[str, Any] = {}
    if group:
        now = {
            "HealthCheckIntervalSeconds": group.health_check_interval_seconds,
            "HealthCheckTimeoutSeconds": group.health_check_timeout_seconds,
        }
    _health_check({**now, **params})


@before("elbv2", "DeleteTargetGroup")
def target_group_unused(params: Params) -> None:
    arn = params["TargetGroupArn"]
    for balancer in backend("elbv2").load_balancers.values():
        for listener in balancer.listeners.values():
            if arn in str(listener.default_actions) or arn in str(list(listener.rules.values())):
                words = f"Target group '{arn}' is currently in use by a listener or a rule"
                raise Refused("ResourceInUse", words)


@before("rds", "CreateDBInstance")
def password_once(params: Params) -> None:
    if params.get("ManageMasterUserPassword") and params.get("MasterUserPassword"):
        raise Refused(
            "InvalidParameterCombination",
            "You can't specify MasterUserPassword and ManageMasterUserPassword for the same instance.",
        )
    if int(params.get("AllocatedStorage") or 0) < 20:
        raise Refused(
            "InvalidParameterCombination",
            f"Invalid storage size for engine name {params['Engine']} and storage type gp3: "
            f"{params.get('AllocatedStorage')}",
        )


@before("rds", "ModifyDBInstance")
def major_upgrade(params: Params) -> None:
    """Another major version has to be allowed, and to come with parameters of its own family."""
    database = backend("rds").databases.get(params["DBInstanceIdentifier"])
    major = str(params.get("EngineVersion") or "").partition(".")[0]
    if database is None or not major or major == database.engine_version.partition(".")[0]:
        return
    if not params.get("AllowMajorVersionUpgrade"):
        words = "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version."
        raise Refused("InvalidParameterCombination", words)
    name = params.get("DBParameterGroupName") or database.db_parameter_group_name
    group = backend("rds").db_parameter_groups.get(name) if name else None
    family = f"{database.engine}{major}"
    if group is not None and group.family != family:
        words = (
            f"The Parameter Group {name} with DBParameterGroupFamily {group.family} cannot be used "
        )
        words += (
            f"for this instance. Please use a Parameter Group with DBParameterGroupFamily {family}"
        )
        raise Refused("InvalidParameterCombination", words)


@before("rds", "CreateDBSubnetGroup")
def subnet_group_zones(params: Params) -> None:
    subnets = backend("ec2").describe_subnets(subnet_ids=params["SubnetIds"])
    if len({subnet.availability_zone for subnet in subnets}) < 2:
        raise Refused(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. "
            "Current AZ coverage is one. Add subnets to cover at least 2 AZs.",
        )
