"""The health check's keys and record."""

from __future__ import annotations

from dataclasses import dataclass

from i18n import t
from infra.settings import rules
from infra.settings.key import Key
from infra.settings.reader import Reader

HEALTH_PATH = Key(
    "healthPath",
    "/health",
    rules.pattern(r"/[!-~]{0,1023}", t("a path that begins with /, at most 1024 characters")),
    "path that the load balancer asks",
)
HEALTH_MATCHER = Key("healthMatcher", "200", rules.status_codes, "status codes that mean healthy")
SMOKE_PATH = Key(
    "smokePath",
    "/",
    rules.pattern(
        r"|/[!-~]{0,1023}", t("a path that begins with /, at most 1024 characters, or empty")
    ),
    "page that `pulumi up` asks for, and that must answer below 500; empty: none",
)
HEALTH_INTERVAL = Key(
    "healthInterval", "10", rules.integer(5, 300, t(" seconds")), "seconds between health checks"
)
HEALTH_TIMEOUT = Key(
    "healthTimeout",
    "5",
    rules.integer(2, 120, t(" seconds")),
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
    rules.integer(0, 7200, t(" seconds")),
    "seconds after a task's start in which ECS ignores failed health checks",
)
DEREGISTRATION_DELAY = Key(
    "deregistrationDelay",
    "15",
    rules.integer(0, 3600, t(" seconds")),
    "seconds that a leaving task may finish its requests",
)


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """The load balancer's health check of a task, and the page that the gate asks for; times are seconds."""

    path: str
    matcher: str
    interval: int
    timeout: int
    healthy: int
    unhealthy: int
    deregistration_delay: int
    smoke_path: str

    @property
    def notice(self) -> int:
        """Seconds within which ELB calls a target unhealthy that fails from now on.

        The failing checks, and before them up to one interval in which nothing is asked.
        """
        return self.interval * (self.unhealthy + 1)

    @classmethod
    def load(cls, read: Reader) -> HealthSettings:
        interval, timeout = read(HEALTH_INTERVAL), read(HEALTH_TIMEOUT)

        def shorter() -> int:
            if timeout >= interval:
                raise ValueError(
                    t(
                        "{timeout} is not less than healthInterval {interval}, which ELB refuses; "
                        "lower one or raise the other",
                        timeout=timeout,
                        interval=interval,
                    )
                )
            return timeout

        return cls(
            path=read(HEALTH_PATH),
            matcher=read(HEALTH_MATCHER),
            interval=interval,
            timeout=read.together(shorter, HEALTH_TIMEOUT, HEALTH_INTERVAL, otherwise=timeout),
            healthy=read(HEALTHY_THRESHOLD),
            unhealthy=read(UNHEALTHY_THRESHOLD),
            deregistration_delay=read(DEREGISTRATION_DELAY),
            smoke_path=read(SMOKE_PATH),
        )
