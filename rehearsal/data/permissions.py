"""What a role may do: its policies, evaluated as IAM does for identity-based ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from rehearsal.control import hooks

Document = Mapping[str, Any]


def permits(documents: Iterable[Document], action: str, resource: str) -> bool:
    """Whether the policies allow ``action`` on ``resource``: an explicit Deny wins, silence refuses.

    Conditions are taken as fulfilled: the rehearsal has no request context to judge them by.
    """
    allowed = False
    for document in documents:
        for statement in _list(document.get("Statement", [])):
            if _applies(statement, action, resource):
                if statement.get("Effect") == "Deny":
                    return False
                allowed = True
    return allowed


def _applies(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    if "NotAction" in statement:
        acts = not _any(statement["NotAction"], action, fold=True)
    else:
        acts = _any(statement.get("Action", []), action, fold=True)
    if "NotResource" in statement:
        return acts and not _any(statement["NotResource"], resource)
    return acts and (resource == "*" or _any(statement.get("Resource", []), resource))


def _any(patterns: object, value: str, fold: bool = False) -> bool:
    value = value.lower() if fold else value
    for pattern in _list(patterns):
        text = str(pattern).lower() if fold else str(pattern)
        if fnmatchcase(value, text.replace("[", "[[]")):
            return True
    return False


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def documents_of(role_arn: str) -> list[Document] | None:
    """The policies of a role in moto, inline and managed; None when there is no such role."""
    with hooks.LOCK:
        roles = hooks.backend("iam").roles.values()
        role = next((each for each in roles if each.arn == role_arn), None)
        if role is None:
            return None
        found = [_parsed(text) for text in role.policies.values()]
        return found + [_parsed(_default(each)) for each in role.managed_policies.values()]


def refusal(role_arn: str, session: str, action: str, resource: str) -> str | None:
    """Why IAM refuses an action to a session of a role, in its words; None when a policy allows it."""
    if permits(documents_of(role_arn) or (), action, resource):
        return None
    name = role_arn.rsplit("/", 1)[1]
    user = f"arn:aws:sts::{hooks.ACCOUNT}:assumed-role/{name}/{session}"
    return (
        f"User: {user} is not authorized to perform: {action} on resource: {resource} because"
        f" no identity-based policy allows the {action} action"
    )


def _default(policy: Any) -> object:
    """The text of a managed policy's default version."""
    return next(each.document for each in policy.versions if each.is_default)


def _parsed(text: object) -> Document:
    document: Document = json.loads(text) if isinstance(text, str) else text  # type: ignore[assignment]
    return document
