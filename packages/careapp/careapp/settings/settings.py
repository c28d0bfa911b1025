"""The settings of one stack as a frozen record, grouped by subject."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from careapp.settings import (
    allowed_cidrs,
    app_resources,
    container,
    database,
    file,
    image,
    jobs,
    load_balancer,
    login,
    monitoring,
    network,
    rules,
    scaling,
    service,
    shifting,
    sizes,
    workers,
)
from careapp.settings.allowed_cidrs import ALLOWED_CIDRS
from careapp.settings.database import DatabaseSettings
from careapp.settings.file import Reader, StackError, StackFile
from careapp.settings.image import ImageSettings
from careapp.settings.jobs import Job
from careapp.settings.load_balancer import HealthSettings, HttpsSettings
from careapp.settings.login import LoginSettings
from careapp.settings.monitoring import LogSettings, MonitoringSettings
from careapp.settings.names import StackNames
from careapp.settings.network import NetworkSettings
from careapp.settings.rules import Change, Key, value_of
from careapp.settings.service import ServiceSettings
from careapp.settings.sizes import Sizes
from careapp.settings.workers import Worker
from ecs_gate.facts.clients import Allowed
from ecs_gate.text import t

ECS_ENABLED = Key(
    "ecsEnabled",
    "false",
    rules.boolean,
    "stage 2: run the app on ECS",
    change=Change(
        "`true` only adds resources; `false` deletes them again, and is refused with `protect`",
        loses=t("the ECS service"),
    ),
)
PROTECT = Key(
    "protect",
    "true",
    rules.boolean,
    "refuse to delete the database and other resources of value; keep the images in ECR",
)
PERMISSIONS_BOUNDARY = Key(
    "permissionsBoundary",
    "",
    rules.pattern(r"|[A-Za-z0-9+=,.@_-]{1,128}", t("the name of an IAM policy")),
    "name of an IAM policy that is the permissions boundary of every role; empty: none",
    example="boundary",
)
BASTION_ENABLED = Key(
    "bastionEnabled",
    "false",
    rules.boolean,
    "an EC2 instance to reach the database through, by Session Manager",
)

PARTS = (
    *(network, database, image, container, service, app_resources, workers, jobs, shifting),
    *(scaling, load_balancer, login, allowed_cidrs, monitoring),
)

KEYS: tuple[Key[Any], ...] = (
    *(ECS_ENABLED, PROTECT, PERMISSIONS_BOUNDARY, BASTION_ENABLED),
    *(key for part in PARTS for key in vars(part).values() if isinstance(key, Key)),
)
"""Every key of a stack file, in the order of the documents."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one stack. `of` and `read` return only checked ones."""

    project: str
    stack: str
    region: str
    profile: str | None = None
    """The profile of ~/.aws/config in the stack file."""
    ecs_enabled: bool = value_of(ECS_ENABLED)
    protect: bool = value_of(PROTECT)
    boundary: str = value_of(PERMISSIONS_BOUNDARY)
    """The name of the roles' permissions boundary, or empty."""
    rollout_minutes: int = value_of(shifting.ROLLOUT_TIMEOUT)
    bastion_enabled: bool = value_of(BASTION_ENABLED)
    app_resources: tuple[Key[bool], ...] = ()
    """The keys of APP_RESOURCES that are `true`."""
    network: NetworkSettings
    database: DatabaseSettings
    image: ImageSettings
    health: HealthSettings
    https: HttpsSettings
    login: LoginSettings
    allowed: Allowed = value_of(ALLOWED_CIDRS)  # noqa: RUF009 - a field
    """Who may reach the load balancer."""
    service: ServiceSettings
    workers: tuple[Worker, ...] = ()
    jobs: tuple[Job, ...] = ()
    logs: LogSettings
    monitoring: MonitoringSettings
    folder: Path = field(default=Path(), compare=False, repr=False)
    """The project's folder."""
    texts: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The text of every key in the stack file, or its default."""
    guessed: bool = field(default=False, compare=False, repr=False)
    """Whether the stack file is wrong, so that some of these are defaults that AWS need not have."""

    @property
    def names(self) -> StackNames:
        """The names of the stack's resources."""
        return StackNames(self.stack, self.project)

    def names_of(self, worker: str) -> StackNames:
        """Return the names of a worker, or with "" of the web service. Raises StackError for an unknown worker."""
        known = [each.name for each in self.workers]
        if worker and worker not in known:
            raise StackError(
                "There is no worker {name!r}; the stack file has: {known}.",
                name=worker,
                known=", ".join(known) or "-",
            )
        return self.names.of_worker(worker)

    @property
    def webapp(self) -> bool:
        """Whether the stack runs the project's own app."""
        return self.image.folder == Path(image.APP_FOLDER.default)

    @property
    def sizes(self) -> Sizes:
        """What a roll-out takes at its peak."""
        service, scaling = self.service, self.service.scaling
        return Sizes(
            tasks=scaling.maximum,
            least=scaling.minimum,
            scaled=bool(scaling.cpu or scaling.requests),
            cpu=service.cpu,
            workers=service.workers,
            pool=service.connections,
            spare=sizes.SPARE_CONNECTIONS if self.webapp else 0,
            instance_class=self.database.instance_class,
            wait=service.deployment.wait,
            limit=self.rollout_minutes,
            others=tuple((worker.count, worker.cpu) for worker in self.workers)
            + tuple((1, job.cpu) for job in self.jobs),
        )

    @property
    def deployer(self) -> str:
        """The role that GitHub Actions deploys with; empty unless the stack has its boundary."""
        role = f"{self.project}-delivery-{self.stack}"
        return role if self.boundary == f"{role}-boundary" else ""

    @property
    def by_push(self) -> bool:
        """Whether GitHub Actions deploys the stack: it has the boundary of one of the delivery's templates."""
        return self.boundary.startswith(f"{self.project}-delivery-")

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every resource that supports tags."""
        return {"project": self.project, "stack": self.stack, "managed-by": "pulumi"}

    @property
    def protected(self) -> list[str]:
        """The keys that cannot be turned off before `protect` is."""
        on = [key.name for key in KEYS if key.change.loses and self.texts[key.name] == "true"]
        return on if self.protect else []

    @classmethod
    def read(cls, stack: str, folder: Path = Path()) -> Self:
        """Read a stack's file in the project's folder. Raises StackError that names every problem."""
        return cls.of(file.read(stack, folder))

    @classmethod
    def of(cls, given: StackFile, *, sources: bool = False) -> Self:
        """Check a stack's configuration. Raises StackError that names every problem.

        ``sources`` says whether the app's sources must exist.
        """
        read = Reader(given, sources=sources)
        region, tasks = read.region(), ServiceSettings.load(read)
        https = HttpsSettings.load(read, region)
        settings = read.record(
            cls,
            project=given.project,
            stack=given.stack,
            region=region,
            profile=given.profile,
            app_resources=tuple(each for each in app_resources.APP_RESOURCES if read(each)),
            network=NetworkSettings.load(read, region),
            database=read.record(DatabaseSettings),
            image=ImageSettings.load(read),
            health=read.record(HealthSettings),
            https=https,
            login=LoginSettings.load(read, https=https.enabled, strategy=tasks.deployment.strategy),
            service=tasks,
            workers=workers.workers(read, tasks.cpu, tasks.memory),
            jobs=jobs.jobs(read, tasks.cpu, tasks.memory),
            logs=read.record(LogSettings),
            monitoring=MonitoringSettings.load(read),
            folder=given.folder,
            texts={key.name: read.text(key) for key in KEYS},
        )
        sizes.check(read, settings.sizes)
        limit = settings.rollout_minutes
        minutes = limit or max(shifting.USUAL_MINUTES, settings.sizes.minutes)
        if settings.by_push:
            read.check(
                lambda: shifting.check_push(minutes, int(bool(tasks.deploy_command))),
                shifting.ROLLOUT_TIMEOUT if limit else shifting.DEPLOY_STRATEGY,
                *(image.DEPLOY_COMMAND, PERMISSIONS_BOUNDARY),
            )
        settings = replace(settings, rollout_minutes=minutes)
        try:
            read.finish(settings.names, KEYS)
        except StackError as error:
            if not any(problem in ("name", "stack") or ":" in problem for problem in read.problems):
                error.usable = replace(settings, guessed=True)
            raise
        return settings
