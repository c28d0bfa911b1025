"""What a task may ask AWS for: its calls are judged by the policies of its task role."""

from __future__ import annotations

from rehearsal.control import hooks
from rehearsal.data.permissions import documents_of, refusal

FREE = frozenset({("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")})
"""Calls that need no permission (STS API reference)."""
CODES = {"ec2": "UnauthorizedOperation"} | dict.fromkeys(
    ("autoscaling", "elasticloadbalancing", "iam", "monitoring", "rds", "sns", "sts"),
    "AccessDenied",
)
"""The error code of a refusal; AccessDeniedException for the services that speak JSON."""


def judge(role: str, task: str, service: str, action: str, params: hooks.Params) -> None:
    """Refuse a call that the task role does not allow. Raises Refused with IAM's words.

    The resource is known for secrets only. For any other call it is enough that the role allows the
    action on some resource.
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
    """The service's name in policies; CloudWatch signs its requests as "monitoring"."""
    return "cloudwatch" if service == "monitoring" else service


def _secret(name: str) -> str:
    """The ARN of a secret that is named by its ARN or its name."""
    known = hooks.backend("secretsmanager").secrets
    return str(known[name].arn) if name in known else name
