"""IAM policy documents as plain data, and the ARN in a task definition's secret."""

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


def secret_arn(value_from: str) -> str:
    """Return the secret's ARN in a `valueFrom`: without json key, stage and version."""
    return ":".join(value_from.split(":")[:7])


def secret_key(value_from: str) -> str:
    """Return the json key in a `valueFrom`, or empty text."""
    parts = value_from.split(":")
    return parts[7] if len(parts) > 7 else ""
