"""AWS's rules for ECS that moto lacks: clusters, capacity providers, task definitions and services."""

from collections.abc import Iterable
from typing import Any

from moto.ecs.exceptions import TaskDefinitionNotFoundException
from moto.ecs.models import EC2ContainerServiceBackend, TaskDefinition

from local_cloud.aws.hooks import Params, Refused, backend, before, instead

_describe_task_definition = EC2ContainerServiceBackend.describe_task_definition


def install() -> None:
    """Describe a family by its newest ACTIVE revision."""
    EC2ContainerServiceBackend.describe_task_definition = newest_active  # type: ignore[method-assign]


@instead("ecs", "UpdateClusterSettings")
def update_cluster_settings(params: Params) -> Params:
    changed = backend("ecs").update_cluster(
        params["cluster"].rpartition("/")[2], params["settings"], None, None
    )
    return {"cluster": changed}


@before("ecs", "RunTask")
def launch_type_or_providers(params: Params) -> None:
    """Refuse both (API reference, RunTask: with a strategy "the launchType parameter must be omitted")."""
    if params.get("launchType") and params.get("capacityProviderStrategy"):
        words = "Specifying both a launch type and capacity provider strategy is not supported. "
        words += "Remove one and try again."
        raise Refused("InvalidParameterException", words)


@before("ecs", "CreateService")
@before("ecs", "UpdateService")
@before("ecs", "RunTask")
def _providers_of_the_cluster(params: Params) -> None:
    cluster = backend("ecs").clusters.get(str(params.get("cluster", "default")).rpartition("/")[2])
    known = cluster.capacity_providers or [] if cluster else []
    for each in params.get("capacityProviderStrategy") or []:
        if each["capacityProvider"] not in known:
            words = f"The specified capacity provider {each['capacityProvider']} was not found. "
            words += "Specify a valid capacity provider and try again."
            raise Refused("InvalidParameterException", words)


@before("ecs", "UpdateService")
def another_provider_needs_a_deployment(params: Params) -> None:
    if params.get("capacityProviderStrategy") and not params.get("forceNewDeployment"):
        raise Refused(
            "InvalidParameterException",
            "When switching from launch type to capacity provider strategy on an existing service, "
            "or making a change to a capacity provider strategy on a service that is already using "
            "one, you must force a new deployment.",
        )


FARGATE: dict[int, Iterable[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
"""CPU units with their MiB of memory (ECS developer guide, "Fargate task definition differences")."""


@before("ecs", "RegisterTaskDefinition")
def fargate_size(params: Params) -> None:
    if "FARGATE" not in (params.get("requiresCompatibilities") or []):
        return
    if int(params.get("memory") or 0) not in FARGATE.get(int(params.get("cpu") or 0), ()):
        raise Refused("ClientException", "No Fargate configuration exists for given values.")
    if params.get("networkMode") != "awsvpc":
        raise Refused("ClientException", "Fargate only supports network mode \u2018awsvpc\u2019.")


LONGEST_STOP = 120
"""Seconds (API reference, ContainerDefinition, stopTimeout). AWS does not document the message."""


@before("ecs", "RegisterTaskDefinition")
def fargate_containers(params: Params) -> None:
    """Refuse what Fargate needs an execution role for without one, and a stop timeout that is too long."""
    if "FARGATE" not in (params.get("requiresCompatibilities") or []):
        return
    for each in params["containerDefinitions"]:
        if not params.get("executionRoleArn"):
            _needs_no_role(each)
        if int(each.get("stopTimeout") or 0) > LONGEST_STOP:
            words = (
                f"The stopTimeout of the container {each['name']} must be at most {LONGEST_STOP}"
            )
            raise Refused("ClientException", f"{words} seconds on Fargate.")


def _needs_no_role(container: Params) -> None:
    """Messages: virtual-kubelet/virtual-kubelet issue 193, hashicorp/terraform-provider-aws issue 3051."""
    words = "Fargate requires task definition to have execution role ARN to support "
    if (container.get("logConfiguration") or {}).get("logDriver") == "awslogs":
        raise Refused("ClientException", f"{words}log driver awslogs.")
    if ".dkr.ecr." in str(container.get("image")):
        raise Refused("ClientException", f"{words}ECR images.")


@before("ecs", "CreateService")
@before("ecs", "UpdateService")
def a_deployment_can_move(params: Params) -> None:
    """Refuse a rolling deployment that may neither start nor stop a task (ECS, DeploymentConfiguration)."""
    given = params.get("deploymentConfiguration") or {}
    rolling = given.get("strategy", "ROLLING") == "ROLLING"
    if rolling and given.get("maximumPercent") == given.get("minimumHealthyPercent") == 100:
        words = "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments."
        raise Refused("InvalidParameterException", words)


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
