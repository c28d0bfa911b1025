"""IAM statements as plain data, for the program's own policies and for those of its delivery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

Policy: TypeAlias = dict[str, Any]


def policy(*statements: Policy) -> Policy:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(
    resource: str | Sequence[str], *actions: str, when: dict[str, dict[str, Any]] | None = None
) -> Policy:
    """Allow the actions on the resource, or on each of several, `when` the conditions hold."""
    named = resource if isinstance(resource, str) else list(resource)
    statement: Policy = {"Effect": "Allow", "Action": list(actions), "Resource": named}
    return {**statement, "Condition": when} if when else statement


def deny(
    resource: str | Sequence[str], *actions: str, when: dict[str, dict[str, Any]] | None = None
) -> Policy:
    """Refuse them, whatever else allows them."""
    return {**allow(resource, *actions, when=when), "Effect": "Deny"}


def trusted(service: str, when: dict[str, dict[str, Any]] | None = None) -> Policy:
    """A trust policy: this service of AWS may take the role, `when` the conditions hold."""
    statement: Policy = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    return policy({**statement, "Condition": when} if when else statement)


def without_tls(resource: str | Sequence[str], action: str) -> Policy:
    """Refuse it to everybody who comes without TLS."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource if isinstance(resource, str) else list(resource),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def of(service: str, *names: str) -> list[str]:
    """Actions of one service, e.g. ``of("ecs", "CreateCluster")``."""
    return [f"{service}:{name}" for name in names]
