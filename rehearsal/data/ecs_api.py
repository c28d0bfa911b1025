"""The ECS calls that the scheduler answers in moto's place."""

from __future__ import annotations

from typing import Any

from rehearsal.control import hooks
from rehearsal.data import ecs_declared, ecs_deployments
from rehearsal.data import ecs_happenings as happen
from rehearsal.data.ecs_publish import TaskRecord
from rehearsal.data.hooking import Hooking
from rehearsal.data.managed import Managed
from rehearsal.data.scheduler import Scheduler


class EcsApi:
    """Service and task calls, answered from what really runs."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def start(self, hooking: Hooking) -> None:
        """Put the answers in."""
        answers = {
            "CreateService": self._create,
            "UpdateService": self._update,
            "DeleteService": self._delete,
            "ListTasks": self._list_tasks,
            "DescribeTasks": self._describe_tasks,
            "StopTask": self._stop_task,
            "ListServiceDeployments": self._list_deployments,
            "DescribeServiceDeployments": self._describe_deployments,
            "DescribeServiceRevisions": self._describe_revisions,
        }
        for action, answer in answers.items():
            hooking.instead("ecs", action, answer)

    def _create(self, params: hooks.Params) -> hooks.Params:
        name = f"{str(params.get('cluster', 'default')).rsplit('/', 1)[-1]}/{params['serviceName']}"
        for arn, managed in self._scheduler.services.items():
            if arn.endswith(f":service/{name}") and managed.core.status == "DRAINING":
                raise hooks.Refused(
                    "InvalidParameterException",
                    "Unable to Start a service that is still Draining.",
                )
        record = ecs_declared.create(params)
        managed = self._scheduler.adopt(record)
        return {"service": managed.record}

    def _update(self, params: hooks.Params) -> hooks.Params:
        managed = self._service(params)
        if managed.core.status != "ACTIVE":
            raise hooks.Refused("ServiceNotActiveException", "Service was not ACTIVE.")
        record, core = managed.record, managed.core
        now = core.primary.revision.task_definition
        ecs = hooks.backend("ecs")
        definition = ecs.describe_task_definition(params.get("taskDefinition") or now)
        rolls = ecs_declared.keep(record, params)
        rolls = rolls or bool(params.get("forceNewDeployment")) or definition.arn != now
        revision = ecs_declared.revision_of(record, definition) if rolls else None
        settings = ecs_declared.settings_of(record)
        self._scheduler.act(managed, happen.Updated(settings, revision))
        return {"service": record}

    def _delete(self, params: hooks.Params) -> hooks.Params:
        managed = self._service(params)
        if managed.core.settings.desired > 0 and not params.get("force"):
            raise hooks.Refused(
                "InvalidParameterException",
                "The service cannot be stopped while it is scaled above 0.",
            )
        self._scheduler.act(managed, happen.Deleted())
        return {"service": managed.record}

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

    def _stop_task(self, params: hooks.Params) -> hooks.Params:
        task = str(params["task"]).rsplit("/", 1)[-1]
        for managed in self._scheduler.services.values():
            if task in managed.shown:
                reason = params.get("reason") or "Task stopped by user"
                self._scheduler.act(managed, happen.StopAsked(task, reason))
                return {"task": _written(managed.shown[task], False)}
        raise hooks.Refused("InvalidParameterException", "The referenced task was not found.")

    def _list_deployments(self, params: hooks.Params) -> hooks.Params:
        managed, at = self._service(params), self._scheduler.at
        rows = [ecs_deployments.brief(managed.record, each, at) for each in managed.core.history]
        wanted = params.get("status")
        return {
            "serviceDeployments": [row for row in rows if not wanted or row["status"] in wanted]
        }

    def _describe_deployments(self, params: hooks.Params) -> hooks.Params:
        rows = {}
        for managed in self._scheduler.services.values():
            for each in managed.core.history:
                arn = ecs_deployments.arn(managed.record, each)
                rows[arn] = ecs_deployments.full(
                    managed.core, managed.record, each, self._scheduler.at
                )
        return _picked("serviceDeployments", rows, params["serviceDeploymentArns"])

    def _describe_revisions(self, params: hooks.Params) -> hooks.Params:
        rows = {}
        for managed in self._scheduler.services.values():
            for each in managed.core.history:
                arn = ecs_deployments.revision_arn(managed.record, each)
                rows[arn] = ecs_deployments.revision(managed.record, each, self._scheduler.at)
        return _picked("serviceRevisions", rows, params["serviceRevisionArns"])

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


def _picked(name: str, rows: dict[str, hooks.Params], wanted: list[str]) -> hooks.Params:
    missing = [arn for arn in wanted if arn not in rows]
    return {
        name: [rows[arn] for arn in wanted if arn in rows],
        "failures": [{"arn": arn, "reason": "MISSING"} for arn in missing],
    }
