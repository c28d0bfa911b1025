"""The service-deployments API, which moto lacks, from the scheduler's own records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehearsal.data.ecs_publish import At
from rehearsal.data.ecs_state import Deployment, Service

ROLLBACKS = {
    "IN_PROGRESS": "ROLLBACK_IN_PROGRESS",
    "SUCCESSFUL": "ROLLBACK_SUCCESSFUL",
    "FAILED": "ROLLBACK_FAILED",
    "NO_CANDIDATE": "ROLLBACK_FAILED",
}
TRIPPED = "Service deployment rolled back because the circuit breaker threshold was exceeded."
NO_CANDIDATE = "No rollback candidate was found to run the rollback."
STOPPED = "Service deployment stopped because the circuit breaker threshold was exceeded."
SUPERSEDED = "Service deployment stopped because a newer one was started."


def status(deployment: Deployment) -> tuple[str, str | None]:
    """Status and reason of a service deployment (API reference, ServiceDeployment)."""
    if deployment.rollback is not None:
        reason = NO_CANDIDATE if deployment.rollback == "NO_CANDIDATE" else TRIPPED
        return ROLLBACKS[deployment.rollback], reason
    if deployment.superseded:
        return "STOPPED", SUPERSEDED
    if deployment.rollout == "FAILED":
        return "STOPPED", STOPPED
    if deployment.rollout == "COMPLETED" or deployment.rolling_back is not None:
        return "SUCCESSFUL", None
    return "IN_PROGRESS", None


def arn(record: Any, deployment: Deployment) -> str:
    """A service deployment's ARN."""
    base = str(record.arn).replace(":service/", ":service-deployment/")
    return f"{base}/{deployment.id.removeprefix('ecs-svc/')}"


def revision_arn(record: Any, deployment: Deployment) -> str:
    """A service revision's ARN."""
    base = str(record.arn).replace(":service/", ":service-revision/")
    return f"{base}/{deployment.id.removeprefix('ecs-svc/')}"


def brief(record: Any, deployment: Deployment, at: At) -> dict[str, Any]:
    """A row of ListServiceDeployments."""
    state, reason = status(deployment)
    row = {
        "serviceDeploymentArn": arn(record, deployment),
        "serviceArn": record.arn,
        "clusterArn": record.cluster_arn,
        "createdAt": at(deployment.created_at),
        "startedAt": at(deployment.created_at),
        "finishedAt": at(deployment.finished_at),
        "targetServiceRevisionArn": revision_arn(record, deployment),
        "status": state,
        "statusReason": reason,
    }
    return {key: value for key, value in row.items() if value is not None}


def full(core: Service, record: Any, deployment: Deployment, at: At) -> dict[str, Any]:
    """A row of DescribeServiceDeployments."""
    row = brief(record, deployment, at)
    row.pop("targetServiceRevisionArn")
    tasks = [task for task in core.tasks if task.deployment == deployment.id and task.alive]
    running = sum(task.status == "RUNNING" for task in tasks)
    row["updatedAt"] = at(deployment.updated_at)
    row["deploymentConfiguration"] = record.deployment_configuration
    row["targetServiceRevision"] = {
        "arn": revision_arn(record, deployment),
        "requestedTaskCount": core.settings.desired,
        "runningTaskCount": running,
        "pendingTaskCount": len(tasks) - running,
    }
    row["deploymentCircuitBreaker"] = _breaker(core, deployment)
    if deployment.rollback is not None:
        row["rollback"] = {"reason": TRIPPED, "startedAt": at(deployment.finished_at)}
    return row


def _breaker(core: Service, deployment: Deployment) -> Mapping[str, Any]:
    breaker = core.settings.breaker
    state = "MONITORING_COMPLETE"
    if not breaker.enable:
        state = "DISABLED"
    elif deployment.rollback is not None or deployment.rollout == "FAILED":
        state = "TRIGGERED"
    elif deployment.rollout == "IN_PROGRESS":
        state = "MONITORING"
    return {
        "status": state,
        "failureCount": deployment.failed_tasks,
        "threshold": breaker.threshold(core.settings.desired),
    }


def revision(record: Any, deployment: Deployment, at: At) -> dict[str, Any]:
    """A row of DescribeServiceRevisions."""
    revision = deployment.revision
    found = {
        "serviceRevisionArn": revision_arn(record, deployment),
        "serviceArn": record.arn,
        "clusterArn": record.cluster_arn,
        "taskDefinition": revision.task_definition,
        "launchType": record.launch_type,
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "loadBalancers": list(revision.load_balancers),
        "networkConfiguration": revision.network,
        "createdAt": at(deployment.created_at),
    }
    if revision.providers:
        found.pop("launchType")
        found["capacityProviderStrategy"] = list(revision.providers)
    return found
