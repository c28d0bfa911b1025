"""Reads the state of one roll-out from ECS and Elastic Load Balancing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tools.aws.errors import AwsProblem
from tools.aws.session import Session
from tools.snapshot import ecs, elb
from tools.snapshot.elb import Target
from tools.snapshot.records import Deployment, Event, PauseHook, Service, Task, short


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The task definition revision that this update deploys, with its service and target group, by ARN."""

    cluster: str
    service: str
    definition: str
    target_group: str
    page_url: str = ""
    """The output ``pageUrl``."""

    @property
    def revision(self) -> str:
        """Return family and number, like `careapp-poc:7`."""
        return short(self.definition)


@dataclass(frozen=True, kw_only=True)
class View:
    """The service at one moment, with its running and stopped tasks and its registered targets."""

    service: Service
    tasks: tuple[Task, ...] = ()
    targets: tuple[Target, ...] = ()
    rollback_reason: str = ""
    """The reason of a rollback to the same revision: of a deployment that changed the service alone."""

    @property
    def desired(self) -> int:
        """Return the desired count of the service."""
        return self.service.desired

    @property
    def events(self) -> list[Event]:
        """Return the events of the service, the oldest first."""
        return sorted(self.service.events, key=lambda event: event.at)

    @property
    def primary(self) -> Deployment | None:
        """Return the PRIMARY deployment."""
        return self.service.primary

    def of(self, definition: str) -> Deployment | None:
        """Return the newest deployment of a revision."""
        mine = [each for each in self.service.deployments if each.definition == definition]
        return max(mine, key=lambda each: (each.primary, each.created), default=None)

    def running(self, definition: str) -> list[Task]:
        """Return the running tasks of a revision that ECS is not stopping."""
        tasks = [task for task in self.tasks if task.definition == definition]
        return [task for task in tasks if task.status == "RUNNING" and not task.over]

    def started(self, definition: str) -> list[Task]:
        """Return the tasks that the newest deployment of a revision started."""
        mine = self.of(definition)
        return [task for task in self.tasks if mine is not None and task.started_by == mine.id]

    def failed(self, definition: str) -> list[Task]:
        """Return those of them that failed or that ECS is replacing.

        ECS starts the replacement of an unhealthy task before it stops the task, where the maximum
        percent has room for both (ECS API reference, DeploymentConfiguration, maximumPercent).
        Within the grace period it starts none.
        """
        started = self.started(definition)
        active = [task for task in started if not task.over]
        unhealthy = {target.address for target in self.targets if target.state == "unhealthy"}
        spare = len(active) > self.desired
        return [task for task in started if task.failed] + [
            task for task in active if spare and task.address in unhealthy
        ]

    def serving(self, definition: str) -> int:
        """Return how many running tasks of a revision are healthy in the target group."""
        return sum(self._serves(task) for task in self.running(definition))

    def hook(self, definition: str) -> PauseHook | None:
        """Return the hook at which the deployment of a revision waits."""
        mine, traffic = self.of(definition), self.service.traffic
        return traffic.hook if traffic and mine is not None and mine.primary else None

    def bakes(self, definition: str) -> bool:
        """Return whether every task of a revision serves, and ECS still watches its deployment."""
        mine, desired = self.of(definition), self.desired
        if mine is None or not mine.primary or mine.rollout != "IN_PROGRESS" or mine.pending:
            return False
        shifted = self.service.traffic is not None and self.service.traffic.stage == "BAKE_TIME"
        alone = shifted or self.service.running == desired
        return alone and 0 < desired == self.serving(definition)

    def _serves(self, task: Task) -> bool:
        # ECS says UNKNOWN of a container without a health check of its own.
        return task.health != "UNHEALTHY" and any(
            target.address == task.address and target.state == "healthy" for target in self.targets
        )


def look(session: Session, expected: Expected) -> View | None:
    """Read the roll-out; None where there is no ACTIVE service. Raises AwsProblem."""
    named = {"cluster": expected.cluster, "services": [expected.service]}
    try:
        found = session.call("ecs", "describe_services", **named)["services"]
    except AwsProblem as problem:
        if problem.kind == "missing":  # the cluster, too
            return None
        raise
    if not found or found[0]["status"] != "ACTIVE":
        return None
    service = ecs.with_traffic(session, expected.cluster, ecs.service_of(found[0]))
    groups = dict.fromkeys(
        [expected.target_group, *(service.target_groups if service.alternate else ())]
    )
    view = View(
        service=service,
        tasks=_tasks(session, expected),
        targets=elb.targets(session, *groups),
    )
    mine = view.of(expected.definition)
    if mine is None or not mine.primary or mine.rollout != "COMPLETED":
        return view
    where = {"cluster": expected.cluster, "service": expected.service}
    return replace(view, rollback_reason=ecs.rollback_reason(session, where, expected.definition))


def _tasks(session: Session, expected: Expected) -> tuple[Task, ...]:
    named = {"cluster": expected.cluster, "serviceName": short(expected.service)}
    # ECS lists a task that stops, and one that has stopped within the hour, only when asked for it.
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in session.all("ecs", "list_tasks", "taskArns", desiredStatus=status, **named)
    ]
    return tuple(map(ecs.task_of, ecs.described(session, expected.cluster, arns)))


def is_deregistered(session: Session, definition: str) -> bool:
    """Return whether a revision is INACTIVE: ECS does not deploy it any more (ECS API, UpdateService)."""
    try:
        answer = session.call("ecs", "describe_task_definition", taskDefinition=definition)
    except AwsProblem as problem:
        if problem.kind == "missing":
            return True
        raise
    return bool(answer["taskDefinition"]["status"] != "ACTIVE")
