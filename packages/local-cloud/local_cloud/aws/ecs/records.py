"""Services and tasks in moto's objects: reads what was declared and writes the scheduler's state."""

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from botocore import xform_name

from local_cloud.aws import hooks
from local_cloud.aws.ecs.placement import ContainerState, Placement, health_of
from local_cloud.aws.ecs.shifting import BREAKS, steps_of
from local_cloud.aws.ecs.stages import pauses_of
from local_cloud.aws.ecs.state import Alarms, Breaker, Deployment, Revision, Service, Settings, Task

NEWEST_EVENTS = 100
WAITING = ("PROVISIONING", "PENDING")

At = Callable[[float | None], datetime | None]
"""Converts AWS seconds on the clock to AWS's date and time."""


class TaskRecord(SimpleNamespace):
    """A task in moto's table. moto serializes every attribute that has a name of the API."""

    def advance(self) -> None:
        """Do nothing: moto would change a task's state when it is described."""


def asked_by_run_task(params: hooks.Params) -> tuple[Any, Any]:
    """Return RunTask's settings, in the form of a service's record, and its task definition.

    The definition is a copy with the overrides.
    """
    ecs = hooks.backend("ecs")
    cluster = ecs._get_cluster(params.get("cluster", "default"))
    definition = copy(ecs.describe_task_definition(params["taskDefinition"]))
    overrides = params.get("overrides") or {}
    definition.container_definitions = list(_overridden(definition, overrides))
    record = SimpleNamespace(
        name="",
        cluster_name=cluster.name,
        cluster_arn=cluster.arn,
        launch_type=params.get("launchType") or "FARGATE",
        enable_execute_command=bool(params.get("enableExecuteCommand")),
        network_configuration=params["networkConfiguration"],
        load_balancers=[],
        propagate_tags=params.get("propagateTags") or "NONE",
        tags=params.get("tags") or [],
        group=params.get("group"),
        capacity_provider_strategy=params.get("capacityProviderStrategy"),
        overrides={"inferenceAcceleratorOverrides": [], "containerOverrides": [], **overrides},
    )
    return record, definition


def _overridden(definition: Any, overrides: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the containers with RunTask's overrides, without ports: they get no requests."""
    given = {override["name"]: override for override in overrides.get("containerOverrides") or ()}
    for container in definition.container_definitions:
        mine = given.get(container["name"], {})
        variables = {
            variable["name"]: variable
            for variable in [*container["environment"], *(mine.get("environment") or ())]
        }
        changes = {"environment": list(variables.values()), "portMappings": []}
        changes |= {"command": mine["command"]} if mine.get("command") else {}
        yield {**container, **changes}


def pending_record(
    service: Service, task: Task, definition: Any, record: Any, at: At
) -> TaskRecord:
    """Return an accepted task without a placement, in moto's form."""
    account, region = record.cluster_arn.split(":")[4], record.cluster_arn.split(":")[3]
    return TaskRecord(
        id=task.id,
        task_arn=f"arn:aws:ecs:{region}:{account}:task/{record.cluster_name}/{task.id}",
        cluster_arn=record.cluster_arn,
        task_definition_arn=definition.arn,
        group=_group(service, definition, record),
        started_by=task.deployment,
        launch_type=record.launch_type,
        last_status=task.status,
        desired_status=task.desired,
        health_status="UNKNOWN",
        cpu=definition.cpu,
        memory=definition.memory,
        created_at=at(task.created_at),
        overrides=getattr(
            record, "overrides", {"containerOverrides": [], "inferenceAcceleratorOverrides": []}
        ),
        containers=[],
        attachments=[],
        tags=[],
        version=1,
    )


def _group(service: Service, definition: Any, record: Any) -> str:
    """Return a task's group: its service, that of RunTask, or its family (API reference, RunTask)."""
    own = f"service:{service.name}" if service.name else record.group
    return own or f"family:{definition.family}"


def publish_service(service: Service, record: Any, at: At) -> None:
    record.status = service.status
    record.desired_count = service.settings.desired if service.status == "ACTIVE" else 0
    record.running_count = _running(service.tasks)
    record.pending_count = _pending(service.tasks)
    record.deployments = [_deployment(service, each, record, at) for each in service.deployments]
    record.events = [
        {"id": _uuid(event.id), "createdAt": at(event.at), "message": event.message}
        for event in reversed(service.events[-NEWEST_EVENTS:])
    ]
    # AWS does not document the service's own network and load balancers after a rollback. They
    # stay as last requested. The service's deployments and tasks have those of their revision.
    if service.deployments:
        record.task_definition = service.primary.revision.task_definition


def of_revision(record: Any, revision: Revision) -> dict[str, Any]:
    """Return what ECS describes alike of a deployment and of its service revision."""
    chosen: dict[str, Any] = {"launchType": record.launch_type}
    if revision.providers:
        chosen = {"capacityProviderStrategy": list(revision.providers)}
    return {
        "taskDefinition": revision.task_definition,
        "networkConfiguration": revision.network,
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        **chosen,
    }


def _deployment(service: Service, deployment: Deployment, record: Any, at: At) -> dict[str, Any]:
    mine = [task for task in service.tasks if task.deployment == deployment.id]
    return of_revision(record, deployment.revision) | {
        "id": deployment.id,
        "status": deployment.status,
        "desiredCount": deployment.desired,
        "pendingCount": _pending(mine),
        "runningCount": _running(mine),
        "failedTasks": deployment.failed_tasks,
        "createdAt": at(deployment.created_at),
        "updatedAt": at(deployment.updated_at),
        "rolloutState": deployment.rollout,
        "rolloutStateReason": deployment.reason,
    }


def _running(tasks: list[Task]) -> int:
    return sum(task.status == "RUNNING" for task in tasks)


def _pending(tasks: list[Task]) -> int:
    return sum(task.status in WAITING and task.desired == "RUNNING" for task in tasks)


def _uuid(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def make_record(
    service: Service, task: Task, placement: Placement, record: Any, at: At
) -> TaskRecord:
    """Return a task with its placement, in moto's form."""
    definition, interface = placement.definition, placement.interface
    attachment = _uuid(f"{placement.task[::-1]}")
    details = {
        "subnetId": interface.subnet.id,
        "networkInterfaceId": interface.id,
        "macAddress": interface.mac_address,
        "privateDnsName": f"ip-{placement.private_address.replace('.', '-')}",
        "privateIPv4Address": placement.private_address,
    }
    shown = pending_record(service, task, definition, record, at)
    vars(shown).update(
        capacity_provider_name=_provider(task),
        platform_version="1.4.0",
        platform_family="Linux",
        availability_zone=placement.zone,
        connectivity="CONNECTED",
        connectivity_at=at(task.created_at),
        enable_execute_command=record.enable_execute_command,
        ephemeral_storage=definition.ephemeral_storage or {"sizeInGiB": 20},
        attributes=[{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        container_instance_arn=None,
        resource_requirements={},
        tags=_tags(record, definition),
        attachments=[
            {
                "id": attachment,
                "type": "ElasticNetworkInterface",
                "status": "PRECREATED",
                "details": [{"name": key, "value": value} for key, value in details.items()],
            }
        ],
        attachment=attachment,
    )
    return shown


def _provider(task: Task) -> str | None:
    """Return the task's capacity provider. A strategy with several would spread the tasks; none is declared."""
    strategy = task.revision.providers
    return str(strategy[0]["capacityProvider"]) if strategy else None


def publish_task(task: Task, placement: Placement | None, shown: TaskRecord, at: At) -> None:
    """Update a task in moto's form, also one without a placement."""
    shown.last_status, shown.desired_status = task.status, task.desired
    shown.stop_code, shown.stopped_reason = task.stop_code, task.stopped_reason
    if placement is None:
        shown.stopped_at = at(task.stopped_at)
        return
    shown.health_status = health_of(placement)
    shown.started_at, shown.stopping_at = at(task.started_at), at(task.stopping_at)
    shown.pull_started_at = shown.pull_stopped_at = at(task.started_at)
    shown.stopped_at, shown.execution_stopped_at = at(task.stopped_at), at(task.stopped_at)
    gone = task.status == "STOPPED"
    attached = "ATTACHED" if task.status != "PROVISIONING" else "ATTACHING"
    shown.attachments[0]["status"] = "DELETED" if gone else attached
    known = placement.containers or [
        ContainerState.declared(each) for each in placement.definition.container_definitions
    ]
    shown.containers = [_container(container, placement, shown, gone) for container in known]


def _container(
    state: ContainerState, placement: Placement, shown: TaskRecord, gone: bool
) -> dict[str, Any]:
    found = {
        "containerArn": f"{placement.arn.replace(':task/', ':container/')}/{_uuid(placement.task)}",
        "taskArn": placement.arn,
        "name": state.name,
        "image": state.image,
        "imageDigest": state.digest,
        "runtimeId": f"{placement.task}-{state.pid}" if state.pid else None,
        "lastStatus": "STOPPED" if gone else state.status,
        "exitCode": state.exit_code,
        "reason": state.reason,
        "networkBindings": [],
        "networkInterfaces": [
            {"attachmentId": shown.attachment, "privateIpv4Address": placement.private_address}
        ],
        "healthStatus": state.health,
        "cpu": "0",
    }
    if shown.enable_execute_command:
        found["managedAgents"] = [_exec_agent(state, gone)]
    return {key: value for key, value in found.items() if value is not None}


def _exec_agent(state: ContainerState, gone: bool) -> dict[str, str]:
    """Return ECS Exec's agent, which ECS runs beside the container's process."""
    status = "STOPPED" if gone else "RUNNING" if state.status == "RUNNING" else "PENDING"
    return {"name": "ExecuteCommandAgent", "lastStatus": status}


def _tags(record: Any, definition: Any) -> list[dict[str, str]]:
    """Return a task's tags: those that are propagated, and RunTask's own, which win (API reference, RunTask)."""
    source = {"SERVICE": record.tags, "TASK_DEFINITION": definition.tags}
    found = [*source.get(record.propagate_tags, []), *(() if record.name else record.tags)]
    return list({tag["key"]: dict(tag) for tag in found}.values())


DEPLOYMENT = {
    "alarms": {"alarmNames": [], "enable": False, "rollback": False},
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}
KEPT = {
    name: xform_name(name)
    for name in (
        *("capacityProviderStrategy", "placementConstraints", "placementStrategy"),
        *("healthCheckGracePeriodSeconds", "enableECSManagedTags", "enableExecuteCommand"),
        *("availabilityZoneRebalancing", "propagateTags", "platformVersion"),
        *("networkConfiguration", "loadBalancers", "serviceRegistries"),
    )
}
"""The API's members that moto drops or does not update, and the attributes from which it serializes them."""
ROLLING = ("networkConfiguration", "platformVersion", "loadBalancers", "serviceRegistries")
"""A change of these starts a new deployment (API reference, UpdateService)."""


def create_service(params: hooks.Params) -> Any:
    """Let moto create the service, and keep the members that it drops."""
    service = hooks.backend("ecs").create_service(
        cluster_str=params.get("cluster", "default"),
        service_name=params["serviceName"],
        desired_count=params.get("desiredCount"),
        task_definition_str=params.get("taskDefinition"),
        scheduling_strategy=params.get("schedulingStrategy"),
        tags=params.get("tags"),
        deployment_controller=params.get("deploymentController"),
        launch_type=params.get("launchType")
        or ("FARGATE" if "capacityProviderStrategy" in params else None),
        role_arn=params.get("role"),
    )
    service.request = params
    if service.launch_type == "FARGATE":
        service.platform_version = "LATEST"
    service.platform_family = "Linux"
    service.deployment_configuration = dict(DEPLOYMENT)
    service.availability_zone_rebalancing = "ENABLED"
    service.enable_execute_command = service.enable_ecs_managed_tags = False
    service.health_check_grace_period_seconds = 0 if params.get("loadBalancers") else None
    keep_settings(service, params)
    return service


def keep_settings(service: Any, params: hooks.Params) -> bool:
    """Store changed members and return whether one of them starts a new deployment."""
    rolls = False
    for name, attribute in KEPT.items():
        if params.get(name) is not None:
            changed = getattr(service, attribute, None) != params[name]
            rolls = rolls or (changed and name in ROLLING)
            setattr(service, attribute, params[name])
    if params.get("desiredCount") is not None:
        service.desired_count = params["desiredCount"]
    given = params.get("deploymentConfiguration")
    if given:
        service.deployment_configuration = {**service.deployment_configuration, **given}
    return rolls


def settings_of(service: Any) -> Settings:
    declared = service.deployment_configuration
    return Settings(
        desired=int(service.desired_count),
        minimum_percent=int(declared["minimumHealthyPercent"]),
        maximum_percent=int(declared["maximumPercent"]),
        grace=float(service.health_check_grace_period_seconds or 0),
        breaker=_breaker(declared["deploymentCircuitBreaker"])
        if declared["strategy"] in BREAKS
        else Breaker(),
        steps=steps_of(declared),
        pauses=pauses_of(declared),
        alarms=_alarms(declared),
    )


def _alarms(declared: Mapping[str, Any]) -> Alarms:
    alarms = declared["alarms"]
    # The other strategies have the bake time before the old tasks stop, as their last step.
    bake = declared["bakeTimeInMinutes"] if declared["strategy"] == "ROLLING" else 0
    return Alarms(
        names=frozenset(alarms["alarmNames"] if alarms["enable"] else ()),
        rollback=bool(alarms["rollback"]),
        bake=60.0 * int(bake),
    )


def _breaker(declared: Mapping[str, Any]) -> Breaker:
    limit = declared.get("thresholdConfiguration") or {}
    return Breaker(
        enable=bool(declared.get("enable")),
        rollback=bool(declared.get("rollback")),
        kind=str(limit.get("type", "BOUNDED_PERCENT")),
        value=int(limit.get("value", 50)),
        reset_on_healthy=bool(declared.get("resetOnHealthyTask", True)),
    )


def revision_of(service: Any, definition: Any) -> Revision:
    """Return the revision with this task definition and the service's current settings."""
    checks = any(
        container.get("healthCheck")
        and container.get("essential", True)
        and container["healthCheck"].get("command", ["NONE"])[0] != "NONE"
        for container in definition.container_definitions
    )
    return Revision(
        task_definition=str(definition.arn),
        checks_health=checks,
        network=service.network_configuration or {},
        load_balancers=tuple(service.load_balancers or ()),
        providers=tuple(getattr(service, "capacity_provider_strategy", None) or ()),
    )
