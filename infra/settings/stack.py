"""One stack's choices as a frozen record, grouped by the part of the stack that they shape."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.settings import bastion, general, service
from infra.settings.database import DatabaseSettings
from infra.settings.health import HealthSettings
from infra.settings.https import HttpsSettings
from infra.settings.image import ImageSettings
from infra.settings.keys import KEYS
from infra.settings.logs import LogSettings
from infra.settings.monitoring import MonitoringSettings
from infra.settings.network import NetworkSettings
from infra.settings.reader import Reader
from infra.settings.service import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One stack's choices. Holding one from `load` means that they have been checked."""

    project: str
    stack: str
    region: str
    ecs_enabled: bool
    protect: bool
    boundary: str
    """Name of the IAM policy that bounds the stack's roles; empty: none."""
    rollout_minutes: int
    bastion_enabled: bool
    network: NetworkSettings
    database: DatabaseSettings
    image: ImageSettings
    health: HealthSettings
    https: HttpsSettings
    service: ServiceSettings
    logs: LogSettings
    monitoring: MonitoringSettings

    @property
    def prefix(self) -> str:
        """What the stack's names begin with, e.g. careapp-poc."""
        return f"{self.project}-{self.stack}"

    @property
    def repository(self) -> str:
        """The ECR repository's name: the hand-over note's for poc, apart from it for the others."""
        return f"{self.project if self.stack == 'poc' else self.prefix}/hello-ecs"

    @property
    def deployer(self) -> str:
        """The role that deploys the stack by push; empty unless the stack has that role's boundary."""
        role = f"{self.project}-delivery-{self.stack}"
        return role if self.boundary == f"{role}-boundary" else ""

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
            ecs_enabled=read(general.ECS_ENABLED),
            protect=read(general.PROTECT),
            boundary=read(general.PERMISSIONS_BOUNDARY),
            rollout_minutes=read(service.ROLLOUT_TIMEOUT),
            bastion_enabled=read(bastion.BASTION_ENABLED),
            network=NetworkSettings.load(read, region),
            database=DatabaseSettings.load(read),
            image=ImageSettings.load(read),
            health=HealthSettings.load(read),
            https=HttpsSettings.load(read, region),
            service=ServiceSettings.load(read),
            logs=LogSettings.load(read),
            monitoring=MonitoringSettings.load(read),
        )
        read.finish(settings.prefix, KEYS)
        return settings
