"""The ECS service's keys and record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from i18n import t
from infra.settings import app, fargate, health, image, rules
from infra.settings.fargate import MEMORY_BY_CPU
from infra.settings.key import Key
from infra.settings.reader import Reader
from infra.settings.scaling import ScalingSettings

LOG_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days that CloudWatch Logs can keep a log (botocore, PutRetentionPolicy)."""

CONTAINER_PORT = Key(
    "containerPort",
    "3000",
    rules.integer(1024, 65535, t(" (below 1024 needs root, and the container runs as user 10001)")),
    "port that the app listens on",
)
TASK_CPU = Key(
    "taskCpu",
    "256",
    rules.integer(min(MEMORY_BY_CPU), max(MEMORY_BY_CPU)),
    "task CPU in units, 1024 of them one vCPU",
)
TASK_MEMORY = Key(
    "taskMemory",
    "512",
    rules.integer(MEMORY_BY_CPU[256][0], MEMORY_BY_CPU[32768][-1]),
    "task memory in MiB; Fargate sells certain pairs with `taskCpu`",
)
DESIRED_COUNT = Key(
    "desiredCount",
    "1",
    rules.integer(0, 100),
    "tasks to run; with scaling (`maxCount`) only where a new service starts",
)
ROLLOUT_TIMEOUT = Key(
    "rolloutTimeoutMinutes",
    "15",
    rules.integer(1, 180, t(" minutes")),
    "minutes until a roll-out that has not ended fails `pulumi up`",
)
FARGATE_SPOT = Key(
    "fargateSpot",
    "false",
    rules.boolean,
    "tasks on Fargate Spot, up to 70 % cheaper; AWS may stop any with two minutes' notice",
)
EXEC_ENABLED = Key(
    "execEnabled",
    "false",
    rules.boolean,
    "allow `aws ecs execute-command`; makes the container's root file system writable",
)
CONTAINER_INSIGHTS = Key(
    "containerInsights", "false", rules.boolean, "CloudWatch Container Insights (billed per metric)"
)
LOG_RETENTION_DAYS = Key(
    "logRetentionDays", "30", rules.one_of(LOG_DAYS), "days that logs are kept"
)


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """The task and how many run: `cpu` in 1/1024 vCPU, `memory` in MiB, grace in seconds."""

    port: int
    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    health_command: str
    cpu: int
    memory: int
    architecture: str
    desired_count: int
    scaling: ScalingSettings
    spot: bool
    exec_enabled: bool
    insights: bool
    log_days: int
    grace_period: int

    @property
    def least_count(self) -> int:
        """The fewest tasks that are wanted while any is."""
        return self.scaling.minimum if self.scaling.enabled else self.desired_count

    @classmethod
    def load(cls, read: Reader) -> ServiceSettings:
        cpu, memory, desired = read(TASK_CPU), read(TASK_MEMORY), read(DESIRED_COUNT)
        scaling = ScalingSettings.load(read, desired)
        cpu = read.together(lambda: fargate.checked_cpu(cpu), TASK_CPU, otherwise=cpu)
        return cls(
            port=read(CONTAINER_PORT),
            variables=app.variables(read),
            secrets=app.secrets(read),
            health_command=read(app.HEALTH_COMMAND),
            cpu=cpu,
            memory=read.together(
                lambda: fargate.checked_memory(cpu, memory),
                TASK_MEMORY,
                TASK_CPU,
                otherwise=memory,
            ),
            architecture=read(image.CPU_ARCHITECTURE),
            desired_count=max(scaling.minimum, min(desired, scaling.maximum)),
            scaling=scaling,
            spot=read(FARGATE_SPOT),
            exec_enabled=read(EXEC_ENABLED),
            insights=read(CONTAINER_INSIGHTS),
            log_days=read(LOG_RETENTION_DAYS),
            grace_period=read(health.HEALTH_GRACE_PERIOD),
        )
