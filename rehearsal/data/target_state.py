"""The health of one target, as an Application Load Balancer judges it: a pure state machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

REGISTERING = ("Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = ("Elb.InitialHealthChecking", "Initial health checks in progress")
DRAINING = ("Target.DeregistrationInProgress", "Target deregistration is in progress")
NOT_REGISTERED = ("Target.NotRegistered", "Target is not registered to the target group")
NOT_IN_USE = (
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)
TIMED_OUT = ("Target.Timeout", "Request timed out")
FAILED = ("Target.FailedHealthChecks", "Health checks failed")
DISABLED = ("Target.HealthCheckDisabled", "Health checks are disabled for this target")


@dataclass(frozen=True, kw_only=True)
class Check:
    """A target group's health check, as declared. Times in AWS seconds."""

    protocol: str = "HTTP"
    port: str = "traffic-port"
    path: str = "/"
    interval: float = 30.0
    timeout: float = 5.0
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: str = "200"
    enabled: bool = True


@dataclass(frozen=True)
class Outcome:
    """One health check: passed, or why not, as (reason code, description)."""

    why: tuple[str, str] | None = None

    @property
    def passed(self) -> bool:
        """Whether the target answered as wanted."""
        return self.why is None


PASSED = Outcome()


def answered(status: int, matcher: str) -> Outcome:
    """The outcome of a check that got an HTTP status."""
    if matches(status, matcher):
        return PASSED
    words = f"Health checks failed with these codes: [{status}]"
    return Outcome(("Target.ResponseCodeMismatch", words))


def matches(status: int, matcher: str) -> bool:
    """Whether a status is in a matcher like "200", "200,301" or "200-299"."""
    for part in matcher.split(","):
        first, _, last = part.strip().partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


@dataclass(frozen=True)
class Health:
    """What is known of one target."""

    state: str = "initial"
    why: tuple[str, str] | None = REGISTERING
    passes: int = 0
    failures: int = 0

    def begin(self) -> Health:
        """The first check is on its way."""
        return replace(self, why=CHECKING) if self.why == REGISTERING else self

    def after(self, outcome: Outcome, check: Check) -> Health:
        """What one more check makes of it.

        A new target needs a single pass whatever the threshold says (ELB user guide, health checks); only
        the way back from unhealthy takes ``healthy_threshold`` passes in a row.
        """
        if outcome.passed:
            passes = self.passes + 1
            needed = check.healthy_threshold if self.state == "unhealthy" else 1
            if passes >= needed:
                return Health("healthy", None, passes, 0)
            return replace(self, passes=passes, failures=0)
        failures = self.failures + 1
        if failures >= check.unhealthy_threshold or self.state == "unhealthy":
            return Health("unhealthy", outcome.why, 0, failures)
        return replace(self, passes=0, failures=failures)


def choose(states: Sequence[str]) -> list[int]:
    """Which of the registered targets get requests, by index.

    The healthy ones; when there is none but at least one is unhealthy, all of them: the balancer fails open.
    """
    healthy = [index for index, state in enumerate(states) if state == "healthy"]
    if healthy:
        return healthy
    if "unhealthy" in states:
        return [index for index, state in enumerate(states) if state in ("unhealthy", "initial")]
    return []
