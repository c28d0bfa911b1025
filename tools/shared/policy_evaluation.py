"""How IAM evaluates policy documents, for the doctor.

The local cloud decides by code of its own: the doctor must be able to contradict it. How a pattern or a condition is
compared stands in both alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

Document: TypeAlias = Mapping[str, Any]
Context: TypeAlias = Mapping[str, str | Sequence[str]]
"""The condition keys of a request, with their values."""

ALLOWED, DENIED, NOT_ALLOWED, NOT_IN_BOUNDARY = "allowed", "denied", "not-allowed", "boundary"
"""Decisions. DENIED comes from an explicit Deny; NOT_ALLOWED means that no statement applies."""


def decide(
    policies: Iterable[Document],
    action: str,
    resource: str,
    context: Context | None = None,
    boundary: Document | None = None,
) -> str:
    """Return IAM's decision on one action by these policies and the permissions boundary.

    Without a context, the conditions of an Allow count as fulfilled and those of a Deny as not
    fulfilled. Raises LookupError for a condition operator that is not evaluated here.
    Source: IAM User Guide, "Policy evaluation logic".
    """
    decision = _decide(policies, action, resource, context)
    if decision == ALLOWED and boundary is not None:
        bounded = _decide([boundary], action, resource, context)
        return NOT_IN_BOUNDARY if bounded == NOT_ALLOWED else bounded
    return decision


def trusts(trust_policy: Document, service: str, context: Context | None = None) -> bool:
    """Return whether a role's trust policy lets an AWS service assume the role.

    Without a context, the conditions count as fulfilled.
    """
    for statement in listed(trust_policy.get("Statement", ())):
        principal = statement.get("Principal", {})
        services = listed(principal.get("Service", ())) if isinstance(principal, Mapping) else "*"
        assumes = _matches(statement.get("Action", ()), "sts:assumerole", fold=True)
        named = statement.get("Effect") == "Allow" and assumes and {service, "*"} & {*services}
        if named and (context is None or _fulfilled(statement.get("Condition", {}), context)):
            return True
    return False


def _decide(
    policies: Iterable[Document], action: str, resource: str, context: Context | None
) -> str:
    decision = NOT_ALLOWED
    for statement in (each for one in policies for each in listed(one.get("Statement", ()))):
        if not _covers(statement, action, resource):
            continue
        conditions, denies = statement.get("Condition", {}), statement["Effect"] == "Deny"
        unmet = denies and conditions if context is None else not _fulfilled(conditions, context)
        if unmet:
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


def _fulfilled(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    return all(
        _compare(operator, [str(each) for each in listed(expected)], context.get(key))
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    )


def _compare(operator: str, expected: list[str], value: str | Sequence[str] | None) -> bool:
    match operator:
        case "StringEquals" | "Bool":
            return value in expected
        case "StringEqualsIfExists":
            return value is None or value in expected
        case "StringNotEquals":  # also true if the request lacks the key
            return value not in expected
        case "StringLike":
            return isinstance(value, str) and _matches(expected, value)
        case "ArnEquals" | "ArnLike":  # both take wildcards, which do not reach over a colon
            return isinstance(value, str) and any(_is_like(each, value) for each in expected)
        case "StringNotLike":  # also true if the request lacks the key
            return not (isinstance(value, str) and _matches(expected, value))
        case "Null":
            return (value is None) == (expected == ["true"])
        case "ForAllValues:StringEquals":  # also true if the request lacks the key
            return set([] if value is None else listed(value)) <= set(expected)
    raise LookupError(f"the condition operator {operator} is not evaluated here")


def _is_like(pattern: str, arn: str) -> bool:
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(map(_matches, patterns, parts))


def listed(value: object) -> Sequence[Any]:
    """Return the value, or where a policy has a single one in place of a list, a list of it."""
    return value if isinstance(value, (list, tuple)) else [value]
