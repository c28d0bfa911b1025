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


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A listener's rule: where it forwards to (target groups), or what else it does."""

    priority: str
    action: str
    groups: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A listener and its rules, the default one included."""

    arn: str
    port: int
    protocol: str
    rules: tuple[Rule, ...] = ()


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
