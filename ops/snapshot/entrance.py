"""The way in as frozen records: load balancer, listeners, target group, targets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Check:
    """A target group's health check; times in seconds."""

    enabled: bool = True
    protocol: str = "HTTP"
    port: str = "traffic-port"
    path: str = "/"
    matcher: str = "200"
    interval: int = 30
    timeout: int = 5
    healthy: int = 5
    unhealthy: int = 2


@dataclass(frozen=True, kw_only=True)
class TargetGroup:
    """The target group with its health check."""

    arn: str
    name: str
    protocol: str
    kind: str
    vpc: str
    check: Check
    balancers: tuple[str, ...] = ()
    deregistration: int = 300


@dataclass(frozen=True, kw_only=True)
class Target:
    """A registered target and its health."""

    address: str
    port: int
    state: str
    reason: str = ""
    description: str = ""


@dataclass(frozen=True)
class Condition:
    """What a rule wants of a request; ``field`` is ELB's word, one of ``values`` must fit."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A listener's rule: where it forwards to (target groups), or what else it does.

    A target group that a forwarding rule gives the weight 0 gets no request, and is not among them.
    """

    priority: str
    action: str
    groups: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    arn: str = ""

    @property
    def default(self) -> bool:
        """Whether it is the one that counts when no other fits."""
        return self.priority == "default"

    @property
    def paths(self) -> tuple[str, ...]:
        """The path patterns of which one must fit."""
        found = (each.values for each in self.conditions if each.field == "path-pattern")
        return tuple(value for values in found for value in values)


@dataclass(frozen=True)
class Certificate:
    """A listener's certificate; ``status`` is ACM's word, "" where ACM did not tell."""

    arn: str
    status: str = ""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A listener and its rules, the default one included."""

    arn: str
    port: int
    protocol: str
    rules: tuple[Rule, ...] = ()
    certificate: Certificate | None = None


@dataclass(frozen=True, kw_only=True)
class Balancer:
    """The load balancer with its listeners."""

    arn: str
    name: str
    dns: str
    scheme: str
    state: str
    vpc: str
    subnets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()

    @property
    def url(self) -> str:
        """Where the page is: by HTTPS where a listener does it, for HTTP then leads there."""
        secure = any(each.protocol == "HTTPS" for each in self.listeners)
        return f"{'https' if secure else 'http'}://{self.dns}"


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the load balancer answered to a request for the page, at the last try.

    ``status`` is 0 where no answer came, and ``problem`` says why. ``database`` is the status of
    ``/health/db``, None where that was not asked.
    """

    url: str
    path: str
    status: int = 0
    problem: str = ""
    tries: int = 1
    database: int | None = None

    @property
    def fails(self) -> bool:
        """Whether a visitor gets no page: an error of the server, or no answer."""
        return self.status == 0 or self.status >= 500
