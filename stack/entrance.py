"""The load balancer: the keys and records of its health check and of HTTPS."""

from __future__ import annotations

from dataclasses import dataclass

from i18n import t
from stack import rules
from stack.reader import Reader
from stack.rules import Key

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


CERTIFICATE_ARN = Key(
    "certificateArn",
    "",
    rules.pattern(
        r"|arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-z-]+",
        t("an ACM certificate's ARN like arn:aws:acm:REGION:ACCOUNT:certificate/ID"),
    ),
    "HTTPS with this ACM certificate of the stack's region; empty: without it",
)
DOMAIN_NAME = Key(
    "domainName",
    "",
    rules.pattern(
        r"|(?=.{1,64}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
        t("a domain name like app.example.com in small letters, at most 64 characters long"),
    ),
    "HTTPS under this name, with a certificate and DNS records that are made in `hostedZoneId`",
)
HOSTED_ZONE_ID = Key(
    "hostedZoneId",
    "",
    rules.pattern(r"|Z[A-Z0-9]{1,31}", t("a Route 53 hosted zone's id like Z0123456789ABC")),
    "Route 53 zone that holds `domainName`",
)


@dataclass(frozen=True, kw_only=True)
class HttpsSettings:
    """A certificate that exists, or a domain and its zone to make one for, or neither: plain HTTP."""

    certificate_arn: str = ""
    domain: str = ""
    zone_id: str = ""

    @property
    def enabled(self) -> bool:
        return bool(self.certificate_arn or self.domain)

    @classmethod
    def load(cls, read: Reader, region: str) -> HttpsSettings:
        keys = (CERTIFICATE_ARN, DOMAIN_NAME, HOSTED_ZONE_ID)
        arn, domain, zone = (read(key) for key in keys)
        given = cls(certificate_arn=arn, domain=domain, zone_id=zone)
        return cls(
            certificate_arn=read.together(lambda: given.usable(region), *keys, otherwise=arn),
            domain=read.together(given.complete, DOMAIN_NAME, *keys, otherwise=domain),
            zone_id=read.together(given.of_use, HOSTED_ZONE_ID, *keys, otherwise=zone),
        )

    def usable(self, region: str) -> str:
        """The certificate, where it is of the load balancer's region and given alone. Raises ValueError."""
        arn, other = self.certificate_arn, self.domain or self.zone_id
        if arn and region and arn.split(":")[3] != region:
            raise ValueError(
                t(
                    "{arn} is in {other}, but the load balancer is in {region} and takes "
                    "certificates of its own region only; request one there",
                    arn=arn,
                    other=arn.split(":")[3],
                    region=region,
                )
            )
        if arn and other:
            raise ValueError(
                t(
                    "{arn} is given beside {other}; keep certificateArn, or domainName with "
                    "hostedZoneId",
                    arn=arn,
                    other=other,
                )
            )
        return arn

    def complete(self) -> str:
        """The domain, where its zone is given, too. Raises ValueError."""
        if self.domain and not self.zone_id:
            raise ValueError(
                t(
                    "{domain} needs the Route 53 zone that its records go into; set "
                    "hostedZoneId, or make the certificate elsewhere and set certificateArn "
                    "instead",
                    domain=self.domain,
                )
            )
        return self.domain

    def of_use(self) -> str:
        """The zone, where there is a domain in it. Raises ValueError."""
        if self.zone_id and not self.domain:
            raise ValueError(
                t("{zone} is given without a name in it; set domainName, too", zone=self.zone_id)
            )
        return self.zone_id
