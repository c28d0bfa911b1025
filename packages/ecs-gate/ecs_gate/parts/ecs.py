"""Read the ECS service with its scaling activities, its tasks and their task definitions."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ecs_gate.aws.session import Session
from ecs_gate.parts.records import (
    Container,
    ContainerHealth,
    Definition,
    Deployment,
    PauseHook,
    Service,
    ServiceEvent,
    Sidecar,
    Task,
    Traffic,
    short,
)
from ecs_gate.target import Names

SPOT = "FARGATE_SPOT"

UNDONE = ("ROLLBACK", "STOP")
"""How the status of a service deployment begins that ECS or a person has given up (botocore)."""

GOING = ("PENDING", "IN_PROGRESS")
"""The statuses of a service deployment that goes on (botocore)."""

REVISIONS_AT_ONCE = 20
"""DescribeServiceRevisions takes no more (botocore)."""

TASKS_AT_ONCE = 100
"""DescribeTasks takes no more (botocore)."""


def service(session: Session, names: Names) -> Service | None:
    """Return the service, or None. Raises AwsProblem, also of kind "missing" without the cluster."""
    raw = described_service(session, names)
    if raw is None:
        return None
    known = service_of(raw)
    primary = known.primary
    if known.strategy == "ROLLING" or primary is None or primary.rollout != "IN_PROGRESS":
        return known
    return replace(known, traffic=_traffic(session, names))


def described_service(session: Session, names: Names) -> dict[str, Any] | None:
    """Return DescribeServices' item, or None. Raises AwsProblem, also of kind "missing" without the cluster."""
    known = [names.service]
    answer = session.call("ecs", "describe_services", cluster=names.cluster, services=known)
    return next((each for each in answer["services"] if each["status"] != "INACTIVE"), None)


def services(session: Session, cluster: str) -> list[str]:
    """Return the names of the services that a cluster has. Raises AwsProblem."""
    return [
        short(arn) for arn in session.all("ecs", "list_services", "serviceArns", cluster=cluster)
    ]


def service_of(raw: dict[str, Any]) -> Service:
    made = raw.get("deployments") or raw.get("taskSets") or [{}]
    network = raw.get("networkConfiguration") or made[0].get("networkConfiguration") or {}
    vpc = network.get("awsvpcConfiguration") or {}
    deployment = raw.get("deploymentConfiguration") or {}
    advanced = (balancer.get("advancedConfiguration") for balancer in raw.get("loadBalancers", ()))
    return Service(
        status=raw["status"],
        desired=raw["desiredCount"],
        running=raw["runningCount"],
        pending=raw["pendingCount"],
        definition=raw.get("taskDefinition", ""),
        deployments=tuple(_deployment(each) for each in raw.get("deployments", ())),
        events=tuple(
            ServiceEvent(event["createdAt"], event["message"], event["id"])
            for event in raw.get("events", ())
        ),
        subnets=tuple(vpc.get("subnets") or ()),
        groups=tuple(vpc.get("securityGroups") or ()),
        public_ip=vpc.get("assignPublicIp") == "ENABLED",
        grace=raw.get("healthCheckGracePeriodSeconds") or 0,
        targets=tuple(
            (each["targetGroupArn"], each.get("containerName", ""), each.get("containerPort", 0))
            for each in raw.get("loadBalancers", ())
            if each.get("targetGroupArn")
        ),
        maximum=deployment.get("maximumPercent", 200),
        strategy=deployment.get("strategy", "ROLLING"),
        # ECS always tells; an account in memory that does not is taken for one that has it on.
        breaker=(deployment.get("deploymentCircuitBreaker") or {}).get("enable", True),
        alternate=next(
            (arn for each in advanced if each and (arn := each.get("alternateTargetGroupArn"))), ""
        ),
        spot=_spot(raw.get("capacityProviderStrategy") or ()),
        fargate=on_fargate(raw),
        daemon=raw.get("schedulingStrategy") == "DAEMON",
    )


def on_fargate(raw: Mapping[str, Any]) -> bool:
    """Return whether each task of a service goes to Fargate, by DescribeServices' item.

    No other capacity provider has a name that begins so (ECS API reference, CreateCapacityProvider).
    """
    providers = [each["capacityProvider"] for each in raw.get("capacityProviderStrategy") or ()]
    if not providers:
        return bool(raw.get("launchType", "FARGATE") == "FARGATE")
    return all(provider.startswith("FARGATE") for provider in providers)


def _spot(strategy: Iterable[dict[str, Any]]) -> bool:
    """Return whether every task goes to Fargate Spot: the other providers have neither weight nor base."""
    used = {each["capacityProvider"] for each in strategy if each.get("weight") or each.get("base")}
    return used == {SPOT}


def _deployment(raw: dict[str, Any]) -> Deployment:
    return Deployment(
        id=raw["id"],
        status=raw["status"],
        definition=raw["taskDefinition"],
        desired=raw["desiredCount"],
        running=raw["runningCount"],
        pending=raw["pendingCount"],
        failed=raw.get("failedTasks", 0),
        rollout=raw.get("rolloutState", ""),
        reason=raw.get("rolloutStateReason", ""),
        created=raw["createdAt"],
        updated=raw["updatedAt"],
    )


def rollback_reason(session: Session, names: Names, definition: str) -> str:
    """Return why ECS stopped or rolled back the service's newest deployment; "" unless it was of that revision.

    DescribeServices does not tell: after a rollback to a service that differs in, say, its subnets
    alone it shows a completed deployment of that same revision. Raises AwsProblem.
    """
    rows = service_deployments(session, names)
    if not rows or not rows[0]["status"].startswith(UNDONE):
        return ""  # ECS keeps none from before October 2024
    if deployed_definition(session, rows[0]) not in ("", definition):
        return ""
    return str(rows[0].get("statusReason") or rows[0]["status"])


def groups_of(session: Session, revision: str) -> tuple[str, ...]:
    """Return the target groups of a service revision's tasks, by ARN; of one that shifts no requests none.

    Raises AwsProblem.
    """
    revisions = _revisions(session, [revision])
    resolved = [each.get("resolvedConfiguration") or {} for each in revisions]
    balancers = [balancer for one in resolved for balancer in one.get("loadBalancers", ())]
    return tuple(each["targetGroupArn"] for each in balancers if each.get("targetGroupArn"))


def service_deployment(session: Session, arn: str) -> Mapping[str, Any] | None:
    """Return DescribeServiceDeployments' item; None if ECS no longer has it. Raises AwsProblem."""
    answer = session.call("ecs", "describe_service_deployments", serviceDeploymentArns=[arn])
    return next(iter(answer["serviceDeployments"]), None)


def deployed_definition(session: Session, row: Mapping[str, Any]) -> str:
    """Return the task definition that a service deployment deploys; "" if ECS no longer has it."""
    revisions = _revisions(session, [row["targetServiceRevisionArn"]])
    return next((str(revision["taskDefinition"]) for revision in revisions), "")


def was_deployed(session: Session, names: Names, definition: str) -> bool:
    """Return whether ECS has ever deployed a task definition to the service, as far as it still tells.

    Where a command must succeed in a task of its own before the service gets a new task definition, this is the
    record of that success: a stopped task is forgotten after an hour. Raises AwsProblem.
    """
    rows = service_deployments(session, names)
    arns = list(dict.fromkeys(row["targetServiceRevisionArn"] for row in rows))
    return any(revision["taskDefinition"] == definition for revision in _revisions(session, arns))


def _revisions(session: Session, arns: list[str]) -> Iterator[Mapping[str, Any]]:
    """Yield DescribeServiceRevisions' items, without those that ECS no longer has. Raises AwsProblem."""
    for start in range(0, len(arns), REVISIONS_AT_ONCE):
        chosen = arns[start : start + REVISIONS_AT_ONCE]
        answer = session.call("ecs", "describe_service_revisions", serviceRevisionArns=chosen)
        yield from answer["serviceRevisions"]


def completed(session: Session, names: Names) -> bool:
    """Return whether ECS has completed the service's newest deployment and not gone back from it. Raises AwsProblem."""
    rows = service_deployments(session, names)
    return bool(rows) and rows[0]["status"] == "SUCCESSFUL"


def command_tasks(
    session: Session, names: Names, definition: str, started_by: str
) -> tuple[Task, ...]:
    """Return the tasks in which a command ran with a task definition before it was deployed, newest first.

    Of the stopped ones those of the last hour. Raises AwsProblem.
    """
    return tuple(
        each
        for each in tasks_of(session, names, family=names.family)
        if each.started_by == started_by and each.definition == definition
    )


def tasks_of(session: Session, names: Names, **chosen: str) -> tuple[Task, ...]:
    """Return the cluster's tasks that run or stopped within the hour, newest first. Raises AwsProblem.

    ``chosen`` is ListTasks' filter: a service or a family; without one all.
    """
    where = {"cluster": names.cluster, **chosen}
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in session.all("ecs", "list_tasks", "taskArns", desiredStatus=status, **where)
    ]
    tasks = [task_of(each) for each in described(session, names.cluster, arns)]
    return tuple(sorted(tasks, key=lambda each: str(each.created or ""), reverse=True))


def _traffic(session: Session, names: Names) -> Traffic | None:
    """Return the share of the requests that a deployment in progress has, and the hook at which it waits.

    None of a first deployment without a hook: it has nothing to shift.
    """
    rows = service_deployments(session, names)
    going = rows and rows[0]["status"] in GOING
    row = service_deployment(session, rows[0]["serviceDeploymentArn"]) if going else None
    hook = waiting_hook(row) if row else None
    if row and row.get("lifecycleStage") and (hook or row.get("sourceServiceRevisions")):
        weight = row["targetServiceRevision"].get("requestedProductionTrafficWeight", 0.0)
        return Traffic(row["lifecycleStage"], weight, hook)
    return None


def waiting_hook(row: Mapping[str, Any]) -> PauseHook | None:
    """Return the pause hook of DescribeServiceDeployments' item that waits for an answer."""
    for detail in row.get("lifecycleHookDetails", ()):
        if detail.get("targetType") == "PAUSE" and detail["status"] == "AWAITING_ACTION":
            return PauseHook(
                deployment=row["serviceDeploymentArn"],
                id=detail["hookId"],
                expires=detail.get("expiresAt"),
                first=not row.get("sourceServiceRevisions"),
            )
    return None


def answer_hook(session: Session, hook: PauseHook, action: str) -> None:
    """Let ECS go on with the deployment (CONTINUE), or back (ROLLBACK). Raises AwsProblem."""
    session.call(
        "ecs",
        "continue_service_deployment",
        serviceDeploymentArn=hook.deployment,
        hookId=hook.id,
        action=action,
    )


def service_deployments(session: Session, names: Names) -> list[Mapping[str, Any]]:
    """Return ListServiceDeployments' items, the newest first. Raises AwsProblem."""
    arguments = {"cluster": names.cluster, "service": names.service}
    rows: list[Mapping[str, Any]] = []
    while True:
        page = session.call("ecs", "list_service_deployments", **arguments)
        rows += page["serviceDeployments"]
        if not page.get("nextToken"):
            return sorted(rows, key=lambda row: row["createdAt"], reverse=True)
        arguments["nextToken"] = page["nextToken"]


def tasks(session: Session, names: Names) -> tuple[Task, ...]:
    """Return the service's running tasks and those that stopped within the hour, newest first. Raises AwsProblem."""
    return tasks_of(session, names, serviceName=names.service)


def task(session: Session, cluster: str, arn: str) -> Task | None:
    """Return one task, or None where ECS does not have it. Raises AwsProblem."""
    return next((task_of(each) for each in described(session, cluster, [arn])), None)


def described(session: Session, cluster: str, arns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield DescribeTasks' answers, without tasks that are deleted by now. Raises AwsProblem."""
    for start in range(0, len(arns), TASKS_AT_ONCE):
        chosen = arns[start : start + TASKS_AT_ONCE]
        yield from session.call("ecs", "describe_tasks", cluster=cluster, tasks=chosen)["tasks"]


def task_of(raw: dict[str, Any]) -> Task:
    details = {
        detail["name"]: detail["value"]
        for attachment in raw.get("attachments", ())
        for detail in attachment.get("details", ())
    }
    return Task(
        arn=raw["taskArn"],
        definition=raw["taskDefinitionArn"],
        started_by=raw.get("startedBy", ""),
        status=raw["lastStatus"],
        desired=raw["desiredStatus"],
        created=raw.get("createdAt"),
        started=raw.get("startedAt"),
        stopping=raw.get("stoppingAt"),
        stopped=raw.get("stoppedAt"),
        stop_code=raw.get("stopCode", ""),
        reason=raw.get("stoppedReason", ""),
        health=raw.get("healthStatus", "UNKNOWN"),
        containers=tuple(
            Container(container["name"], container.get("exitCode"), container.get("reason", ""))
            for container in raw.get("containers", ())
        ),
        address=details.get("privateIPv4Address", ""),
    )


def app_container(definition: Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any]:
    """Return the container of a task definition that is the app: one of ``names``, or the first that opens a port.

    Without either it is the first one.
    """
    containers: list[Mapping[str, Any]] = definition["containerDefinitions"]
    named = [container for container in containers if container["name"] in names]
    opening = [container for container in containers if container.get("portMappings")]
    return next(iter((*named, *opening, *containers)))


def definition(session: Session, name: str, app: str = "") -> Definition:
    """Return a task definition by ARN, or the newest active one of a family. Raises AwsProblem.

    ``app`` is the name of the container that is the app, as `app_container` takes it.
    """
    raw = session.call("ecs", "describe_task_definition", taskDefinition=name)["taskDefinition"]
    container = app_container(raw, {app})
    log = log_options(raw, container)
    platform = raw.get("runtimePlatform") or {}
    return Definition(
        arn=raw["taskDefinitionArn"],
        cpu=int(raw.get("cpu") or 0),
        # A task on an instance may have the container's alone.
        memory=int(raw.get("memory") or container.get("memory") or 0),
        architecture=platform.get("cpuArchitecture") or "X86_64",
        execution_role=raw.get("executionRoleArn") or "",
        task_role=raw.get("taskRoleArn") or "",
        image=container["image"],
        command=tuple(container.get("command", ())),
        # A mapping of a range of ports has no single one.
        ports=tuple(
            mapping["containerPort"]
            for mapping in container.get("portMappings", ())
            if "containerPort" in mapping
        ),
        environment={each["name"]: each["value"] for each in container.get("environment", ())},
        secrets={secret["name"]: secret["valueFrom"] for secret in container.get("secrets", ())},
        log_group=log.get("awslogs-group", ""),
        log_prefix=log.get("awslogs-stream-prefix", ""),
        creates_log_group=log.get("awslogs-create-group") == "true",
        container=container["name"],
        stop_timeout=container.get("stopTimeout") or 30,
        health=_health(container.get("healthCheck")),
        sidecars=tuple(
            _sidecar(raw, each) for each in raw["containerDefinitions"] if each is not container
        ),
        active=raw["status"] == "ACTIVE",
    )


def log_options(definition: Mapping[str, Any], container: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the options of a container's log driver; none of one that writes to another region."""
    region = definition["taskDefinitionArn"].split(":")[3]
    options: Mapping[str, str] = (container.get("logConfiguration") or {}).get("options") or {}
    return options if options.get("awslogs-region", region) == region else {}


def _sidecar(definition: Mapping[str, Any], container: Mapping[str, Any]) -> Sidecar:
    log = log_options(definition, container)
    return Sidecar(
        name=container["name"],
        essential=container.get("essential", True),
        log_group=log.get("awslogs-group", ""),
        log_prefix=log.get("awslogs-stream-prefix", ""),
    )


def _health(raw: dict[str, Any] | None) -> ContainerHealth | None:
    if not raw:
        return None
    return ContainerHealth(
        command=tuple(raw["command"]),
        interval=raw.get("interval") or 30,
        retries=raw.get("retries") or 3,
    )
