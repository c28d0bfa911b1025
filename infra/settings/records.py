"""One stack's choices as frozen records, grouped by the part of the stack that they shape."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi

from infra.settings import fargate, keys, zones
from infra.settings.reader import Reader


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The VPC's range, its zones by name, and the NAT strategy: none, single or onePerAz."""

    cidr: IPv4Network
    zones: tuple[str, ...]
    nat: str

    @classmethod
    def load(cls, read: Reader, region: str) -> NetworkSettings:
        count, names = read(keys.ZONE_COUNT), read(keys.ZONES)
        return cls(
            cidr=read(keys.VPC_CIDR),
            zones=read.together(
                lambda: zones.choose(region, count, names),
                keys.ZONES if names else keys.ZONE_COUNT,
                otherwise=(),
            )
            if region
            else (),
            nat=read(keys.NAT_STRATEGY),
        )


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """What the database is made of and how it is kept."""

    instance_class: str
    storage_gb: int
    multi_az: bool
    backup_days: int
    final_snapshot: str

    @classmethod
    def load(cls, read: Reader) -> DatabaseSettings:
        return cls(
            instance_class=read(keys.DATABASE_INSTANCE_CLASS),
            storage_gb=read(keys.DATABASE_STORAGE_GB),
            multi_az=read(keys.DATABASE_MULTI_AZ),
            backup_days=read(keys.DATABASE_BACKUP_DAYS),
            final_snapshot=read(keys.DATABASE_FINAL_SNAPSHOT),
        )


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What the app's image is built for, and how many images are kept."""

    architecture: str
    revision: str
    kept: int

    @classmethod
    def load(cls, read: Reader) -> ImageSettings:
        return cls(
            architecture=read(keys.CPU_ARCHITECTURE),
            revision=read(keys.IMAGE_REVISION),
            kept=read(keys.IMAGES_KEPT),
        )


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """The load balancer's health check of a task; times are seconds."""

    path: str
    matcher: str
    interval: int
    timeout: int
    healthy: int
    unhealthy: int
    deregistration_delay: int

    @classmethod
    def load(cls, read: Reader) -> HealthSettings:
        interval, timeout = read(keys.HEALTH_INTERVAL), read(keys.HEALTH_TIMEOUT)

        def shorter() -> int:
            if timeout >= interval:
                raise ValueError(
                    f"{timeout} is not less than healthInterval {interval}, which ELB refuses; "
                    "lower one or raise the other"
                )
            return timeout

        return cls(
            path=read(keys.HEALTH_PATH),
            matcher=read(keys.HEALTH_MATCHER),
            interval=interval,
            timeout=read.together(
                shorter, keys.HEALTH_TIMEOUT, keys.HEALTH_INTERVAL, otherwise=timeout
            ),
            healthy=read(keys.HEALTHY_THRESHOLD),
            unhealthy=read(keys.UNHEALTHY_THRESHOLD),
            deregistration_delay=read(keys.DEREGISTRATION_DELAY),
        )


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """The task and how many run: `cpu` in 1/1024 vCPU, `memory` in MiB, grace in seconds."""

    port: int
    cpu: int
    memory: int
    architecture: str
    desired_count: int
    exec_enabled: bool
    insights: bool
    log_days: int
    grace_period: int

    @classmethod
    def load(cls, read: Reader) -> ServiceSettings:
        cpu, memory = read(keys.TASK_CPU), read(keys.TASK_MEMORY)
        cpu = read.together(lambda: fargate.checked_cpu(cpu), keys.TASK_CPU, otherwise=cpu)
        return cls(
            port=read(keys.CONTAINER_PORT),
            cpu=cpu,
            memory=read.together(
                lambda: fargate.checked_memory(cpu, memory),
                keys.TASK_MEMORY,
                keys.TASK_CPU,
                otherwise=memory,
            ),
            architecture=read(keys.CPU_ARCHITECTURE),
            desired_count=read(keys.DESIRED_COUNT),
            exec_enabled=read(keys.EXEC_ENABLED),
            insights=read(keys.CONTAINER_INSIGHTS),
            log_days=read(keys.LOG_RETENTION_DAYS),
            grace_period=read(keys.HEALTH_GRACE_PERIOD),
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One stack's choices. Holding one from `load` means that they have been checked."""

    project: str
    stack: str
    region: str
    ecs_enabled: bool
    protect: bool
    rollout_minutes: int
    network: NetworkSettings
    database: DatabaseSettings
    image: ImageSettings
    health: HealthSettings
    service: ServiceSettings

    @property
    def prefix(self) -> str:
        """What the stack's names begin with, e.g. careapp-poc."""
        return f"{self.project}-{self.stack}"

    @property
    def repository(self) -> str:
        """The ECR repository's name: the hand-over note's for poc, apart from it for the others."""
        return f"{self.project if self.stack == 'poc' else self.prefix}/hello-ecs"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of everything that can carry tags."""
        return {"project": self.project, "stack": self.stack, "managed-by": "pulumi"}

    @classmethod
    def load(cls) -> Settings:
        """Read the stack's configuration. SettingsError names all that is wrong with it."""
        read = Reader()
        region = read.region()
        settings = cls(
            project=pulumi.get_project(),
            stack=pulumi.get_stack(),
            region=region,
            ecs_enabled=read(keys.ECS_ENABLED),
            protect=read(keys.PROTECT),
            rollout_minutes=read(keys.ROLLOUT_TIMEOUT),
            network=NetworkSettings.load(read, region),
            database=DatabaseSettings.load(read),
            image=ImageSettings.load(read),
            health=HealthSettings.load(read),
            service=ServiceSettings.load(read),
        )
        read.finish(settings.prefix)
        return settings
