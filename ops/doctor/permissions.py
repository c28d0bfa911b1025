"""What an IAM role may do, worked out from its policies as IAM does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ops.snapshot.task_inputs import Role

Document = Mapping[str, Any]


ALLOWED, DENIED, NOT_ALLOWED, NOT_IN_BOUNDARY = "allowed", "denied", "not-allowed", "boundary"


def verdict(role: Role, action: str, resource: str) -> str:
    """ALLOWED, DENIED (by an explicit Deny), NOT_ALLOWED, or NOT_IN_BOUNDARY.

    Conditions of an Allow are taken as fulfilled and those of a Deny as not: what the request will
    carry is not known here. Source: IAM user guide, policy evaluation logic.
    """
    found = _decide(role.policies, action, resource)
    if found == ALLOWED and role.boundary is not None:
        bounded = _decide([role.boundary], action, resource)
        return NOT_IN_BOUNDARY if bounded == NOT_ALLOWED else bounded
    return found


def _decide(documents: Iterable[Document], action: str, resource: str) -> str:
    allowed = False
    for statement in (each for document in documents for each in _list(document["Statement"])):
        if not _applies(statement, action, resource):
            continue
        if statement["Effect"] == "Allow":
            allowed = True
        elif not statement.get("Condition"):
            return DENIED
    return ALLOWED if allowed else NOT_ALLOWED


def _applies(statement: Document, action: str, resource: str) -> bool:
    if "NotAction" in statement:
        acts = not _matches(statement["NotAction"], action.lower(), fold=True)
    else:
        acts = _matches(statement.get("Action", ()), action.lower(), fold=True)
    if "NotResource" in statement:
        return acts and not _matches(statement["NotResource"], resource)
    return acts and _matches(statement.get("Resource", ()), resource)


def _matches(patterns: object, value: str, fold: bool = False) -> bool:
    for pattern in _list(patterns):
        text = str(pattern).lower() if fold else str(pattern)
        if fnmatchcase(value, text.replace("[", "[[]")):
            return True
    return False


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def trusts_ecs(role: Role) -> bool:
    """Whether ECS may take the role."""
    for statement in _list(role.trust.get("Statement", ())):
        principal = statement.get("Principal", {})
        services = _list(principal.get("Service", ())) if isinstance(principal, Mapping) else ["*"]
        acts = _matches(statement.get("Action", ()), "sts:assumerole", fold=True)
        named = "ecs-tasks.amazonaws.com" in services or "*" in services
        if statement.get("Effect") == "Allow" and acts and named:
            return True
    return False
