"""The registered targets of all target groups, their health, and the ELB calls about them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.hooks import Hooking
from local_cloud.clock import Clock

Reason = tuple[str, str]
"""The reason code and description of a target's health."""
REGISTERING = ("Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = ("Elb.InitialHealthChecking", "Initial health checks in progress")
DRAINING = ("Target.DeregistrationInProgress", "Target deregistration is in progress")
NOT_REGISTERED = ("Target.NotRegistered", "Target is not registered to the target group")
NOT_IN_USE = (
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)
NOT_IN_ZONE = (
    "Target.NotInUse",
    "Target is in an Availability Zone that is not enabled for the load balancer",
)
TIMED_OUT = ("Target.Timeout", "Request timed out")
FAILED = ("Target.FailedHealthChecks", "Health checks failed")
DISABLED = ("Target.HealthCheckDisabled", "Health checks are disabled for this target")


@dataclass(frozen=True, kw_only=True)
class Check:
    """A target group's declared health check. Times are in AWS seconds."""

    protocol: str = "HTTP"
    port: str = "traffic-port"
    path: str = "/"
    interval: float = 30.0
    timeout: float = 5.0
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: str = "200"
    enabled: bool = True


def answered(status: int, matcher: str) -> Reason | None:
    """Return why a check that got an HTTP status failed, by a matcher like "200", "200,301" or "200-299"."""
    spans = (span.strip().partition("-") for span in matcher.split(","))
    if any(int(first) <= status <= int(last or first) for first, _, last in spans):
        return None
    return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]"


@dataclass(frozen=True)
class Health:
    state: str = "initial"
    why: Reason | None = REGISTERING
    passes: int = 0
    failures: int = 0

    def begin(self) -> Health:
        """Return the health after the first check has begun."""
        return replace(self, why=CHECKING) if self.why == REGISTERING else self

    def after(self, why: Reason | None, check: Check) -> Health:
        """Return the health after one more check, which failed for a reason, or else passed.

        A new target needs one passed check whatever the threshold is (ELB user guide, health
        checks). An unhealthy one needs ``healthy_threshold`` passed checks in a row.
        """
        if why is None:
            passes = self.passes + 1
            needed = check.healthy_threshold if self.state == "unhealthy" else 1
            if passes >= needed:
                return Health("healthy", None, passes, 0)
            return replace(self, passes=passes, failures=0)
        if why == NOT_IN_ZONE:
            return Health("unused", why)
        failures = self.failures + 1
        if failures >= check.unhealthy_threshold or self.state == "unhealthy":
            return Health("unhealthy", why, 0, failures)
        return replace(self, passes=0, failures=failures)


def choose(states: Sequence[str]) -> list[int]:
    """Return the indices of the registered targets that get requests.

    These are the healthy ones. Without a healthy one but with an unhealthy one, all get requests:
    the balancer fails open.
    """
    healthy = [index for index, state in enumerate(states) if state == "healthy"]
    if healthy:
        return healthy
    if "unhealthy" in states:
        return [index for index, state in enumerate(states) if state in ("unhealthy", "initial")]
    return []


Watcher = Callable[["Target"], None]


@dataclass(eq=False)
class Target:
    """A target with its port, which moto's table does not keep."""

    group: str
    id: str
    port: int
    health: Health = field(default_factory=Health)
    draining_until: float | None = None
    gone: bool = False

    @property
    def key(self) -> tuple[str, str, int]:
        return self.group, self.id, self.port


class Targets:
    """Registers and deregisters targets, and calls callbacks after changes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._all: dict[tuple[str, str, int], Target] = {}
        self.on_registered: Watcher = lambda _: None
        self.on_changed: Watcher = lambda _: None
        self.on_gone: Watcher = lambda _: None
        self.on_health: Watcher = lambda _: None

    def start(self, hooking: Hooking) -> None:
        """Register the hooks for the calls that moto answers wrongly."""
        hooking.instead("elbv2", "RegisterTargets", self._register_call)
        hooking.instead("elbv2", "DeregisterTargets", self._deregister_call)
        hooking.instead("elbv2", "DescribeTargetHealth", self._describe_call)

    def of(self, group: str) -> list[Target]:
        """Return the targets of a group, including draining ones."""
        with self._lock:
            return [target for target in self._all.values() if target.group == group]

    def register(self, group: str, address: str, port: int) -> Target:
        """Register a target in a group, also one that is draining."""
        with self._lock:
            old = self._all.get((group, address, port))
            if old is not None and old.draining_until is None:
                return old
            target = Target(group, address, port)
            if old is not None:
                old.gone = True
            self._all[target.key] = target
        with hooks.LOCK:
            known = hooks.backend("elbv2").target_groups.get(group)
            if known is not None:
                known.register([{"Id": address, "Port": port}])
        self.on_registered(target)
        return target

    def deregister(self, group: str, address: str, port: int) -> bool:
        """Start to drain a target; return False if it is not registered."""
        with hooks.LOCK:
            known = hooks.backend("elbv2").target_groups.get(group)
            if known is not None and address in known.targets:
                known.deregister([{"Id": address}])
            delay = float(
                known.attributes["deregistration_delay.timeout_seconds"] if known else 0.0
            )
        with self._lock:
            target = self._all.get((group, address, port))
            if target is None:
                return False
            if target.draining_until is None:
                target.draining_until = self._clock.monotonic() + delay
        self.on_changed(target)
        return True

    def is_deregistered(self, group: str, address: str, port: int) -> bool:
        """Return whether the target is neither registered nor draining."""
        with self._lock:
            return (group, address, port) not in self._all

    def check(self, target: Target, health: Health) -> None:
        with self._lock:
            changed, moved = target.health != health, target.health.state != health.state
            target.health = health
        if moved and not target.gone:
            self.on_health(target)
        if changed and not target.gone:
            self.on_changed(target)

    def expire(self) -> None:
        """Remove the targets whose deregistration delay is over."""
        now = self._clock.monotonic()
        with self._lock:
            over = [
                target
                for target in self._all.values()
                if target.draining_until is not None and now >= target.draining_until
            ]
            for target in over:
                target.gone = True
                del self._all[target.key]
        for target in over:
            self.on_gone(target)

    def state(self, target: Target) -> tuple[str, Reason | None]:
        """Return the state and reason as in DescribeTargetHealth."""
        if target.draining_until is not None:
            return "draining", DRAINING
        group = hooks.backend("elbv2").target_groups.get(target.group)
        if group is not None and not group.health_check_enabled:
            return "unavailable", DISABLED
        if not hooks.backend("elbv2")._any_listener_using(target.group):
            return "unused", NOT_IN_USE
        return target.health.state, target.health.why

    def _register_call(self, params: hooks.Params) -> hooks.Params:
        group = _group(params["TargetGroupArn"])
        for target in params["Targets"]:
            self.register(group.arn, str(target["Id"]), int(target.get("Port") or group.port))
        return {}

    def _deregister_call(self, params: hooks.Params) -> hooks.Params:
        group = _group(params["TargetGroupArn"])
        for each in params["Targets"]:
            for target in self.of(group.arn):
                if target.id == each["Id"] and target.port == int(each.get("Port") or target.port):
                    self.deregister(*target.key)
        return {}

    def _describe_call(self, params: hooks.Params) -> hooks.Params:
        group = _group(params["TargetGroupArn"])
        known = self.of(group.arn)
        rows = [_row(group, each.id, each.port, *self.state(each)) for each in known]
        asked = params.get("Targets")
        if not asked:
            return {"TargetHealthDescriptions": rows}
        found = []
        for each in asked:
            port = int(each.get("Port") or group.port)
            target = {"Id": str(each["Id"]), "Port": port}
            same = [row for row in rows if row["Target"] == target]
            found += same or [_row(group, target["Id"], port, "unused", NOT_REGISTERED)]
        return {"TargetHealthDescriptions": found}


def _row(group: Any, name: Any, port: int, state: str, why: Reason | None) -> hooks.Params:
    health = {"State": state}
    if why is not None:
        health |= {"Reason": why[0], "Description": why[1]}
    check = str(group.health_check_port or "traffic-port")
    return {
        "Target": {"Id": name, "Port": port},
        "HealthCheckPort": str(port) if check == "traffic-port" else check,
        "TargetHealth": health,
    }


def _group(arn: str) -> Any:
    group = hooks.backend("elbv2").target_groups.get(arn)
    if group is None:
        raise hooks.Refused("TargetGroupNotFound", f"Target groups '{arn}' not found")
    return group


def check_of(group: Any) -> Check:
    matcher = getattr(group, "matcher", None) or {}
    return Check(
        protocol=str(group.health_check_protocol or "HTTP"),
        port=str(group.health_check_port or "traffic-port"),
        path=str(group.health_check_path or "/"),
        interval=float(group.health_check_interval_seconds),
        timeout=float(group.health_check_timeout_seconds),
        healthy_threshold=int(group.healthy_threshold_count),
        unhealthy_threshold=int(group.unhealthy_threshold_count),
        matcher=str(matcher.get("HttpCode") or "200"),
        enabled=bool(group.health_check_enabled),
    )
