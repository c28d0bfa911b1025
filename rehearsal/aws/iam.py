"""The policies of roles in moto, and the check of tasks' API calls against them."""

from __future__ import annotations

import json
from typing import Any

from rehearsal.aws import hooks
from stack.statements import Document, permits


def documents_of(role_arn: str) -> list[Document] | None:
    """Return the inline and managed policies of a role in moto; None if there is no such role."""
    with hooks.LOCK:
        roles = hooks.backend("iam").roles.values()
        role = next((each for each in roles if each.arn == role_arn), None)
        if role is None:
            return None
        found = [_parsed(text) for text in role.policies.values()]
        return found + [_parsed(_default(each)) for each in role.managed_policies.values()]


def refusal(role_arn: str, session: str, action: str, resource: str) -> str | None:
    """Return IAM's error message if no policy allows the action to a session of the role, or None."""
    if permits(documents_of(role_arn) or (), action, resource):
        return None
    name = role_arn.rsplit("/", 1)[1]
    user = f"arn:aws:sts::{hooks.ACCOUNT}:assumed-role/{name}/{session}"
    return (
        f"User: {user} is not authorized to perform: {action} on resource: {resource} because"
        f" no identity-based policy allows the {action} action"
    )


def _default(policy: Any) -> object:
    """Return the text of a managed policy's default version."""
    return next(each.document for each in policy.versions if each.is_default)


def _parsed(text: object) -> Document:
    document: Document = json.loads(text) if isinstance(text, str) else text  # type: ignore[assignment]
    return document


FREE = frozenset({("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")})
"""Calls that need no permission (STS API reference)."""
CODES = {"ec2": "UnauthorizedOperation"} | dict.fromkeys(
    ("autoscaling", "elasticloadbalancing", "iam", "monitoring", "rds", "sns", "sts"),
    "AccessDenied",
)
"""The error codes of refused calls. Services with a JSON protocol use AccessDeniedException."""


def check_call(role: str, task: str, service: str, action: str, params: hooks.Params) -> None:
    """Refuse a call that the task role does not allow. Raises Refused with IAM's message.

    The resource is known only for secrets. Any other call passes if the role allows the action on
    some resource.
    """
    if (service, action) in FREE:
        return
    if documents_of(role) is None:
        words = "The security token included in the request is invalid."
        raise hooks.Refused("UnrecognizedClientException", words)
    resource = _secret(str(params["SecretId"])) if "SecretId" in params else "*"
    if refused := refusal(role, task, f"{_prefix(service)}:{action}", resource):
        raise hooks.Refused(CODES.get(service, "AccessDeniedException"), refused)


def _prefix(service: str) -> str:
    """Return the service's prefix in policies; CloudWatch signs its requests as "monitoring"."""
    return "cloudwatch" if service == "monitoring" else service


def _secret(name: str) -> str:
    """Return the ARN of a secret that is given by its ARN or name."""
    known = hooks.backend("secretsmanager").secrets
    return str(known[name].arn) if name in known else name
