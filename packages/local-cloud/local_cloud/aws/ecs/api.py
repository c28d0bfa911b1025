"""The ECS calls that the scheduler answers instead of moto, and the service-deployments API, which moto lacks."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.ecs import records, rules, shifting, stages
from local_cloud.aws.ecs import state as ecs_state
from local_cloud.aws.ecs.records import At, TaskRecord
from local_cloud.aws.ecs.scheduler import Managed, Scheduler
from local_cloud.aws.ecs.state import BREAKER, Deployment, Service
from local_cloud.aws.hooks import Hooking

NO_CANDIDATE = "No rollback candidate was found to run the rollback."
STOPPED = "Service deployment stopped because the circuit breaker threshold was exceeded."
STOPPED_BY_ALARM = "Service deployment stopped because of one or more active alarms."
SUPERSEDED = "Service deployment stopped because a newer one was started."
STOPPABLE = frozenset({"IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})
"""Statuses in which a deployment can be stopped, without those that do not occur here.

Source: ECS developer guide, "Stopping Amazon ECS service deployments".
"""


def deployment_status(deployment: Deployment) -> tuple[str, str | None]:
    """Return the status and reason of a service deployment (API reference, ServiceDeployment)."""
    if deployment.rollback is not None:
        if deployment.rollback == "NO_CANDIDATE":
            return "ROLLBACK_FAILED", NO_CANDIDATE
        reason = deployment.failure.status if deployment.failure else None
        return f"ROLLBACK_{deployment.rollback}", reason
    if deployment.superseded:
        return "STOPPED", SUPERSEDED
    if deployment.rollout == "FAILED":
        return "STOPPED", STOPPED if deployment.failure is BREAKER else STOPPED_BY_ALARM
    if deployment.rollout == "COMPLETED" or deployment.rolling_back is not None:
        return "SUCCESSFUL", None
    return "IN_PROGRESS", None


def deployment_arn(record: Any, deployment: Deployment) -> str:
    return _arn(record, deployment, "service-deployment")


def revision_arn(record: Any, deployment: Deployment) -> str:
    return _arn(record, deployment, "service-revision")


def _arn(record: Any, deployment: Deployment, kind: str) -> str:
    base = str(record.arn).replace(":service/", f":{kind}/")
    return f"{base}/{deployment.id.removeprefix('ecs-svc/')}"


def brief_deployment(record: Any, deployment: Deployment, at: At) -> dict[str, Any]:
    """Return an item of ListServiceDeployments."""
    state, reason = deployment_status(deployment)
    row = {
        "serviceDeploymentArn": deployment_arn(record, deployment),
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


def describe_deployment(managed: Managed, deployment: Deployment, at: At) -> dict[str, Any]:
    """Return an item of DescribeServiceDeployments."""
    service, record = managed.service, managed.record
    row = brief_deployment(record, deployment, at)
    row.pop("targetServiceRevisionArn")
    tasks = [task for task in service.tasks if task.deployment == deployment.id and task.alive]
    running = sum(task.status == "RUNNING" for task in tasks)
    row["updatedAt"] = at(deployment.updated_at)
    row["deploymentConfiguration"] = record.deployment_configuration
    row["targetServiceRevision"] = {
        "arn": revision_arn(record, deployment),
        "requestedTaskCount": service.settings.desired,
        "runningTaskCount": running,
        "pendingTaskCount": len(tasks) - running,
    }
    row["sourceServiceRevisions"] = [
        {"arn": revision_arn(record, source)} for source in (deployment.source,) if source
    ]
    row["deploymentCircuitBreaker"] = _breaker(service, deployment)
    row |= _traffic(service, record, deployment, row["targetServiceRevision"])
    row["lifecycleHookDetails"] = [_hook(hook, at) for hook in deployment.hooks]
    row["alarms"] = _alarms(service, deployment)
    if deployment.rollback is not None and deployment.failure is not None:
        row["rollback"] = {
            "reason": deployment.failure.status,
            "startedAt": at(deployment.finished_at),
        }
    return row


def _traffic(
    service: Service, record: Any, deployment: Deployment, target: dict[str, Any]
) -> dict[str, Any]:
    """Return the stage and the source revision of a deployment in steps; add the target's weight."""
    old = shifting.source(service) if service.deployments else None
    if not deployment.stage:
        return {}
    if old is None or deployment is not service.primary:
        return {"lifecycleStage": deployment.stage}
    weight = shifting.share(service)
    target["requestedProductionTrafficWeight"] = float(weight)
    before = {
        "arn": revision_arn(record, old),
        "requestedTaskCount": service.settings.desired,
        "runningTaskCount": len(shifting.kept(service)),
        "pendingTaskCount": 0,
        "requestedProductionTrafficWeight": float(shifting.ALL - weight),
    }
    return {"lifecycleStage": deployment.stage, "sourceServiceRevisions": [before]}


def _hook(hook: ecs_state.Hook, at: At) -> dict[str, Any]:
    """Return an item of lifecycleHookDetails (API reference, DeploymentLifecycleHookDetail)."""
    return {
        "hookId": hook.id,
        "targetType": "PAUSE",
        "status": hook.status,
        "expiresAt": at(hook.expires),
        "timeoutAction": hook.action,
    }


def _monitoring(deployment: Deployment, on: bool, triggered: bool) -> str:
    if not on:
        return "DISABLED"
    if triggered:
        return "TRIGGERED"
    return "MONITORING" if deployment.rollout == "IN_PROGRESS" else "MONITORING_COMPLETE"


def _breaker(service: Service, deployment: Deployment) -> Mapping[str, Any]:
    breaker = service.settings.breaker
    return {
        "status": _monitoring(deployment, breaker.enable, deployment.failure is BREAKER),
        "failureCount": deployment.failed_tasks,
        "threshold": breaker.threshold(service.settings.desired),
    }


def _alarms(service: Service, deployment: Deployment) -> Mapping[str, Any]:
    return {
        "status": _monitoring(deployment, bool(deployment.watched), bool(deployment.triggered)),
        "alarmNames": sorted(service.settings.alarms.names),
        "triggeredAlarmNames": sorted(deployment.triggered),
    }


def describe_revision(managed: Managed, deployment: Deployment, at: At) -> dict[str, Any]:
    """Return an item of DescribeServiceRevisions."""
    record, revision = managed.record, deployment.revision
    found = records.of_revision(record, revision) | {
        "serviceRevisionArn": revision_arn(record, deployment),
        "serviceArn": record.arn,
        "clusterArn": record.cluster_arn,
        "loadBalancers": list(revision.load_balancers),
        "createdAt": at(deployment.created_at),
    }
    if revision.group:
        rule = shifting.advanced(revision)["productionListenerRule"]
        resolved = {"targetGroupArn": revision.group, "productionListenerRule": rule}
        found["resolvedConfiguration"] = {"loadBalancers": [resolved]}
    return found


class EcsApi:
    """Answers the calls about services and tasks from the scheduler's records."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def start(self, hooking: Hooking) -> None:
        answers: dict[str, hooks.Instead] = {
            "CreateService": self._create,
            "UpdateService": self._update,
            "DeleteService": self._delete,
            "ListServices": self._list_services,
            "ListTasks": self._list_tasks,
            "DescribeTasks": self._describe_tasks,
            "RunTask": self._run_task,
            "StopTask": self._stop_task,
            "ListServiceDeployments": self._list_deployments,
            "DescribeServiceDeployments": partial(
                self._picked, "serviceDeployment", deployment_arn, describe_deployment
            ),
            "DescribeServiceRevisions": partial(
                self._picked, "serviceRevision", revision_arn, describe_revision
            ),
            "StopServiceDeployment": self._stop_deployment,
            "ContinueServiceDeployment": self._continue_deployment,
        }
        for action, answer in answers.items():
            hooking.instead("ecs", action, answer)

    def _create(self, params: hooks.Params) -> hooks.Params:
        # The SDKs send a request again when its answer was lost; the rule let only such a one pass.
        if (made := rules.active_service(params)) is not None:
            return {"service": made}
        name = f"{str(params.get('cluster', 'default')).rsplit('/', 1)[-1]}/{params['serviceName']}"
        for arn, managed in self._scheduler.services.items():
            if arn.endswith(f":service/{name}") and managed.service.status == "DRAINING":
                raise hooks.Refused(
                    "InvalidParameterException", "Unable to Start a service that is still Draining."
                )
        shifting.check(params, self._scheduler.speed, {})
        record = records.create_service(params)
        try:
            return {"service": self._scheduler.adopt(record).record}
        except Exception:
            # The SDKs send the request again, which would get a service without a scheduler.
            del hooks.backend("ecs").services[f"{record.cluster_name}:{record.name}"]
            raise

    def _update(self, params: hooks.Params) -> hooks.Params:
        managed = self._service(params)
        if managed.service.status != "ACTIVE":
            raise hooks.Refused("ServiceNotActiveException", "Service was not ACTIVE.")
        record, service = managed.record, managed.service
        shifting.check(params, self._scheduler.speed, record.deployment_configuration)
        now = service.primary.revision.task_definition
        ecs = hooks.backend("ecs")
        definition = ecs.describe_task_definition(params.get("taskDefinition") or now)
        rolls = records.keep_settings(record, params)
        rolls = rolls or bool(params.get("forceNewDeployment")) or definition.arn != now
        revision = records.revision_of(record, definition) if rolls else None
        settings = records.settings_of(record)
        self._scheduler.act(managed, ecs_state.Updated(settings, revision))
        return {"service": record}

    def _delete(self, params: hooks.Params) -> hooks.Params:
        """Delete a service, unless its requests shift (terraform-provider-aws, ecs/service.go, which retries)."""
        managed, why = self._service(params), ""
        if managed.service.settings.desired > 0 and not params.get("force"):
            why = "it is scaled above 0"
        elif managed.service.deployments and shifting.source(managed.service) is not None:
            why = "deployments are active"
        if why:
            words = f"The service cannot be stopped while {why}."
            raise hooks.Refused("InvalidParameterException", words)
        self._scheduler.act(managed, ecs_state.Deleted())
        return {"service": managed.record}

    def _list_services(self, params: hooks.Params) -> hooks.Params:
        """List the services that are not deleted: a draining one is not listed (API reference, DeleteService)."""
        chosen = (params.get(name) for name in ("schedulingStrategy", "launchType"))
        arns = hooks.backend("ecs").list_services(params.get("cluster", "default"), *chosen)
        known = self._scheduler.services
        return {"serviceArns": [arn for arn in arns if known[arn].service.status == "ACTIVE"]}

    def _list_tasks(self, params: hooks.Params) -> hooks.Params:
        wanted = params.get("desiredStatus", "RUNNING")
        found = [
            shown
            for shown in self._tasks(params.get("cluster", "default"))
            if shown.desired_status == wanted and _chosen(shown, params)
        ]
        return {"taskArns": [shown.task_arn for shown in found]}

    def _describe_tasks(self, params: hooks.Params) -> hooks.Params:
        known = {shown.id: shown for shown in self._tasks(params.get("cluster", "default"))}
        found, failures = [], []
        for name in params["tasks"]:
            shown = known.get(str(name).rsplit("/", 1)[-1])
            if shown is None:
                failures.append({"arn": name, "reason": "MISSING"})
            else:
                found.append(_written(shown, "TAGS" in params.get("include", [])))
        return {"tasks": found, "failures": failures}

    def _run_task(self, params: hooks.Params) -> hooks.Params:
        record, definition = records.asked_by_run_task(params)
        count, who = int(params.get("count") or 1), str(params.get("startedBy") or "")
        made = self._scheduler.run(record, definition, count, who)
        return {"tasks": [_written(task, False) for task in made], "failures": []}

    def _stop_task(self, params: hooks.Params) -> hooks.Params:
        task = str(params["task"]).rsplit("/", 1)[-1]
        for managed in list(self._scheduler.all.values()):
            if task in managed.shown:
                reason = params.get("reason") or "Task stopped by user"
                self._scheduler.act(managed, ecs_state.StopAsked(task, reason))
                return {"task": _written(managed.shown[task], False)}
        raise hooks.Refused("InvalidParameterException", "The referenced task was not found.")

    def _list_deployments(self, params: hooks.Params) -> hooks.Params:
        managed, at = self._service(params), self._scheduler.at
        rows = [brief_deployment(managed.record, each, at) for each in managed.service.history]
        wanted = params.get("status")
        return {
            "serviceDeployments": [row for row in rows if not wanted or row["status"] in wanted]
        }

    def _history(self) -> Iterator[tuple[Managed, Deployment]]:
        for managed in self._scheduler.services.values():
            for deployment in managed.service.history:
                yield managed, deployment

    def _stop_deployment(self, params: hooks.Params) -> hooks.Params:
        """Request a rollback. The API has ABORT, too, but its reference calls only ROLLBACK valid.

        AWS does not document the messages of these errors.
        """
        arn, how = str(params["serviceDeploymentArn"]), params.get("stopType", "ROLLBACK")
        if how != "ROLLBACK":
            raise hooks.Refused("InvalidParameterException", f"stopType {how} is not supported.")
        managed, deployment = self._deployment(arn)
        state, _ = deployment_status(deployment)
        if state not in STOPPABLE:
            raise hooks.Refused(
                "ConflictException", f"A service deployment in state {state} cannot be stopped."
            )
        self._scheduler.act(managed, ecs_state.RollbackAsked(deployment.id))
        return {"serviceDeploymentArn": arn}

    def _continue_deployment(self, params: hooks.Params) -> hooks.Params:
        """Answer a pause hook. AWS does not document the messages of these errors."""
        arn, hook = str(params["serviceDeploymentArn"]), str(params["hookId"])
        managed, deployment = self._deployment(arn)
        state, _ = deployment_status(deployment)
        if state != "IN_PROGRESS" or hook not in {each.id for each in stages.awaiting(deployment)}:
            words = f"The hook {hook} of a service deployment in state {state} does not await an action."
            raise hooks.Refused("InvalidParameterException", words)
        action = str(params.get("action") or "CONTINUE")
        self._scheduler.act(managed, ecs_state.HookAnswered(deployment.id, hook, action))
        return {"serviceDeploymentArn": arn}

    def _deployment(self, arn: str) -> tuple[Managed, Deployment]:
        for managed, deployment in self._history():
            if deployment_arn(managed.record, deployment) == arn:
                return managed, deployment
        raise hooks.Refused(
            "ServiceDeploymentNotFoundException", "The service deployment was not found."
        )

    def _picked(
        self,
        noun: str,
        arn_of: Callable[[Any, Deployment], str],
        describe: Callable[[Managed, Deployment, At], hooks.Params],
        params: hooks.Params,
    ) -> hooks.Params:
        """Describe those deployments or revisions whose ARNs the call names."""
        known = {arn_of(pair[0].record, pair[1]): pair for pair in self._history()}
        asked, at = params[f"{noun}Arns"], self._scheduler.at
        return {
            f"{noun}s": [describe(*known[arn], at) for arn in asked if arn in known],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn in asked if arn not in known],
        }

    def _service(self, params: hooks.Params) -> Managed:
        ecs = hooks.backend("ecs")
        name = str(params["service"]).rsplit("/", 1)[-1]
        record = ecs._get_service(params.get("cluster", "default"), name)
        managed = self._scheduler.services.get(record.arn)
        if managed is None:
            raise hooks.Refused("ServiceNotFoundException", "Service not found.")
        return managed

    def _tasks(self, cluster: str) -> list[TaskRecord]:
        ecs = hooks.backend("ecs")
        name = ecs._get_cluster(cluster).name
        return [
            shown for shown in ecs.tasks.get(name, {}).values() if hasattr(shown, "last_status")
        ]


def _chosen(shown: TaskRecord, params: hooks.Params) -> bool:
    service = params.get("serviceName")
    if service and shown.group != f"service:{str(service).rsplit('/', 1)[-1]}":
        return False
    family = params.get("family")
    if family and shown.task_definition_arn.rsplit("/", 1)[-1].split(":")[0] != family:
        return False
    started_by = params.get("startedBy")
    return not started_by or shown.started_by == started_by


def _written(shown: TaskRecord, with_tags: bool) -> Any:
    copy = TaskRecord(**vars(shown))
    if not with_tags:
        copy.tags = []
    return copy
