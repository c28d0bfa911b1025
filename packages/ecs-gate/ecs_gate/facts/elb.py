"""Elastic Load Balancing: matchers, path patterns, logins; and how ECS's circuit breaker counts."""

import math
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

CALLBACK_PATH = "/oauth2/idpresponse"
"""Where the provider sends users back to: ELB answers it (ELB user guide, "Authenticate users")."""


def matches(status: int, matcher: str) -> bool:
    """Return whether a target group's matcher, like "200", "200,301" or "200-299", has an HTTP status.

    Source: Elastic Load Balancing API reference, Matcher.
    """
    spans = (span.strip().partition("-") for span in matcher.split(","))
    return any(int(first) <= status <= int(last or first) for first, _, last in spans)


def breaker_limit(desired: int) -> int:
    """Return at how many failed tasks ECS's circuit breaker ends a deployment.

    A half of the desired count, at least 3 and at most 200 (Amazon ECS developer guide, "How the
    Amazon ECS deployment circuit breaker detects failures"; API reference, DeploymentCircuitBreaker).
    """
    return min(200, max(3, math.ceil(desired / 2)))


def ports(*urls: str) -> list[int]:
    """Return the ports to which the load balancer connects for these URLs."""
    return sorted({urlsplit(url).port or 443 for url in urls})


def covers(pattern: str, path: str) -> bool:
    """Return whether ELB's path pattern matches the path, without its query. Paths are case-sensitive."""
    return fnmatchcase(path.partition("?")[0], pattern.replace("[", "[[]"))
