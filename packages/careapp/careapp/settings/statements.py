"""IAM policy documents as plain data."""

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


def let(
    service: str | Sequence[str],
    action: str | Sequence[str],
    resource: str | None,
    when: dict[str, dict[str, Any]] | None = None,
) -> Policy:
    """Return the statement of a resource's own policy, or of a role's trust policy, with which services may do this."""
    statement: Policy = {
        "Effect": "Allow",
        "Principal": {"Service": service if isinstance(service, str) else list(service)},
        "Action": action if isinstance(action, str) else list(action),
    }
    own = {"Resource": resource} if resource else {}
    return statement | own | ({"Condition": when} if when else {})


def trusted(service: str, when: dict[str, dict[str, Any]] | None = None) -> Policy:
    """Return the trust policy that lets an AWS service assume the role under the conditions `when`."""
    return policy(let(service, "sts:AssumeRole", None, when))


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
