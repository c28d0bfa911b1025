"""ECS's resources as frozen records. Times are aware, by AWS's clock."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from ecs_gate.aws.errors import AwsProblem, problem_of

T = TypeVar("T")

ROUTINE = re.compile(
    r"^(Scaling activity initiated by|Service deployment|Task stopped by user)"
    r"|ECS is performing maintenance on the underlying infrastructure"
)
"""Stop reasons of tasks that nothing was wrong with; the last is Fargate's task retirement (ECS
developer guide, "Task retirement and maintenance for AWS Fargate")."""

ALARMED = "deployment failed: alarm detected"
"""What ECS's event says of a deployment that an alarm has ended (as reported by users of ECS)."""

SPOT_INTERRUPTION = "SpotInterruption"
"""The stop code of a task whose capacity AWS has taken back (botocore, TaskStopCode)."""


def short(arn: str) -> str:
    """Return the part of an ARN after its last slash, such as `shop:7`."""
    return arn.rpartition("/")[2]


@dataclass(frozen=True)
class Part(Generic[T]):
    """A part of the snapshot: its value, None where the resource does not exist, or the problem in reading it."""

    value: T | None = None
    problem: AwsProblem | None = None

    @property
    def absent(self) -> bool:
        return self.value is None and self.problem is None


def read_part(question: Callable[..., T | None], *arguments: Any) -> Part[T]:
    """Return the answer as a part; a missing resource is an answer too, and every exception a problem of this part."""
    try:
        return Part(read_existing(question, *arguments))
    except Exception as error:
        return Part(problem=problem_of(error))


def read_existing(question: Callable[..., T | None], *arguments: Any) -> T | None:
    """Return the answer, or None for a missing resource. Raises AwsProblem of every other kind."""
    try:
        return question(*arguments)
    except AwsProblem as problem:
        if problem.kind == "missing":
            return None
        raise


@dataclass(frozen=True)
class Alarmed:
    """The alarms that have ended a deployment.

    ``blameless`` says that they measure the targets of the version before, and none of the version that was deployed.
    """

    names: tuple[str, ...] = ()
    blameless: bool = False


@dataclass(frozen=True)
class ServiceEvent:
    at: datetime
    message: str
    id: str = ""

    @property
    def deployment(self) -> str:
        """Return the id of the deployment that it is about, like `ecs-svc/1`; "" where its message names none."""
        return _named("deployment", self.message)

    @property
    def task(self) -> str:
        """Return the id of the task that it is about; "" where its message names none."""
        return _named("task", self.message)


def _named(kind: str, message: str) -> str:
    # "rolling back to deployment ecs-svc/1", without parentheses, is about the one before.
    match = re.search(rf"\({kind} ([\w/-]+)\)", message)
    return match[1] if match else ""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    id: str
    status: str
    definition: str
    desired: int
    running: int
    pending: int
    failed: int
    rollout: str
    reason: str
    created: datetime
    updated: datetime

    @property
    def primary(self) -> bool:
        return self.status == "PRIMARY"

    @property
    def revision(self) -> str:
        return short(self.definition)


@dataclass(frozen=True, kw_only=True)
class PauseHook:
    """A hook that holds a deployment until it is answered, or until ``expires``, when ECS rolls back."""

    deployment: str
    """The service deployment's ARN."""
    id: str
    expires: datetime | None = None
    first: bool = False
    """Whether there is no earlier version to go back to."""


@dataclass(frozen=True)
class Traffic:
    """How far a deployment has shifted the requests: its stage in ECS, and its share in percent."""

    stage: str
    percent: float
    hook: PauseHook | None = None


@dataclass(frozen=True, kw_only=True)
class Service:
    """The ECS service. ``grace`` is in seconds; ``targets`` are (target group, container, port).

    ``maximum`` is how many percent of the desired tasks may run during a roll-out; ``spot`` says that all
    of them run on Fargate Spot. ``strategy`` is ECS's name; ``alternate`` is the target group that
    alternates with the first one, and ``traffic`` how far a deployment in progress has shifted the requests
    between the two, unless the strategy is ROLLING.
    """

    status: str
    desired: int
    running: int
    pending: int
    definition: str
    deployments: tuple[Deployment, ...] = ()
    events: tuple[ServiceEvent, ...] = ()
    subnets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    public_ip: bool = False
    grace: int = 0
    targets: tuple[tuple[str, str, int], ...] = ()
    maximum: int = 200
    spot: bool = False
    strategy: str = "ROLLING"
    breaker: bool = True
    """Whether ECS's circuit breaker watches rolling deployments."""
    alternate: str = ""
    traffic: Traffic | None = None
    fargate: bool = True
    """Whether every task runs on Fargate; else some run on instances, whose agent pulls the image and opens the log."""
    daemon: bool = False
    """Whether each instance of the cluster has one task; ECS sets the desired count then."""

    @property
    def target_groups(self) -> tuple[str, ...]:
        both = (*(target[0] for target in self.targets), self.alternate)
        return tuple(group for group in both if group)

    @property
    def primary(self) -> Deployment | None:
        return next((deployment for deployment in self.deployments if deployment.primary), None)

    @property
    def addressed(self) -> bool:
        """Return whether each task has an address and security groups of its own: the network mode awsvpc."""
        return bool(self.subnets)

    @property
    def port(self) -> int | None:
        return self.targets[0][2] if self.targets else None


@dataclass(frozen=True)
class Container:
    name: str
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task, running or stopped within the last hour."""

    arn: str
    definition: str
    started_by: str = ""
    status: str = "RUNNING"
    desired: str = "RUNNING"
    created: datetime | None = None
    started: datetime | None = None
    stopping: datetime | None = None
    stopped: datetime | None = None
    stop_code: str = ""
    reason: str = ""
    health: str = "UNKNOWN"
    containers: tuple[Container, ...] = ()
    address: str = ""

    @property
    def id(self) -> str:
        return short(self.arn)

    @property
    def revision(self) -> str:
        return short(self.definition)

    @property
    def short(self) -> str:
        return self.id[:8]

    @property
    def over(self) -> bool:
        return self.desired == "STOPPED" or self.status == "STOPPED"

    @property
    def exit_codes(self) -> dict[str, int]:
        """Return the exit codes of the containers that have ended, by their names."""
        codes = {container.name: container.exit_code for container in self.containers}
        return {name: code for name, code in codes.items() if code is not None}

    @property
    def failed(self) -> bool:
        """Return whether it stopped for another reason than a user, a scaling activity, a deployment or Spot."""
        return bool(
            self.over
            and self.reason
            and not ROUTINE.search(self.reason)
            and self.stop_code not in ("UserInitiated", SPOT_INTERRUPTION)
        )

    @property
    def ended(self) -> datetime | None:
        """Return when ECS began to stop it; `stopped` is after its connections have drained."""
        return self.stopping or self.stopped

    @property
    def ran(self) -> bool:
        """Return whether its containers were started: only then can it have a log."""
        return self.started is not None or bool(self.exit_codes)


@dataclass(frozen=True, kw_only=True)
class ContainerHealth:
    command: tuple[str, ...]
    interval: int = 30
    retries: int = 3


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """Another container of a task definition, with its log, as far as it has one."""

    name: str
    essential: bool = True
    log_group: str = ""
    log_prefix: str = ""

    def stream(self, task_id: str) -> str:
        """Return its log stream in a task (ECS developer guide, awslogs)."""
        return f"{self.log_prefix}/{self.name}/{task_id}"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A task definition and its app container."""

    arn: str
    cpu: int
    memory: int
    architecture: str
    execution_role: str
    task_role: str
    image: str
    command: tuple[str, ...] = ()
    """The words in place of the image's command."""
    ports: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    log_group: str = ""
    log_prefix: str = ""
    creates_log_group: bool = False
    """Whether the log driver makes its log group where there is none."""
    container: str = ""
    stop_timeout: int = 30
    health: ContainerHealth | None = None
    sidecars: tuple[Sidecar, ...] = ()
    active: bool = True
    """Whether it is registered: ECS runs and scales one that is not, and deploys it no more."""

    @property
    def revision(self) -> str:
        return short(self.arn)

    @property
    def number(self) -> int:
        return int(self.arn.rpartition(":")[2])

    def stream(self, task_id: str) -> str:
        """Return the log stream of a task (ECS developer guide, awslogs)."""
        return f"{self.log_prefix}/{self.container}/{task_id}"


@dataclass(frozen=True)
class Deletion:
    """A resource that is deleted at the end of this update, with its outputs in the program's state."""

    kind: str
    name: str
    outputs: Mapping[str, Any]
    replaced: bool = False
    """Whether another one has its place in the program's state."""

    @property
    def label(self) -> str:
        """Return its type and name, as the program shows them."""
        return f"{self.kind} {self.name}"

    @property
    def identity(self) -> tuple[Any, ...]:
        """Return what tells it from another resource of its type in AWS."""
        fields: tuple[str, ...] = ("arn", "id")
        if "securityGroupId" in self.outputs:
            fields = RULE_FIELDS
        elif "routeTableId" in self.outputs:
            fields = ROUTE_FIELDS
        return tuple(self.outputs.get(name) for name in fields)


ROUTE_FIELDS = ("routeTableId", "destinationCidrBlock")
RULE_FIELDS = (
    *("securityGroupId", "ipProtocol", "fromPort", "toPort"),
    *("cidrIpv4", "referencedSecurityGroupId", "prefixListId"),
)
