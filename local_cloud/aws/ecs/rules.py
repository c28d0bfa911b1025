"""AWS's rules for ECS that moto lacks: clusters, capacity providers, task definitions and services."""

from typing import Any

from moto.ecs.exceptions import TaskDefinitionNotFoundException
from moto.ecs.models import EC2ContainerServiceBackend, TaskDefinition

from local_cloud.aws.ecs.definitions import CLIENT, units
from local_cloud.aws.hooks import (
    Params,
    Refusals,
    Refused,
    backend,
    before,
    instead,
    number_outside,
    other_than,
)

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
        active = [number for number, each in revisions.items() if each.status == "ACTIVE"]
        if not active:
            raise TaskDefinitionNotFoundException()
        named = f"{named}:{max(active)}"
    return _describe_task_definition(self, named)


@before("ecs", "CreateService")
def service_once(params: Params) -> None:
    """Refuse the name of an active service, unless the request is the one that made it (``clientToken``)."""
    found = active_service(params)
    if found and not ("clientToken" in params and getattr(found, "request", None) == params):
        raise Refused("InvalidParameterException", "Creation of service was not idempotent.")


def active_service(params: Params) -> Any:
    """Return moto's record of the active service with the name in a CreateService, or None."""
    cluster = str(params.get("cluster", "default")).rpartition("/")[2]
    found = backend("ecs").services.get(f"{cluster}:{params['serviceName']}")
    return found if found and found.status == "ACTIVE" else None


NAME = "[A-Za-z0-9_-]{1,255}"

PLATFORMS = ("LATEST", "1.4.0", "1.3.0")
"""ECS developer guide, "Fargate Linux platform versions"."""

FORCE = (
    "When switching from launch type to capacity provider strategy on an existing service, or making a change to a "
    "capacity provider strategy on a service that is already using one, you must force a new deployment."
)


def _inactive(given: Params) -> bool:
    """Return whether a task definition is INACTIVE ("Deregistering an Amazon ECS task definition revision")."""
    name = str(given.get("taskDefinition") or "").rpartition("/")[2]
    family, _, number = name.partition(":")
    revisions = backend("ecs").task_definitions.get(family, {})
    found = revisions.get(int(number)) if number.isdigit() else None
    return found is not None and found.status == "INACTIVE"


def _unattached(given: Params) -> Any:
    named = [each.get("targetGroupArn") for each in given.get("loadBalancers") or ()]
    groups = (found for each in named if (found := backend("elbv2").target_groups.get(each)))
    return next((each.arn for each in groups if not each.load_balancer_arns), None)


def _unknown_provider(given: Params) -> Any:
    name = str(given.get("cluster", "default")).rpartition("/")[2]
    cluster = backend("ecs").clusters.get(name)
    known = cluster.capacity_providers or [] if cluster else []
    named = (each["capacityProvider"] for each in given.get("capacityProviderStrategy") or ())
    return next((each for each in named if each not in known), None)


def _cannot_move(given: Params) -> bool:
    percents = given.get("deploymentConfiguration") or {}
    rolling = percents.get("strategy", "ROLLING") == "ROLLING"
    both = percents.get("maximumPercent"), percents.get("minimumHealthyPercent")
    return rolling and both == (100, 100)


def _unmapped(given: Params) -> Any:
    """Return the container of a load balancer that the task definition lacks, or lacks the port of."""
    if not given.get("taskDefinition"):
        return None
    definition = backend("ecs").describe_task_definition(given["taskDefinition"])
    mapped = {
        (each["name"], port["containerPort"])
        for each in definition.container_definitions
        for port in each.get("portMappings") or ()
    }
    balancers = [each for each in given.get("loadBalancers") or () if "containerName" in each]
    asked = [(each["containerName"], each["containerPort"]) for each in balancers]
    return next((f"{each[0]} at port {each[1]}" for each in asked if each not in mapped), None)


def _services_in(cluster: str) -> bool:
    name, services = cluster.rpartition("/")[2], backend("ecs").services.values()
    return any(each.cluster_name == name and each.status == "ACTIVE" for each in services)


def _aws_tag(given: Params) -> Any:
    return next((e["key"] for e in given.get("tags") or () if e["key"].startswith("aws:")), None)


# fmt: off
REFUSALS: Refusals = {
    "ecs CreateService UpdateService RunTask": (
        (CLIENT, "TaskDefinition is inactive", _inactive),
        (PLATFORM, "The specified platform version {} does not exist.",
         lambda p: (asked := p.get("platformVersion")) not in (None, *PLATFORMS) and asked),
        (INVALID, "Specifying both a launch type and capacity provider strategy is not supported. "
         "Remove one and try again.", lambda p: p.get("launchType") and p.get("capacityProviderStrategy")),
        (INVALID, "The specified capacity provider {} was not found. Specify a valid capacity provider and try again.",
         _unknown_provider),
    ),
    "ecs CreateService UpdateService": (
        (INVALID, "desiredCount must not be negative: {}", lambda p: number_outside(p, "desiredCount", 0, 5000)),
        (INVALID, "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.",
         _cannot_move),
        (INVALID, "The container {} did not have a container port defined in the task definition.", _unmapped),
    ),
    "ecs CreateService": (
        (INVALID, "Service names may contain letters, digits, hyphens and underscores: {}",
         lambda p: other_than(NAME, p["serviceName"])),
        (INVALID, "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
         lambda p: not (p.get("networkConfiguration") or {}).get("awsvpcConfiguration")),
        (INVALID, "The target group with targetGroupArn {} does not have an associated load balancer.", _unattached),
    ),
    "ecs UpdateService": (
        (INVALID, FORCE, lambda p: p.get("capacityProviderStrategy") and not p.get("forceNewDeployment")),
    ),
    "ecs DescribeServices": (
        (INVALID, "Services must be at most 10 for a request.", lambda p: len(p["services"]) > 10),
    ),
    "ecs RunTask": ((INVALID, "count must be 1 to 10: {}", lambda p: number_outside(p, "count", 1, 10)),),
    "ecs CreateCluster CreateService RegisterTaskDefinition RunTask TagResource": (
        (INVALID, "Tag keys must not begin with aws: {}", _aws_tag),
    ),
    "ecs DeleteCluster": (
        ("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.",
         lambda p: _services_in(p["cluster"])),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
