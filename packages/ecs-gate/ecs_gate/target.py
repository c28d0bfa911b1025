"""An ECS service to follow and to diagnose: its names, and what its owner knows better than AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from ecs_gate.facts.clients import Allowed
from ecs_gate.facts.elb import covers


class Names(Protocol):
    """The names of a service and of what belongs to it.

    Cluster and service are enough while there is a service: AWS's answers about it lead to all else. The other
    names are where to look while there is none, and what belongs to it though it does not refer to it.
    """

    @property
    def cluster(self) -> str: ...

    @property
    def service(self) -> str: ...

    @property
    def label(self) -> str:
        """What a person calls it, like `shop`."""

    @property
    def process(self) -> str:
        """Which other service it is of those that share network, image and roles; "" for the one with the page."""

    @property
    def family(self) -> str:
        """The task definition's; with a revision, like `web:7`, that one stands for its newest."""

    @property
    def container(self) -> str:
        """The container that is the app."""

    @property
    def log_group(self) -> str: ...

    @property
    def balancer(self) -> str: ...

    @property
    def target_group(self) -> str: ...

    @property
    def alternate_group(self) -> str:
        """The second target group of a service whose deployments shift requests between two."""

    @property
    def database(self) -> str:
        """The DB instance's identifier."""

    @property
    def repository(self) -> str:
        """The repository of its image in ECR."""

    @property
    def prefix(self) -> str:
        """How the names of the alarms, the secrets and the subnets begin that are its own."""


@dataclass(frozen=True, kw_only=True)
class ServiceNames:
    """`Names` of a service of which cluster and service are known: `ecs_gate.discovery` finds the rest.

    What is "" then is what it does not have.
    """

    cluster: str
    service: str
    process: str = ""
    family: str = ""
    container: str = ""
    log_group: str = ""
    balancer: str = ""
    target_group: str = ""
    alternate_group: str = ""
    database: str = ""
    repository: str = ""
    prefix: str = ""

    @property
    def label(self) -> str:
        return self.service


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page that users get, and the health check that its owner has declared; times in seconds."""

    path: str = "/"
    """What is requested, as a browser does; "": nothing."""
    expects: str = "200-299"
    """The status codes of a page that works, at the end of its redirects, as ELB writes a matcher."""
    url: str = ""
    """Its URL without a path; "": the load balancer's name."""
    domain: str = ""
    """The host that the load balancer's certificate is for; "": it has none of its own."""
    https: bool = False
    requests: int = 10
    """How many a new version must answer, before users' requests go to it where ECS waits for that, else at once."""
    rule_priority: int = 0
    """The priority of the rule that leads to the service; 0: not known before there is one."""
    test_header: str = ""
    """The header by which a listener's rule leads to a new version before users' requests do."""
    test_priority: int = 0
    """The priority of that rule."""
    allowed: Allowed | None = None
    """The clients that are to reach the load balancer; None: not known."""

    def url_of(self, balancer: str) -> str:
        """Return the page's URL without a path; ``balancer`` is the load balancer's DNS name."""
        return self.url or f"{'https' if self.https else 'http'}://{self.domain or balancer}"


@dataclass(frozen=True, kw_only=True)
class Login:
    """The login that the load balancer asks for: its OpenID Connect provider; without an issuer nobody logs in."""

    issuer: str = ""
    client_id: str = ""
    """The load balancer's client at the provider."""
    secret_arn: str = ""
    """The `valueFrom` of the client's secret in Secrets Manager."""
    public: tuple[str, ...] = ()
    """ELB's path patterns that need no login."""

    @property
    def enabled(self) -> bool:
        return bool(self.issuer)

    def protects(self, path: str) -> bool:
        """Return whether a path needs a login."""
        return self.enabled and not any(covers(pattern, path) for pattern in self.public)


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """The health check of a target group, as it was declared or as ELB has it; times in seconds."""

    enabled: bool = True
    protocol: str = "HTTP"
    port: str = "traffic-port"
    path: str = "/"
    matcher: str = "200"
    grpc: bool = False
    """Whether it calls gRPC's method ``path``, and ``matcher`` has gRPC's status codes."""
    interval: int = 30
    timeout: int = 5
    healthy: int = 5
    unhealthy: int = 2

    @property
    def request(self) -> str:
        return f"{'gRPC' if self.grpc else 'GET'} {self.path}"

    @property
    def notice(self) -> int:
        """Seconds until ELB reports a failing target as unhealthy.

        The failed checks, and up to one interval before the first of them.
        """
        return self.interval * (self.unhealthy + 1)


@dataclass(frozen=True, kw_only=True)
class App:
    """What is known of the app beside what it logs. Nothing, unless its owner says so."""

    health_path: str = ""
    """A path for health checks, which answers whatever else fails."""
    database_path: str = ""
    """A path that answers 200 while the app reaches its database, and 503 while it does not."""
    reconnects: bool = False
    """Whether it says when it loses its database and has it again, and reads a rotated password itself."""
    tells_address: bool = False
    """Whether it logs where it listens."""
    connections: int = 0
    """The most connections to the database that a task opens; 0: not known."""
    spare_connections: int = 0
    """Those that each task opens beside its pool."""
    folder: str = ""
    """Where its sources are, as the program names it; "": not known."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What its owner has declared for its tasks, for what AWS cannot tell: before there is a service, or of another."""

    cpu: int = 0
    """CPU units of a task; 0: not known."""
    tasks: int | None = None
    """The desired count; None: not known."""
    most_tasks: int = 0
    """The most tasks that run at once; 0: no more than are desired."""
    other_vcpus: float = 0
    """The vCPUs that other services and jobs take of the same quota during a roll-out."""
    other_connections: int = 0
    """The connections to the database that they may open."""
    public: bool = False
    """Whether its tasks are in public subnets."""
    architecture: str = ""
    """The image's, in ECS's words: X86_64 or ARM64."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The variables that its owner sets himself, beside those that the program makes."""
    made: frozenset[str] = frozenset()
    """The variables and secrets that the program makes by itself."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The secrets that its owner sets himself: variable and `valueFrom`."""
    passwords: tuple[str, ...] = ()
    """Those of the secrets that hold a password of the database."""
    log_days: int = 30
    """How long the log is kept."""
    command: tuple[str, ...] = ()
    """The command that runs in a task of its own before the service gets another task definition; (): none."""
    command_started_by: str = ""
    """`startedBy` of that task."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A service to follow and to diagnose. Cluster, service and region are enough; the rest its owner may know."""

    names: Names
    region: str = ""
    profile: str | None = None
    """A profile of ~/.aws/config."""
    minutes: float = 15
    """How long a roll-out may take, in minutes of AWS."""
    page: Page = field(default_factory=Page)
    login: Login = field(default_factory=Login)
    check: HealthCheck | None = None
    """The declared health check; None: what AWS has is what was declared."""
    app: App = field(default_factory=App)
    plan: Plan = field(default_factory=Plan)
    public_words: frozenset[str] = frozenset()
    """Words that are no secret, though a secret may have them as its value."""
    alarms: tuple[str, ...] = ()
    """The names of its alarms, where its names have no prefix by which they are found."""
    others: tuple[Names, ...] = ()
    """Further services without a load balancer that share network, image and roles with it."""

    def of(self, names: Names) -> Target:
        """Return the same target with other names."""
        return replace(self, names=names)
