"""How IAM evaluates policy documents, for the doctor.

The local cloud decides by code of its own: the doctor must be able to contradict it. How a pattern is compared stands
in both alike.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Trust:
    """Whether a service may assume a role, None where a condition decides that is not judged here.

    ``conditions`` are those that are not known to be fulfilled, in words, with False for one that is known not to be.
    """

    verdict: bool | None
    conditions: Mapping[str, bool | None]


def trusts(trust_policy: Document, service: str, context: Mapping[str, str]) -> Trust:
    """Return whether a role's trust policy lets an AWS service assume it that sends these condition keys.

    Source: IAM User Guide, "Policy evaluation logic", "Condition operators".
    """
    held: dict[str, list[bool | None]] = {"Allow": [], "Deny": []}
    sent = {key.lower(): value for key, value in context.items()}
    conditions: dict[str, bool | None] = {}
    for statement in listed(trust_policy.get("Statement", ())):
        principal = statement.get("Principal", {})
        services = listed(principal.get("Service", ())) if isinstance(principal, Mapping) else "*"
        assumes = _matches(statement.get("Action", ()), "sts:assumerole", fold=True)
        if assumes and {service, "*"} & {*services}:
            met = {
                f"{operator} {key}: {', '.join(map(str, listed(values)))}": _met(
                    operator, listed(values), sent.get(key.lower())
                )
                for operator, keys in statement.get("Condition", {}).items()
                for key, values in keys.items()
            }
            held[statement["Effect"]].append(_all(met.values()))
            conditions |= {words: value for words, value in met.items() if not value}
    allowed = next((verdict for verdict in (True, None) if verdict in held["Allow"]), False)
    denied = (None if answer is None else not answer for answer in held["Deny"])
    return Trust(_all([allowed, *denied]), conditions)


def _all(values: Iterable[bool | None]) -> bool | None:
    """Return False with any False, else None with any None, else True."""
    known = [*values]
    return False if False in known else None if None in known else True


def _met(operator: str, expected: Iterable[str], value: str | None) -> bool | None:
    """Return whether a value meets a condition; None for a key, an operator or a policy variable not known here."""
    name = operator.removesuffix("IfExists")
    compared = COMPARED.get(name.replace("Not", ""))
    if value is None or compared is None or "${" in str(expected):
        return None
    return any(compared(pattern, value) for pattern in expected) != ("Not" in name)


def _is_like_arn(pattern: str, arn: str) -> bool:
    # A wildcard does not reach over one of the first five colons.
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(map(_matches, patterns, parts))


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
    acts = _names(statement, "Action", action.lower(), fold=True)
    return acts and _names(statement, "Resource", resource)


def _names(statement: Document, element: str, value: str, fold: bool = False) -> bool:
    """Return whether an element of a statement has a value, or its negation, like NotAction, has not."""
    if f"Not{element}" in statement:
        return not _matches(statement[f"Not{element}"], value, fold)
    return _matches(statement.get(element, ()), value, fold)


def _matches(patterns: object, value: str, fold: bool = False) -> bool:
    for pattern in map(str, listed(patterns)):
        # IAM's patterns have no character classes.
        text = (pattern.lower() if fold else pattern).replace("[", "[[]")
        if fnmatchcase(value, text):
            return True
    return False


COMPARED: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringLike": _matches,
    **dict.fromkeys(("ArnEquals", "ArnLike"), _is_like_arn),
}


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and any other value as a list of one; IAM allows both."""
    return list(value) if isinstance(value, (list, tuple)) else [value]
