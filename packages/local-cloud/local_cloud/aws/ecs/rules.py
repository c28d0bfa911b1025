"""AWS's rules for ECS that moto lacks: clusters, capacity providers, task definitions and services."""

from typing import Any

from moto.ecs.exceptions import TaskDefinitionNotFoundException
from moto.ecs.models import EC2ContainerServiceBackend, TaskDefinition

from local_cloud.aws.ec2.rules import elsewhere
from local_cloud.aws.ecs.definitions import CLIENT, fits_fargate, units
from local_cloud.aws.hooks import Params, Refusals, backend, instead

INVALID, PLATFORM = "InvalidParameterException", "PlatformUnknownException"
_describe_task_definition = EC2ContainerServiceBackend.describe_task_definition
_register_task_definition = EC2ContainerServiceBackend.register_task_definition


def install() -> None:
    """Describe a family by its newest ACTIVE revision, and keep a size as a number of units."""
    EC2ContainerServiceBackend.describe_task_definition = newest_active  # type: ignore[method-assign]
    EC2ContainerServiceBackend.register_task_definition = _registered  # type: ignore[method-assign]


def _registered(self: EC2ContainerServiceBackend, *args: Any, **given: Any) -> TaskDefinition:
    """Register "1 vCPU" and "2 GB" as 1024 and 2048 (API reference, RegisterTaskDefinition, cpu and memory)."""
    sizes = {name: str(units(given[name])) for name in ("cpu", "memory") if given.get(name)}
    return _register_task_definition(self, *args, **given | sizes)


def _network(params: Params) -> Params:
    return (params.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}


@instead("ecs", "UpdateClusterSettings")
def update_cluster_settings(params: Params) -> Params:
    changed = backend("ecs").update_cluster(
        params["cluster"].rpartition("/")[2], params["settings"], None, None
    )
    return {"cluster": changed}


def newest_active(self: EC2ContainerServiceBackend, task_definition_str: str) -> TaskDefinition:
    """Return a task definition; a family's name means its newest ACTIVE revision.

    Source: botocore (DescribeTaskDefinition, taskDefinition). moto also returns a deregistered one.
    """
    named = task_definition_str
    if ":" not in named:
        revisions = self.task_definitions.get(named, {})
        active = [number for number, revision in revisions.items() if revision.status == "ACTIVE"]
        if not active:
            raise TaskDefinitionNotFoundException()
        named = f"{named}:{max(active)}"
    return _describe_task_definition(self, named)


def _second(given: Params) -> bool:
    """Return whether an active service has the name, and another request made it (``clientToken``)."""
    found = active_service(given)
    same = "clientToken" in given and getattr(found, "request", None) == given
    return bool(found) and not same


def active_service(params: Params) -> Any:
    """Return moto's record of the active service with the name in a CreateService, or None."""
    cluster = str(params.get("cluster", "default")).rpartition("/")[2]
    found = backend("ecs").services.get(f"{cluster}:{params['serviceName']}")
    return found if found and found.status == "ACTIVE" else None


FARGATE = ("FARGATE", "FARGATE_SPOT")
"""The capacity providers of Fargate, which every account has; the local cloud makes no others."""
PLATFORMS = ("LATEST", "1.4.0", "1.3.0")
"""ECS developer guide, "Fargate Linux platform versions"."""

FORCE = (
    "When switching from launch type to capacity provider strategy on an existing service, or making a change to a "
    "capacity provider strategy on a service that is already using one, you must force a new deployment."
)


def _inactive(given: Params) -> bool:
    """Return whether a task definition is INACTIVE ("Deregistering an Amazon ECS task definition revision")."""
    family, _, number = str(given["taskDefinition"]).rpartition("/")[2].partition(":")
    found = backend("ecs").task_definitions[family]
    return number.isdigit() and found[int(number)].status == "INACTIVE"


def _groups(given: Params) -> dict[str, Any]:
    """Return the records of a service's target groups by their ARNs; None for one that does not exist."""
    known = backend("elbv2").target_groups
    named = [balancer.get("targetGroupArn") for balancer in given.get("loadBalancers") or ()]
    return {arn: known.get(arn) for arn in named if arn}


def _unattached(given: Params) -> Any:
    found = _groups(given).items()
    return next((arn for arn, group in found if group and not group.load_balancer_arns), None)


def _unknown_group(given: Params) -> Any:
    return next((arn for arn, group in _groups(given).items() if group is None), None)


def _unknown_provider(given: Params) -> Any:
    name = str(given.get("cluster", "default")).rpartition("/")[2]
    known = backend("ecs").clusters[name].capacity_providers or []
    named = (each["capacityProvider"] for each in given.get("capacityProviderStrategy") or ())
    return next((provider for provider in named if provider not in known), None)


def _cannot_move(given: Params) -> bool:
    percents = given.get("deploymentConfiguration") or {}
    rolling = percents.get("strategy", "ROLLING") == "ROLLING"
    both = percents.get("maximumPercent"), percents.get("minimumHealthyPercent")
    return rolling and both == (100, 100)


def _definition(given: Params) -> Any:
    """Return the task definition of a call, or that of the service which it changes."""
    if not (name := given.get("taskDefinition")):
        named = given.get("cluster", "default"), given["service"]  # by their names, or ARNs
        key = ":".join(each.rpartition("/")[2] for each in named)
        name = backend("ecs").services[key].task_definition
    return backend("ecs").describe_task_definition(name)


def _unknown_port(given: Params) -> Any:
    asked = (given.get("serviceConnectConfiguration") or {}).get("services") or ()
    containers = _definition(given).container_definitions if asked else ()
    known = [port.get("name") for each in containers for port in each.get("portMappings") or ()]
    return next((each["portName"] for each in asked if each["portName"] not in known), None)


def _wrong_size(given: Params) -> bool:
    definition, asked = _definition(given), given.get("overrides") or {}
    sizes = {name: asked.get(name) or getattr(definition, name) for name in ("cpu", "memory")}
    return bool(asked.keys() & sizes) and not fits_fargate(sizes)


def _unmapped(given: Params) -> Any:
    """Return the container and port of a load balancer that the task definition lacks."""
    mapped = {
        (definition["name"], port.get("containerPort"))
        for definition in _definition(given).container_definitions
        for port in definition.get("portMappings") or ()
    }
    balancers = given.get("loadBalancers") or ()
    asked = [(each.get("containerName"), each.get("containerPort")) for each in balancers]
    return next((pair for pair in asked if pair not in mapped), None)


def _unknown_override(given: Params) -> Any:
    known = [definition["name"] for definition in _definition(given).container_definitions]
    asked = (given.get("overrides") or {}).get("containerOverrides") or ()
    return next((override["name"] for override in asked if override["name"] not in known), None)


def _services_in(cluster: str) -> bool:
    name, services = cluster.rpartition("/")[2], backend("ecs").services.values()
    return any(service.cluster_name == name and service.status == "ACTIVE" for service in services)


# fmt: off
REFUSALS: Refusals = {
    "ecs CreateService UpdateService RunTask": (
        (CLIENT, "TaskDefinition is inactive", _inactive),
        (PLATFORM, "The specified platform version {} does not exist.",
         lambda p: (asked := p.get("platformVersion")) not in (None, *PLATFORMS) and asked),
        (INVALID, "Error retrieving subnet or security group information for [{}] in the VPC of the first subnet.",
         lambda p: elsewhere([*(place := _network(p)).get("subnets", ()), *place.get("securityGroups", ())])),
        (INVALID, "A capacity provider strategy can only have one provider with a base other than 0.", lambda p: (
            sum(bool(provider.get("base")) for provider in p.get("capacityProviderStrategy") or ()) > 1)),
        (INVALID, "Placement strategies and constraints are not supported with FARGATE launch type.", lambda p: (
            p.get("placementStrategy") or p.get("placementConstraints"))),
        (INVALID, "Specifying both a launch type and capacity provider strategy is not supported. "
         "Remove one and try again.", lambda p: p.get("launchType") and p.get("capacityProviderStrategy")),
        (INVALID, "One of several capacity providers must have a weight above 0.", lambda p: (
            len(items := p.get("capacityProviderStrategy") or ()) > 1
            and not any(int(item.get("weight") or 0) for item in items))),
        (INVALID, "The specified capacity provider {} was not found. Specify a valid capacity provider and try again.",
         _unknown_provider),
        (INVALID, "Task definition does not support launch_type {}.", lambda p: (
            (kind := p.get("launchType")) and _definition(p).requires_compatibilities
            and kind not in _definition(p).requires_compatibilities and kind)),
        # ECS developer guide, "Monitor Amazon ECS containers with ECS Exec"
        (INVALID, "The call couldn't be done because a valid taskRoleArn is not being used. Specify a valid task role "
         "in your task definition and try again.", lambda p: (
             p.get("enableExecuteCommand") and not getattr(_definition(p), "task_role_arn", None)
             and not (p.get("overrides") or {}).get("taskRoleArn"))),
    ),
    "ecs CreateService UpdateService": (
        (INVALID, "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.",
         _cannot_move),
        (INVALID, "The container {0[0]} did not have a container port {0[1]} defined.", _unmapped),
        (INVALID, "The target group {} does not exist.", _unknown_group),
        (INVALID, "The port name {} of serviceConnectConfiguration is not one of the task definition.", _unknown_port),
        (INVALID, "Alarms that are enabled need names.", lambda p: (
            (alarms := (p.get("deploymentConfiguration") or {}).get("alarms") or {}).get("enable")
            and not alarms.get("alarmNames"))),
        (INVALID, "maximumPercent must be greater than minimumHealthyPercent.", lambda p: (
            (percents := p.get("deploymentConfiguration") or {}).get("maximumPercent", 200)
            < percents.get("minimumHealthyPercent", 0))),
    ),
    "ecs RunTask": (
        (CLIENT, "No Fargate configuration exists for given values.", _wrong_size),
        (INVALID, "Override for container named {} is not a container in the TaskDefinition.", _unknown_override),
    ),
    "ecs PutClusterCapacityProviders": (
        (INVALID, "The default strategy must have capacity providers of the cluster, unlike {}.", lambda p: next(
            (name for provider in p["defaultCapacityProviderStrategy"]
             if (name := provider["capacityProvider"]) not in p["capacityProviders"]), None)),
    ),
    "ecs CreateService RunTask": (
        (INVALID, "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
         lambda p: not _network(p).get("subnets")),
    ),
    "ecs CreateService": (
        (INVALID, "Creation of service was not idempotent.", _second),
        (INVALID, "The target group with targetGroupArn {} does not have an associated load balancer.", _unattached),
        (INVALID, "The scheduling strategy DAEMON is not supported on FARGATE.",
         lambda p: p.get("schedulingStrategy") == "DAEMON"),
        (INVALID, "The desired count must be specified for the scheduling strategy REPLICA.",
         lambda p: p.get("desiredCount") is None),
        (INVALID, "The deployment controller {} takes neither a circuit breaker nor alarms.", lambda p: (
            (kind := (p.get("deploymentController") or {}).get("type", "ECS")) != "ECS"
            and (p.get("deploymentConfiguration") or {}).keys() & {"deploymentCircuitBreaker", "alarms"} and kind)),
    ),
    "ecs UpdateService": (
        (INVALID, FORCE, lambda p: p.get("capacityProviderStrategy") and not p.get("forceNewDeployment")),
    ),
    "ecs DescribeServices": ((INVALID, "Services cannot be empty.", lambda p: not p["services"]),),
    "ecs CreateCluster PutClusterCapacityProviders": (
        (CLIENT, "The specified capacity provider {} was not found.", lambda p: next(
            (provider for provider in p.get("capacityProviders") or () if provider not in FARGATE), None)),
    ),
    "ecs DeleteCluster": (
        ("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.",
         lambda p: _services_in(p["cluster"])),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
