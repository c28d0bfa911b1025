"""Every key a stack file may hold: its default, its rule and its meaning, defined once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from infra.settings import rules
from infra.settings.fargate import MEMORY_BY_CPU

T = TypeVar("T")


@dataclass(frozen=True)
class Key(Generic[T]):
    """One setting. `default` is text, as it would stand in a stack file."""

    name: str
    default: str
    rule: Callable[[str], T]
    meaning: str

    @property
    def kind(self) -> str:
        """The type that Pulumi's project schema knows it by."""
        kinds: dict[type, str] = {bool: "boolean", int: "integer"}
        return kinds.get(type(self.rule(self.default)), "string")


LOG_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days that CloudWatch Logs can keep a log (botocore, PutRetentionPolicy)."""

ECS_ENABLED = Key(
    "ecsEnabled", "false", rules.boolean, "stage 2: run the app on ECS; false removes ECS again"
)
PROTECT = Key(
    "protect",
    "true",
    rules.boolean,
    "refuse to delete anything of value, keep images, take a final snapshot of the database",
)

VPC_CIDR = Key("vpcCidr", "10.0.0.0/16", rules.private_range, "the VPC's private range, /16 to /19")
ZONE_COUNT = Key(
    "zoneCount",
    "2",
    rules.integer(2, 3, " (RDS and the load balancer need two)"),
    "availability zones, 2 or 3",
)
ZONES = Key(
    "zones",
    "",
    rules.names,
    "the zones by name, comma-separated; empty takes the region's first `zoneCount`",
)
NAT_STRATEGY = Key(
    "natStrategy",
    "single",
    rules.choice(("none", "single", "onePerAz")),
    "way out of the private subnets; with `none` tasks run in public subnets with a public IP",
)

DATABASE_INSTANCE_CLASS = Key(
    "databaseInstanceClass",
    "db.t4g.micro",
    rules.pattern(r"db\.[a-z0-9-]+\.[a-z0-9]+", "an RDS instance class like db.t4g.micro"),
    "RDS instance class",
)
DATABASE_STORAGE_GB = Key(
    "databaseStorageGb",
    "20",
    rules.integer(20, 65536, " (GiB of gp3 for PostgreSQL)"),
    "gp3 storage in GiB; it can grow, never shrink",
)
DATABASE_MULTI_AZ = Key(
    "databaseMultiAz", "false", rules.boolean, "a standby of the database in a second zone"
)
DATABASE_BACKUP_DAYS = Key(
    "databaseBackupDays",
    "7",
    rules.integer(0, 35, " (0 turns backups off)"),
    "days that automated backups are kept",
)
DATABASE_FINAL_SNAPSHOT = Key(
    "databaseFinalSnapshot",
    "final",
    rules.pattern(r"[a-z0-9]+(-[a-z0-9]+)*", "small letters and digits, parted by single hyphens"),
    "ending of the name of the snapshot taken when a protected database is deleted",
)

CPU_ARCHITECTURE = Key(
    "cpuArchitecture",
    "X86_64",
    rules.choice(("X86_64", "ARM64")),
    "what the image is built for and the task runs on",
)
IMAGES_KEPT = Key(
    "imagesKept", "10", rules.integer(2, 1000), "tagged images kept in ECR, for rolling back"
)
IMAGE_REVISION = Key(
    "imageRevision",
    "1",
    rules.pattern(r"[A-Za-z0-9_.-]{1,64}", "1 to 64 letters, digits, dots, hyphens or underscores"),
    "part of the image's tag; change it to build and push unchanged sources again",
)

CONTAINER_PORT = Key(
    "containerPort",
    "3000",
    rules.integer(1024, 65535, " (below 1024 needs root, and the container runs as user 10001)"),
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
DESIRED_COUNT = Key("desiredCount", "1", rules.integer(0, 100), "tasks to run")
ROLLOUT_TIMEOUT = Key(
    "rolloutTimeoutMinutes",
    "15",
    rules.integer(1, 180, " minutes"),
    "minutes until a roll-out that has not ended fails `pulumi up`",
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
    "logRetentionDays", "30", rules.one_of(LOG_DAYS), "days that the app's log is kept"
)

HEALTH_PATH = Key(
    "healthPath",
    "/health",
    rules.pattern(r"/[!-~]{0,1023}", "a path that begins with /, at most 1024 characters"),
    "path that the load balancer asks",
)
HEALTH_MATCHER = Key("healthMatcher", "200", rules.status_codes, "status codes that mean healthy")
HEALTH_INTERVAL = Key(
    "healthInterval", "10", rules.integer(5, 300, " seconds"), "seconds between health checks"
)
HEALTH_TIMEOUT = Key(
    "healthTimeout",
    "5",
    rules.integer(2, 120, " seconds"),
    "seconds to wait for an answer; less than `healthInterval`",
)
HEALTHY_THRESHOLD = Key(
    "healthyThreshold", "2", rules.integer(2, 10), "passes that make an unhealthy task healthy"
)
UNHEALTHY_THRESHOLD = Key(
    "unhealthyThreshold", "3", rules.integer(2, 10), "failures that make a task unhealthy"
)
HEALTH_GRACE_PERIOD = Key(
    "healthGracePeriod",
    "60",
    rules.integer(0, 7200, " seconds"),
    "seconds after a task's start in which ECS ignores failed health checks",
)
DEREGISTRATION_DELAY = Key(
    "deregistrationDelay",
    "15",
    rules.integer(0, 3600, " seconds"),
    "seconds that a leaving task may finish its requests",
)

KEYS: tuple[Key[Any], ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Key)
)
