"""IAM statements as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

Policy: TypeAlias = dict[str, Any]


def policy(*statements: Policy) -> Policy:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(resource: str | Sequence[str], *actions: str) -> Policy:
    """Allow the actions on the resource, or on each of several."""
    named = resource if isinstance(resource, str) else list(resource)
    return {"Effect": "Allow", "Action": list(actions), "Resource": named}


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


def secret_arn(value_from: str) -> str:
    """The secret that a `valueFrom` of a task definition names: without json key, stage and version."""
    return ":".join(value_from.split(":")[:7])


def secret_key(value_from: str) -> str:
    """The json key that is wanted of the secret, or ""."""
    parts = value_from.split(":")
    return parts[7] if len(parts) > 7 else ""
