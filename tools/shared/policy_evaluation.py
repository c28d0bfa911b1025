"""How IAM evaluates policy documents, for the doctor.

The local cloud decides by code of its own: the doctor must be able to contradict it. How a pattern is compared stands
in both alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

Document: TypeAlias = Mapping[str, Any]

ALLOWED, DENIED, NOT_ALLOWED, NOT_IN_BOUNDARY = "allowed", "denied", "not-allowed", "boundary"
"""Decisions. DENIED comes from an explicit Deny; NOT_ALLOWED means that no statement applies."""


def decide(
    policies: Iterable[Document], action: str, resource: str, boundary: Document | None = None
) -> str:
    """Return IAM's decision on one action by these policies and the permissions boundary.

    The conditions of an Allow count as fulfilled and those of a Deny as not fulfilled: a snapshot has no request.
    Source: IAM User Guide, "Policy evaluation logic".
    """
    decision = _decide(policies, action, resource)
    if decision == ALLOWED and boundary is not None:
        bounded = _decide([boundary], action, resource)
        return NOT_IN_BOUNDARY if bounded == NOT_ALLOWED else bounded
    return decision


def trusts(trust_policy: Document, service: str) -> bool:
    """Return whether a role's trust policy lets an AWS service assume the role, its conditions fulfilled."""
    for statement in listed(trust_policy.get("Statement", ())):
        principal = statement.get("Principal", {})
        services = listed(principal.get("Service", ())) if isinstance(principal, Mapping) else "*"
        assumes = _matches(statement.get("Action", ()), "sts:assumerole", fold=True)
        if statement.get("Effect") == "Allow" and assumes and {service, "*"} & {*services}:
            return True
    return False


def _decide(policies: Iterable[Document], action: str, resource: str) -> str:
    decision = NOT_ALLOWED
    for statement in (each for one in policies for each in listed(one.get("Statement", ()))):
        denies = statement["Effect"] == "Deny"
        if not _covers(statement, action, resource) or (denies and statement.get("Condition")):
            continue
        if denies:
            return DENIED
        decision = ALLOWED
    return decision


def _covers(statement: Document, action: str, resource: str) -> bool:
    if "NotAction" in statement:
        covered = not _matches(statement["NotAction"], action.lower(), fold=True)
    else:
        covered = _matches(statement.get("Action", ()), action.lower(), fold=True)
    if "NotResource" in statement:
        return covered and not _matches(statement["NotResource"], resource)
    return covered and _matches(statement.get("Resource", ()), resource)


def _matches(patterns: object, value: str, fold: bool = False) -> bool:
    for pattern in map(str, listed(patterns)):
        # IAM's patterns have no character classes.
        text = (pattern.lower() if fold else pattern).replace("[", "[[]")
        if fnmatchcase(value, text):
            return True
    return False


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and any other value as a list of one; IAM allows both."""
    return list(value) if isinstance(value, (list, tuple)) else [value]
