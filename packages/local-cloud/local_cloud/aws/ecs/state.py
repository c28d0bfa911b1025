"""The service scheduler's records, events and actions, without threads, sockets and moto."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_cloud.aws.ecs import launch_rate

PROVISIONING_SECONDS = 10.0
"""AWS seconds until a task's network interface is attached."""
PENDING_SECONDS = 15.0
"""AWS seconds until a small image is pulled and its container created."""
DEPROVISIONING_SECONDS = 15.0
"""AWS seconds until a stopped task's network interface is deleted.

With these three, a task that crashes at once is started again every 40 s. Measured on AWS: 51 s.
"""
UNCHECKED_SECONDS = 40.0
"""AWS seconds until a task without any health check counts as healthy (API reference, DeploymentConfiguration)."""

UP = frozenset({"PROVISIONING", "PENDING", "RUNNING"})


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """The declared deployment circuit breaker."""

    enable: bool = False
    rollback: bool = False
    kind: str = "BOUNDED_PERCENT"
    value: int = 50
    reset_on_healthy: bool = True

    def threshold(self, desired: int) -> int:
        """Return how many failed tasks fail a deployment (API reference, ServiceDeploymentCircuitBreaker)."""
        if self.kind == "COUNT":
            return self.value
        share = math.ceil(desired * self.value / 100)
        return min(200, max(3, share)) if self.kind == "BOUNDED_PERCENT" else max(share, 1)


@dataclass(frozen=True)
class Step:
    """A share of the requests in percent that new tasks get, and the AWS seconds that follow."""

    percent: int
    wait: float


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A declared pause hook: its lifecycle stages, and the AWS seconds after which ECS takes which action."""

    stages: frozenset[str]
    wait: float
    action: str


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """The declared deployment alarms. ``bake`` is in AWS seconds."""

    names: frozenset[str] = frozenset()
    rollback: bool = False
    bake: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A service's settings except its revision. Times are in AWS seconds.

    ``steps`` are those of a strategy that shifts requests between two target groups, else empty.
    """

    desired: int
    minimum_percent: int = 100
    maximum_percent: int = 200
    grace: float = 0.0
    breaker: Breaker = field(default_factory=Breaker)
    alarms: Alarms = field(default_factory=Alarms)
    steps: tuple[Step, ...] = ()
    pauses: tuple[Pause, ...] = ()

    @property
    def lower(self) -> int:
        """Return the minimum of healthy tasks during a deployment."""
        return math.ceil(self.desired * self.minimum_percent / 100)

    @property
    def upper(self) -> int:
        """Return the maximum of pending and running tasks."""
        return math.floor(self.desired * self.maximum_percent / 100)


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A service revision, as it was declared when its deployment began. A rollback restores all of it.

    Networks, load balancers and providers are in the API's form (ECS Developer Guide, "Properties
    included in an Amazon ECS service revision"). ``checks_health`` is whether an essential
    container has a health check. ``group`` is the one of two target groups that its tasks are in.
    """

    task_definition: str
    checks_health: bool = False
    network: Mapping[str, Any] = field(default_factory=dict)
    load_balancers: tuple[Mapping[str, Any], ...] = ()
    providers: tuple[Mapping[str, Any], ...] = ()
    group: str = ""

    @property
    def ports(self) -> dict[str, int]:
        """Return the container port that its tasks register, by target group."""
        return {
            self.group or str(balancer["targetGroupArn"]): int(balancer["containerPort"])
            for balancer in self.load_balancers
            if "targetGroupArn" in balancer
        }


@dataclass(kw_only=True)
class Task:
    """A task of a service. Times are AWS seconds on the clock."""

    id: str
    deployment: str
    revision: Revision
    created_at: float
    status: str = "PROVISIONING"
    desired: str = "RUNNING"
    since: float = 0.0
    launching: bool = False
    started_at: float | None = None
    stopping_at: float | None = None
    stopped_at: float | None = None
    targets: dict[str, tuple[str, str]] = field(default_factory=dict)
    container_health: str = "UNKNOWN"
    was_healthy: bool = False
    ended: bool = False
    failed: bool = False
    stop_code: str | None = None
    stopped_reason: str | None = None

    @property
    def alive(self) -> bool:
        """Return whether it is pending or running and is not to be stopped."""
        return self.desired == "RUNNING" and self.status in UP


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a deployment ends before it is completed, in the texts of ECS.

    ``event`` ends the service event "deployment failed". ``reason`` is the failed deployment's
    rolloutStateReason, and ``source`` begins that of the deployment to which ECS rolls back.
    ``status`` is the statusReason of the service deployment.
    """

    event: str
    reason: str
    source: str
    status: str


BREAKER = Failure(
    event="tasks failed to start",
    reason="ECS deployment circuit breaker: tasks failed to start.",
    source="ECS deployment circuit breaker",
    status="Service deployment rolled back because the circuit breaker threshold was exceeded.",
)
# The event and the status as reported by users of ECS; AWS does not document the other two.
ALARM = Failure(
    event="alarm detected",
    reason="ECS deployment failed: alarm detected.",
    source="ECS deployment failed: alarm detected",
    status="Service deployment rolled back because of one or more active alarms.",
)
# AWS does not document these four texts. They have the form of the others.
STOP = Failure(
    event="stopped by StopServiceDeployment",
    reason="ECS deployment stopped by StopServiceDeployment.",
    source="ECS deployment stopped by StopServiceDeployment",
    status="Service deployment rolled back because of StopServiceDeployment.",
)
# Nor these, of a pause hook that was answered with ROLLBACK or by nobody.
PAUSE = Failure(
    event="lifecycle hook failed",
    reason="ECS deployment failed: lifecycle hook rolled back.",
    source="ECS deployment failed: lifecycle hook rolled back",
    status="Service deployment rolled back because of a lifecycle hook.",
)


@dataclass(kw_only=True)
class Hook:
    """A hook that a deployment has come to. ``expires`` is in AWS seconds on the clock.

    ``action`` is what ECS does then, CONTINUE or ROLLBACK; ``status`` is that of DeploymentLifecycleHookDetail.
    """

    id: str
    expires: float
    action: str
    status: str = "AWAITING_ACTION"


@dataclass(kw_only=True)
class Deployment:
    """A deployment of a service.

    ``source`` is the completed deployment that it replaces. ``rollback`` is the status of the
    rollback from it (REQUESTED, IN_PROGRESS, SUCCESSFUL, FAILED, NO_CANDIDATE). ``rolling_back`` is
    the failed deployment that this one replaces again. ``asked`` is why a rollback was requested.
    ``watched`` is whether ECS watches the alarms during it, None until they are first read. ``triggered``
    are those in ALARM that ended it. ``stage`` (API reference, ServiceDeployment, lifecycleStage) and its
    ``hooks``, ``step`` and the times they began are those of a strategy with steps.
    """

    id: str
    revision: Revision
    created_at: float
    updated_at: float
    desired: int
    status: str = "PRIMARY"
    rollout: str = "IN_PROGRESS"
    reason: str = ""
    failed_tasks: int = 0
    finished_at: float | None = None
    source: Deployment | None = None
    watched: bool | None = None
    triggered: frozenset[str] = frozenset()
    whole_since: float | None = None
    failure: Failure | None = None
    rollback: str | None = None
    asked: Failure = STOP
    rolling_back: Deployment | None = None
    superseded: bool = False
    stage: str = ""
    stage_at: float = 0.0
    hooks: list[Hook] = field(default_factory=list)
    step: int = -1
    step_at: float = 0.0


@dataclass(frozen=True)
class ServiceEvent:
    at: float
    id: str
    message: str


@dataclass(kw_only=True)
class Service:
    """A service: its settings, its deployments (newest first) and its tasks (oldest first)."""

    name: str
    settings: Settings
    new_id: Callable[[], str]
    status: str = "ACTIVE"
    deployments: list[Deployment] = field(default_factory=list)
    history: list[Deployment] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    events: list[ServiceEvent] = field(default_factory=list)
    completed: Deployment | None = None
    steady: bool = False
    blocked: bool = False
    start_failures: int = 0
    not_before: float = 0.0
    weights: dict[str, Mapping[str, int]] = field(default_factory=dict)
    """The weights of the target groups that were set last, by listener rule."""
    launches: launch_rate.Bucket = field(default_factory=launch_rate.of_service)

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    def task(self, task_id: str) -> Task | None:
        return next((task for task in self.tasks if task.id == task_id), None)

    def alive(self) -> list[Task]:
        """Return the tasks that count towards the maximum percent."""
        return [task for task in self.tasks if task.alive]

    def say(self, now: float, words: str) -> None:
        """Add an event in AWS's form."""
        self.events.append(ServiceEvent(now, self.new_id(), f"(service {self.name}) {words}"))


@dataclass(frozen=True)
class OfTask:
    """An event or an action of one task, by its id."""

    task: str


class Launched(OfTask):
    """The task's containers were started."""


@dataclass(frozen=True)
class FailedToStart(OfTask):
    """The task's containers could not be started; ``reason`` is AWS's message."""

    reason: str


class Exited(OfTask):
    """An essential container ended."""


@dataclass(frozen=True)
class TargetChanged(OfTask):
    """The health of a task's target changed; ``words`` is the description of DescribeTargetHealth."""

    target_group: str
    state: str
    words: str = ""


@dataclass(frozen=True)
class ContainerChecked(OfTask):
    """The container's health check changed to HEALTHY, UNHEALTHY or UNKNOWN."""

    health: str


@dataclass(frozen=True)
class StopAsked(OfTask):
    """StopTask was called."""

    reason: str


@dataclass(frozen=True)
class RollbackAsked:
    """StopServiceDeployment was called with ROLLBACK."""

    deployment: str


@dataclass(frozen=True)
class HookAnswered:
    """ContinueServiceDeployment was called with CONTINUE or ROLLBACK."""

    deployment: str
    hook: str
    action: str


@dataclass(frozen=True)
class AlarmsRead:
    """DescribeAlarms has shown these of the deployment alarms in ALARM."""

    in_alarm: frozenset[str]


class Drained(OfTask):
    """The task was deregistered from all target groups."""


class Ended(OfTask):
    """Every container of the task has ended."""


@dataclass(frozen=True)
class Updated:
    """The service was created or updated. A ``revision`` starts a new deployment."""

    settings: Settings
    revision: Revision | None = None


@dataclass(frozen=True)
class Deleted:
    """The service was deleted."""


Event = OfTask | RollbackAsked | HookAnswered | AlarmsRead | Updated | Deleted


class Attach(OfTask):
    """Create the new task's record and network interface."""


class Launch(OfTask):
    """Pull the image, resolve the secrets, start the containers."""


class Register(OfTask):
    """Register the task in its service's target groups."""


class Deregister(OfTask):
    """Deregister the task from its target groups."""


class Kill(OfTask):
    """Stop the containers: SIGTERM, then SIGKILL after the stop timeout."""


class Detach(OfTask):
    """Free the stopped task's address."""


@dataclass(frozen=True)
class Weigh:
    """Set the weights of the target groups in the listener rule, by their ARNs."""

    rule: str
    weights: Mapping[str, int]


Action = OfTask | Weigh
