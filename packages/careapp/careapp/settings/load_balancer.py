"""The load balancer: the keys and records of its health check and of HTTPS."""

from dataclasses import dataclass
from typing import Self

from careapp.settings import rules
from careapp.settings.file import Reader
from careapp.settings.rules import Key, value_of
from ecs_gate.text import t

IDLE_SECONDS = 60
"""The load balancer's idle timeout: how long it keeps a connection to a task on which nothing is sent."""
KEEP_ALIVE_SECONDS = IDLE_SECONDS + 15
"""How long the app must keep one. A request that the load balancer sends while the app closes the connection gets 502
(User Guide for Application Load Balancers, "Troubleshoot your Application Load Balancers", HTTP 502)."""

HTTP, HTTPS = 80, 443
"""The listeners' ports."""
SMOKE_REQUESTS = 10
"""Requests for `smokePath` that a new version must answer before users' requests go to it; not with `rolling`."""

HEALTH_PATH = Key(
    "healthPath",
    "/health",
    rules.pattern(r"/[!-~]{0,1023}", t("a path that begins with /, at most 1024 characters")),
    "path of the load balancer's health check",
    example="/health/db",
)
HEALTH_MATCHER = Key(
    "healthMatcher",
    "200",
    rules.status_codes,
    "status codes of a healthy response",
    example="200-299",
)
SMOKE_PATH = Key(
    "smokePath",
    "/",
    rules.pattern(
        r"|/[!-~]{0,1023}", t("a path that begins with /, at most 1024 characters, or empty")
    ),
    "page that `pulumi up` requests after a deployment, as a browser does; empty: none",
    example="/health",
)
SMOKE_MATCHER = Key(
    "smokeMatcher",
    "200-299",
    rules.status_codes,
    "status codes that `smokePath` must answer with, at the end of its redirects",
    example="200-399",
)
HEALTH_GRACE_PERIOD = Key(
    "healthGracePeriod",
    "60",
    rules.Integer(0, 7200, t(" seconds")),
    "seconds after a task's start in which ECS ignores failed health checks",
)


@dataclass(frozen=True, kw_only=True)
class HealthSettings:
    """The load balancer's health check, and the page that the roll-out gate requests; times in seconds."""

    path: str = value_of(HEALTH_PATH)
    matcher: str = value_of(HEALTH_MATCHER)
    interval: int = 10
    timeout: int = 5
    """Less than the interval, which ELB requires."""
    healthy: int = 2
    unhealthy: int = 3
    """How many checks in a row make a task healthy, or unhealthy."""
    smoke_path: str = value_of(SMOKE_PATH)
    smoke_matcher: str = value_of(SMOKE_MATCHER)

    @property
    def notice(self) -> int:
        """Seconds until ELB reports a failing target as unhealthy.

        The failed checks, and up to one interval before the first of them.
        """
        return self.interval * (self.unhealthy + 1)


CERTIFICATE_ARN = Key(
    "certificateArn",
    "",
    rules.pattern(
        r"|arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-z-]+",
        t("an ACM certificate's ARN like arn:aws:acm:REGION:ACCOUNT:certificate/ID"),
    ),
    "ARN of an ACM certificate in the stack's region, for HTTPS; empty: HTTP",
    example="arn:aws:acm:ap-northeast-1:111122223333:certificate/0a",
)
DOMAIN_NAME = Key(
    "domainName",
    "",
    rules.pattern(
        r"|(?=.{1,64}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
        t("a domain name like app.example.com in lowercase, at most 64 characters long"),
    ),
    "domain name for HTTPS; its certificate and DNS records are created in `hostedZoneId`",
    example="app.example.com",
)
HOSTED_ZONE_ID = Key(
    "hostedZoneId",
    "",
    rules.pattern(r"|Z[A-Z0-9]{1,31}", t("the ID of a Route 53 hosted zone like Z0123456789ABC")),
    "ID of the Route 53 hosted zone of `domainName`",
    example="Z0123456789ABC",
)


@dataclass(frozen=True, kw_only=True)
class HttpsSettings:
    """An existing certificate, or a domain name and its zone for a new one, or neither: HTTP."""

    certificate_arn: str = value_of(CERTIFICATE_ARN)
    domain: str = value_of(DOMAIN_NAME)
    zone_id: str = value_of(HOSTED_ZONE_ID)

    @property
    def enabled(self) -> bool:
        return bool(self.certificate_arn or self.domain)

    @property
    def ports(self) -> dict[str, int]:
        """The listeners' ports, by protocol. With HTTPS the HTTP listener redirects to it."""
        return {"HTTP": HTTP, **({"HTTPS": HTTPS} if self.enabled else {})}

    def url(self, balancer: str) -> str:
        """Return the page's URL, without a path; ``balancer`` is the load balancer's DNS name."""
        scheme = "https" if self.enabled else "http"
        return f"{scheme}://{self.domain or balancer}"

    @classmethod
    def load(cls, read: Reader, region: str) -> Self:
        keys, given = (CERTIFICATE_ARN, DOMAIN_NAME, HOSTED_ZONE_ID), read.record(cls)
        arn, domain, zone = given.certificate_arn, given.domain, given.zone_id
        place = arn.split(":")[3] if arn else region
        elsewhere = t(
            "{arn} is in {other}, but the load balancer is in {region} and accepts only "
            "certificates of its own region; request one there",
            arn=arn,
            other=place,
            region=region,
        )
        read.refuse(region and place != region, elsewhere, *keys)
        both = t(
            "{arn} is set together with {other}; keep either certificateArn, or domainName "
            "with hostedZoneId",
            arn=arn,
            other=domain or zone,
        )
        read.refuse(arn and (domain or zone), both, *keys)
        no_zone = t(
            "{domain} needs the Route 53 hosted zone for its records; set hostedZoneId, or "
            "set certificateArn to an existing certificate instead",
            domain=domain,
        )
        read.refuse(domain and not zone, no_zone, DOMAIN_NAME, *keys)
        no_domain = t("{zone} is set without a domain name; set domainName, too", zone=zone)
        read.refuse(zone and not domain, no_domain, HOSTED_ZONE_ID, *keys)
        return given
