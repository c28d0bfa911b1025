"""The ECS service: its keys and record, and the task sizes of Fargate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from careapp.settings import container, image, load_balancer, rules
from careapp.settings.file import Reader
from careapp.settings.rules import Invalid, Key, value_of
from careapp.settings.scaling import ScalingSettings
from careapp.settings.shifting import DeploymentSettings
from ecs_gate.facts.fargate import CPU_UNITS, MEMORY_BY_CPU
from ecs_gate.text import Text, t

LOG_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Retention periods of CloudWatch Logs in days (botocore, PutRetentionPolicy)."""

CONTAINER_PORT = Key(
    "containerPort",
    "3000",
    rules.Integer(1024, 65535, t(" (below 1024 needs root, and the container runs as user 10001)")),
    "port that the app listens on",
    change=rules.NEW_TASKS,
)
TASK_CPU = Key(
    "taskCpu",
    "256",
    rules.Integer(min(MEMORY_BY_CPU), max(MEMORY_BY_CPU)),
    "task CPU in units; 1024 units are one vCPU",
    example="1024",
    change=rules.NEW_TASKS,
)
TASK_MEMORY = Key(
    "taskMemory",
    "512",
    rules.Integer(MEMORY_BY_CPU[256][0], MEMORY_BY_CPU[32768][-1]),
    "task memory in MiB; Fargate allows certain pairs with `taskCpu`",
    example="2048",
    change=rules.NEW_TASKS,
)
DESIRED_COUNT = Key(
    "desiredCount",
    "1",
    rules.Integer(0, 100),
    "number of tasks; with scaling (`maxCount`) only for a new service",
)
FARGATE_SPOT = Key(
    "fargateSpot",
    "false",
    rules.boolean,
    "tasks on Fargate Spot, up to 70 % cheaper; AWS may stop them with two minutes' notice",
    change=rules.NEW_TASKS,
)
EXEC_ENABLED = Key(
    "execEnabled",
    "false",
    rules.boolean,
    "allow `aws ecs execute-command`; the container's root file system becomes writable",
    change=rules.NEW_TASKS,
)
LOG_RETENTION_DAYS = Key(
    "logRetentionDays", "30", rules.one_of(LOG_DAYS), "retention of logs in days", example="60"
)


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """The task and the number of tasks: `cpu` in 1/1024 vCPU, `memory` in MiB, grace in seconds."""

    port: int = value_of(CONTAINER_PORT)
    variables: Mapping[str, str]
    """As the stack file has them, with placeholders."""
    secrets: Mapping[str, str]
    """Name and ARN."""
    passwords: tuple[str, ...]
    """The app's variables that have the database's password."""
    connections: int = value_of(image.APP_CONNECTIONS)
    """The most database connections of one worker's pool."""
    command: tuple[str, ...] = value_of(image.APP_COMMAND)
    """The words of the app's command; empty: the image's."""
    deploy_command: tuple[str, ...] = value_of(image.DEPLOY_COMMAND)
    """Empty: none."""
    cpu: int = value_of(TASK_CPU)
    memory: int = value_of(TASK_MEMORY)
    architecture: str = value_of(image.CPU_ARCHITECTURE)
    desired_count: int
    scaling: ScalingSettings
    deployment: DeploymentSettings
    spot: bool = value_of(FARGATE_SPOT)
    exec_enabled: bool = value_of(EXEC_ENABLED)
    log_days: int = value_of(LOG_RETENTION_DAYS)
    grace_period: int = value_of(load_balancer.HEALTH_GRACE_PERIOD)

    @property
    def workers(self) -> int:
        """The number of processes in a task that answer requests: one a vCPU."""
        return max(1, self.cpu // CPU_UNITS)

    @property
    def least_count(self) -> int:
        """The minimum number of tasks while the service runs."""
        return self.scaling.minimum if self.scaling.enabled else self.desired_count

    @classmethod
    def load(cls, read: Reader) -> Self:
        cpu, memory, desired = read(TASK_CPU), read(TASK_MEMORY), read(DESIRED_COUNT)
        scaling = ScalingSettings.load(read, desired)
        secrets = container.secrets(read)
        read.check(lambda: checked_cpu(cpu), TASK_CPU)
        read.check(lambda: checked_memory(cpu, memory), TASK_MEMORY, TASK_CPU)
        return read.record(
            cls,
            variables=container.variables(read),
            secrets={name: arn for name, arn in secrets.items() if arn != container.PASSWORD},
            passwords=tuple(name for name, arn in secrets.items() if arn == container.PASSWORD),
            desired_count=max(scaling.minimum, min(desired, scaling.maximum)),
            scaling=scaling,
            deployment=DeploymentSettings.load(read, scaling.requests),
        )


def checked_cpu(cpu: int) -> int:
    """Return the CPU size. Raises ValueError when Fargate does not have it."""
    if cpu not in MEMORY_BY_CPU:
        sizes = ", ".join(map(str, MEMORY_BY_CPU))
        raise Invalid(
            "{cpu} is not a Fargate CPU size; choose one of {sizes}", cpu=cpu, sizes=sizes
        )
    return cpu


def checked_memory(cpu: int, memory: int, key: str = "taskCpu") -> int:
    """Return the memory size. Raises ValueError when Fargate does not have it with the CPU size of ``key``."""
    if memory not in MEMORY_BY_CPU[cpu]:
        raise Invalid(
            "{memory} is not possible with {key} {cpu}; choose {sizes}",
            memory=memory,
            key=key,
            cpu=cpu,
            sizes=_spell(cpu),
        )
    return memory


def _spell(cpu: int) -> Text:
    sizes = MEMORY_BY_CPU[cpu]
    if len(sizes) <= 4:
        return t("one of {sizes}", sizes=", ".join(map(str, sizes)))
    return t(
        "{low} to {high} in steps of {step}", low=sizes[0], high=sizes[-1], step=sizes[1] - sizes[0]
    )


def task_memory(mebibytes: int) -> int:
    """Return the memory alarm's limit in percent, which leaves 10 %, but at least 64 MiB."""
    return int(100 - 100 * max(mebibytes / 10, 64) / mebibytes)
