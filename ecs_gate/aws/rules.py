"""Rules of AWS by which the commands judge a stack and the local cloud acts."""

from __future__ import annotations

import math


def matches(status: int, matcher: str) -> bool:
    """Return whether a target group's matcher, like "200", "200,301" or "200-299", has an HTTP status.

    Source: Elastic Load Balancing API reference, Matcher.
    """
    spans = (each.strip().partition("-") for each in matcher.split(","))
    return any(int(first) <= status <= int(last or first) for first, _, last in spans)


def breaker_limit(desired: int, percent: int = 50) -> int:
    """Return at how many failed tasks ECS's circuit breaker ends a deployment.

    A share of the desired count, at least 3 and at most 200 (Amazon ECS developer guide, "How the
    Amazon ECS deployment circuit breaker detects failures"; API reference, DeploymentCircuitBreaker).
    """
    return min(200, max(3, math.ceil(desired * percent / 100)))
