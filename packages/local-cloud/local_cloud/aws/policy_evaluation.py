"""How IAM evaluates policy documents, for the local cloud's answers.

Tools that judge a program's policies decide by code of their own, or they would share a mistake of this one. How a
pattern is compared stands in both alike, and one table of cases tries both.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
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
    effects = _effects(policies, action, resource, context)
    if "Deny" in effects or not effects:
        return DENIED if effects else NOT_ALLOWED
    limits = _effects([boundary], action, resource, context) if boundary is not None else effects
    return DENIED if "Deny" in limits else ALLOWED if limits else NOT_IN_BOUNDARY


def _effects(
    policies: Iterable[Document], action: str, resource: str, context: Context | None
) -> set[str]:
    return {
        statement["Effect"]
        for policy in policies
        for statement in listed(policy.get("Statement", ()))
        if _covers(statement, "Action", action.lower(), fold=True)
        and _covers(statement, "Resource", resource)
        and _holds(statement, context)
    }


def trusts(trust_policy: Document, service: str, context: Context) -> bool:
    """Return whether a role's trust policy lets an AWS service assume the role."""
    return admits(trust_policy, service, "sts:AssumeRole", "", context)


def admits(policy: Document, service: str, action: str, resource: str, context: Context) -> bool:
    """Return whether a resource's policy lets an AWS service do something there."""
    spoken = [
        statement
        for statement in listed(policy.get("Statement", ()))
        if service in named(statement.get("Principal"), "Service")
        or "*" in named(statement.get("Principal"), "AWS")
    ]
    return decide([{"Statement": spoken}], action, resource, context) == ALLOWED


def named(principal: Any, kind: str) -> Sequence[Any]:
    """Return whom a statement's principal, or the lack of one, names of a kind: "AWS" with "*", or "Service"."""
    return listed(principal.get(kind, ()) if isinstance(principal, Mapping) else principal)


def _covers(statement: Document, name: str, value: str, fold: bool = False) -> bool:
    """Return whether a statement is about an action or a resource; without a resource it is about its policy's own."""
    if f"Not{name}" in statement:
        return not _matches(statement[f"Not{name}"], value, fold)
    return _matches(statement.get(name, "*" if name == "Resource" else ()), value, fold)


def _holds(statement: Document, context: Context | None) -> bool:
    conditions: Mapping[str, Mapping[str, Any]] = statement.get("Condition", {})
    if context is None:
        return statement["Effect"] == "Allow" or not conditions
    sent = {key.lower(): value for key, value in context.items()}
    return all(
        _compare(operator, [str(value) for value in listed(expected)], sent.get(key.lower()))
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    )


def _matches(patterns: object, value: str, fold: bool = False) -> bool:
    for pattern in map(str, listed(patterns)):
        # IAM's patterns have no character classes.
        text = (pattern.lower() if fold else pattern).replace("[", "[[]")
        if fnmatchcase(value, text):
            return True
    return False


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
            return isinstance(value, str) and any(_is_like(pattern, value) for pattern in expected)
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


def read(text: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object that a policy's text is; None if it is none."""
    with suppress(ValueError):
        found = json.loads(text)
        return found if isinstance(found, dict) else None
    return None
