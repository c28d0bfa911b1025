"""IAM policy documents as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

Policy: TypeAlias = dict[str, Any]


def policy(*statements: Policy) -> Policy:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(resource: str | Sequence[str], *actions: str) -> Policy:
    """Return the statement that allows the actions on the resources."""
    resources = resource if isinstance(resource, str) else list(resource)
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def trusted(service: str, when: dict[str, dict[str, Any]] | None = None) -> Policy:
    """Return the trust policy that lets an AWS service assume the role under the conditions `when`."""
    statement: Policy = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    return policy({**statement, "Condition": when} if when else statement)


def without_tls(resource: str | Sequence[str], action: str) -> Policy:
    """Return the statement that denies the action without TLS."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource if isinstance(resource, str) else list(resource),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def of(service: str, *names: str) -> list[str]:
    """Return actions of one service, e.g. ``of("ecs", "CreateCluster")``."""
    return [f"{service}:{name}" for name in names]
