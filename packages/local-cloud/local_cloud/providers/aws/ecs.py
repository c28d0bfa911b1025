"""Cluster, task definition and service."""

import json
from typing import Any

from local_cloud.providers.kind import Subject, Values, on_change, path, regular
from local_cloud.providers.lifecycle import NotReady, describe, retry, until_gone, wait_while

LIMIT = 300.0
"""Wall-clock seconds within which a service must stop its tasks."""


def _cluster_settings(subject: Subject) -> None:
    subject.call("update_cluster_settings", settings=subject.inputs.get("settings") or [])


CLUSTER = regular(
    "aws:ecs/cluster:Cluster",
    "cluster",
    identity_from="cluster.clusterArn",
    found="clusters[?status=='ACTIVE'] | [0]",
    names={"name": "clusterName"},
    settings=(on_change(_cluster_settings, "settings"),),
    autoname="name",
    outputs={"arn": "clusterArn", "name": "clusterName"},
)


def _associated(inputs: Values) -> Values:
    """Add the missing list: ECS requires both lists when one is given."""
    return {
        "cluster": inputs["clusterName"],
        "capacityProviders": inputs.get("capacityProviders") or [],
        "defaultCapacityProviderStrategy": inputs.get("defaultCapacityProviderStrategies") or [],
    }


def _associate(subject: Subject, **instead: Any) -> None:
    subject.send("put_cluster_capacity_providers", {**subject.inputs, **instead})


PROVIDERS = regular(
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
    "cluster",
    create="put_cluster_capacity_providers",
    identity_from="cluster.clusterName",
    read="describe_clusters",
    found="clusters[?status=='ACTIVE'] | [0]",
    on_delete=lambda subject: _associate(
        subject, capacityProviders=[], defaultCapacityProviderStrategy=[]
    ),
    replaces="clusterName",
    prepare=_associated,
    settings=(on_change(_associate, "capacityProviders", "defaultCapacityProviderStrategy"),),
    outputs={"clusterName": "clusterName"},
)


def _definition(inputs: Values) -> Values:
    """Convert the container definitions, JSON text in Pulumi, and the host paths of volumes."""
    result = dict(inputs)
    if isinstance(inputs.get("containerDefinitions"), str):
        result["containerDefinitions"] = json.loads(inputs["containerDefinitions"])
    if inputs.get("volumes"):
        result["volumes"] = [{"name": volume["name"]} for volume in inputs["volumes"]]
    return result


TASK_DEFINITION = regular(
    "aws:ecs/taskDefinition:TaskDefinition",
    "taskDefinition",
    create="register_task_definition",
    # The id is the same for all revisions (terraform-provider-aws, task_definition.go).
    identity_from="taskDefinition.family",
    named_by="arn",
    read="describe_task_definition",
    found="taskDefinition",
    delete="deregister_task_definition",
    replaces=(
        "containerDefinitions cpu ephemeralStorage executionRoleArn family memory networkMode "
        "pidMode requiresCompatibilities runtimePlatform taskRoleArn volumes"
    ),
    prepare=_definition,
    ignored={
        "skipDestroy": "keeps it when the provider is to delete it",
        "trackLatest": "only tells the provider which revision to compare with",
    },
    defaults={"skipDestroy": False, "trackLatest": False},
    outputs={
        "arn": "taskDefinitionArn",
        "arnWithoutRevision": lambda _, found: found["taskDefinitionArn"].rpartition(":")[0],
        "revision": "revision",
        "family": "family",
    },
    absent=("ClientException",),
)

PROVIDER_ONLY = {
    "forceDelete": "the stand-in always deletes with force",
    "sigintRollback": "only tells the provider what to do on an interrupt",
    "waitForSteadyState": "used by _wait_until_steady",
}
DEPLOYMENT = {
    "alarms": "alarms",
    "deploymentCircuitBreaker": "deploymentCircuitBreaker",
    "deploymentMaximumPercent": "maximumPercent",
    "deploymentMinimumHealthyPercent": "minimumHealthyPercent",
}


def _service(inputs: Values) -> Values:
    """Convert the name to ``serviceName`` and group the deployment's settings."""
    moved = {
        *DEPLOYMENT,
        "deploymentConfiguration",
        "name",
        "networkConfiguration",
        "capacityProviderStrategies",
    }
    result: Values = {name: value for name, value in inputs.items() if name not in moved}
    result["serviceName"] = inputs["name"]
    deployment = {new: inputs[old] for old, new in DEPLOYMENT.items() if old in inputs}
    if inputs.get("alarms"):
        deployment["alarms"] = _alarms(inputs["alarms"])
    deployment |= inputs.get("deploymentConfiguration") or {}
    if deployment:
        result["deploymentConfiguration"] = deployment
    if inputs.get("capacityProviderStrategies"):
        result["capacityProviderStrategy"] = inputs["capacityProviderStrategies"]
    if inputs.get("networkConfiguration"):
        result["networkConfiguration"] = {"awsvpcConfiguration": _awsvpc(inputs)}
    return result


def _alarms(given: Values) -> Values:
    """Drop an empty list of names (terraform-provider-aws, expandAlarms). Then botocore refuses the call."""
    return {name: value for name, value in given.items() if name != "alarmNames" or value}


def _awsvpc(inputs: Values) -> Values:
    chosen: Values = dict(inputs["networkConfiguration"])
    public = chosen.pop("assignPublicIp", None)
    return {**chosen, "assignPublicIp": "ENABLED" if public else "DISABLED"}


def _definition_in_ecs(subject: Subject, found: Values) -> Any:
    """Return the task definition that ECS runs in the program's form (terraform-provider-aws, resourceServiceRead).

    That is an ARN, FAMILY:REVISION, or FAMILY for whatever is its latest revision.
    """
    declared, held = str(subject.inputs.get("taskDefinition")), str(found.get("taskDefinition"))
    held = held if declared.startswith("arn:") else held.rpartition("/")[2]
    return held if ":" in declared else held.partition(":")[0]


STEADY_SECONDS = 120.0
"""Wall-clock seconds: twice the provider's 20 minutes at the local cloud's default speed. Tasks compute no faster."""
ENDED = ("STOPPED", "ROLLBACK_FAILED", "ROLLBACK_SUCCESSFUL")
PRIMARY = "deployments[?status=='PRIMARY'].id | [0]"


def _wait_until_steady(subject: Subject, past: Values | None) -> None:
    """Wait for ``waitForSteadyState`` until a new deployment has succeeded, or else the tasks are all running.

    Raises ``NotReady`` with ECS's reason when the deployment has failed (terraform-provider-aws, ecs/service.go,
    statusServiceWaitForStable).
    """
    if not subject.inputs.get("waitForSteadyState"):
        return
    first = path(PRIMARY, describe(subject))
    new = first != path(PRIMARY, past)

    def state() -> str:
        steady = _succeeded(subject, first) if new else _all_running(subject)
        return "" if steady else "not steady"

    wait_while(subject, STEADY_SECONDS, state)


def _succeeded(subject: Subject, deployment: str) -> bool:
    """Return whether the service deployment has succeeded. Raises ``NotReady`` when it has ended otherwise."""
    number = deployment.rpartition("/")[2]
    listed = subject.call("list_service_deployments")["serviceDeployments"]
    mine = [row for row in listed if number in row.get("targetServiceRevisionArn", "")]
    status = mine[0]["status"] if mine else "PENDING"
    if status in ENDED:
        raise NotReady(str(mine[0].get("statusReason") or "Deployment failed"))
    return bool(status == "SUCCESSFUL")


def _all_running(subject: Subject) -> bool:
    found = describe(subject) or {}
    return (
        len(found["deployments"]) == 1
        and found["status"] == "ACTIVE"
        and found["desiredCount"] == found["runningCount"]
    )


def _remove_service(subject: Subject) -> None:
    """Scale to 0, delete, and wait for the deletion, as the provider does.

    It retries for 20 minutes while the service's requests shift (ecs/service.go).
    """
    subject.call("update_service", desiredCount=0)
    retry(subject, STEADY_SECONDS, "deployments are active", "delete_service", force=True)
    until_gone(subject, LIMIT)


SERVICE = regular(
    "aws:ecs/service:Service",
    "service",
    scope={"cluster": "cluster"},
    identity_from="service.serviceArn",
    found="services[?status!='INACTIVE'] | [0]",
    update="update_service",
    on_delete=_remove_service,
    replaces="cluster launchType schedulingStrategy iamRole deploymentController",
    prepare=_service,
    ignored=PROVIDER_ONLY,
    unread={"forceNewDeployment": "asks for a deployment, and is no setting"},
    defaults={
        **{"deploymentMaximumPercent": 200, "deploymentMinimumHealthyPercent": 100},
        **{"enableEcsManagedTags": False, "enableExecuteCommand": False},
        **{"schedulingStrategy": "REPLICA", "waitForSteadyState": False},
    },
    autoname="name",
    outputs={
        "arn": "serviceArn",
        "name": "serviceName",
    },
    reads={
        **{name: f"deploymentConfiguration.{member}" for name, member in DEPLOYMENT.items()},
        "taskDefinition": _definition_in_ecs,
    },
    follow=_wait_until_steady,
    repeated=frozenset({"forceNewDeployment"}),
)

KINDS = (CLUSTER, PROVIDERS, TASK_DEFINITION, SERVICE)
