"""The policies of roles in moto, and the check of tasks' API calls against them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.policy_evaluation import (
    ALLOWED,
    DENIED,
    NOT_IN_BOUNDARY,
    Context,
    Document,
    decide,
    listed,
    named,
    trusts,
)


def documents_of(role_arn: str) -> list[Document] | None:
    """Return the inline and managed policies of a role in moto; None if there is no such role."""
    with hooks.LOCK:
        role = _role(role_arn)
        if role is None:
            return None
        found = [_parsed(text) for text in role.policies.values()]
        return found + [_parsed(_default(policy)) for policy in role.managed_policies.values()]


def trust_of(role_arn: str) -> Document | None:
    """Return the trust policy of a role in moto; None if there is no such role."""
    with hooks.LOCK:
        role = _role(role_arn)
        return None if role is None else _parsed(role.assume_role_policy_document)


def may_assume(service: str, role_arn: str, source: str) -> bool:
    """Return whether a service of AWS may assume a role for ``source``, the ARN of what it does so for."""
    context = {"aws:SourceAccount": hooks.ACCOUNT, "aws:SourceArn": source}
    return trusts(trust_of(role_arn) or {}, service, context)


def _role(role_arn: str) -> Any:
    roles = hooks.backend("iam").roles.values()
    return next((role for role in roles if role.arn == role_arn), None)


def _boundary(role_arn: str) -> Document | None:
    """Return the policy that is the role's permissions boundary; None if it has none, or moto does not know it.

    moto knows AWS's own policies. In place of one of the user's account there is a policy that limits nothing
    (policies.py).
    """
    with hooks.LOCK:
        role = _role(role_arn)
        known = hooks.backend("iam").managed_policies
        found = known.get(role.permissions_boundary_arn) if role is not None else None
        return _parsed(_default(found)) if found is not None else None


def naming(role_arn: str, policy: Document | None) -> Iterator[Document]:
    """Yield the statements of a resource's policy that apply to the role.

    An Allow for the whole account leaves the decision to the policies of its roles (IAM User Guide,
    "AWS JSON policy elements: Principal").
    """
    account = (hooks.ACCOUNT, f"arn:aws:iam::{hooks.ACCOUNT}:root")
    for statement in listed(policy["Statement"]) if policy else ():
        principal = statement.get("Principal", statement.get("NotPrincipal"))
        meant = {"*", role_arn, *(account if statement["Effect"] == "Deny" else ())}
        if meant.isdisjoint(named(principal, "AWS")) == ("NotPrincipal" in statement):
            yield statement


def _default(policy: Any) -> object:
    return next(version.document for version in policy.versions if version.is_default)


def _parsed(text: object) -> Document:
    document: Document = json.loads(text) if isinstance(text, str) else text  # type: ignore[assignment]
    return document


FREE = frozenset({("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")})
"""Calls that need no permission (STS API reference)."""
CODES = {"ec2": "UnauthorizedOperation"} | dict.fromkeys(
    ("autoscaling", "elasticloadbalancing", "iam", "monitoring", "rds", "s3", "sns", "sts"),
    "AccessDenied",
)
"""The error codes of refused calls. Services with a JSON protocol use AccessDeniedException."""


NAMED: Mapping[str, Mapping[str, str]] = {
    "dynamodb": {"TableName": "table/{}"},
    "kinesis": {"StreamName": "stream/{}"},
    "logs": {"logGroupName": "log-group:{}:log-stream:{stream}"},
    "sqs": {"QueueName": "{}", "QueueUrl": "{}"},
    "ssm": {"Name": "parameter/{}", "Names": "parameter/{}", "Path": "parameter/{}"},
}
"""The parameters that name a resource, and the end of its ARN (Service Authorization Reference)."""


def resources(service: str, params: hooks.Params) -> list[str]:
    """Return the ARNs that a call's parameters name. A call that names none is one on every resource, "*"."""
    if service == "secretsmanager" and "SecretId" in params:
        return [_secret(str(params["SecretId"]))]
    begin, stream = arn(service, ""), params.get("logStreamName", "")
    found = [str(param) for param in params.values() if str(param).startswith(begin)]
    for parameter, end in NAMED.get(service, {}).items():
        for value in listed(params.get(parameter, ())):
            name = str(value).rpartition("/")[2] if parameter == "QueueUrl" else str(value)
            name = name.lstrip("/") if service == "ssm" else name
            found += [begin + end.format(name, stream=stream)] * (not name.startswith("arn:"))
    return found or ["*"]


def arn(service: str, end: str) -> str:
    return f"arn:aws:{service}:{hooks.registry.region}:{hooks.ACCOUNT}:{end}"


def _secret(name: str) -> str:
    """Return the ARN of a secret that is given by its ARN or name."""
    known = hooks.backend("secretsmanager").secrets
    return str(known[name].arn) if name in known else name


@dataclass(frozen=True)
class TaskRole:
    """A session of a role: that of a task, whose calls are checked, or that of a service of AWS."""

    arn: str
    task: str

    def check(self, service: str, action: str, params: hooks.Params) -> None:
        """Refuse a call that the role does not allow. Raises Refused with IAM's message.

        A call whose resource is not known must be allowed on every resource.
        """
        if (service, action) in FREE:
            return
        # CloudWatch signs its requests as "monitoring".
        prefix = "cloudwatch" if service == "monitoring" else service
        for resource in resources(service, params):
            if refused := self.refusal(f"{prefix}:{action}", resource):
                raise hooks.Refused(CODES.get(service, "AccessDeniedException"), refused)

    @property
    def exists(self) -> bool:
        return documents_of(self.arn) is not None

    def refusal(
        self,
        action: str,
        resource: str,
        policy: Document | None = None,
        context: Context | None = None,
    ) -> str | None:
        """Return IAM's error message if the session is not allowed the action, or None.

        ``policy`` is the resource's own, which may allow what the role's policies do not (IAM User Guide,
        "Policy evaluation logic"; the messages are in "Troubleshoot access denied error messages").
        """
        identity = documents_of(self.arn) or []
        own: list[Document] = [{"Statement": list(naming(self.arn, policy))}]
        asked = (action, resource, context)
        decision = decide([*identity, *own], *asked, boundary=_boundary(self.arn))
        if decision == ALLOWED:
            return None
        why = f"because no identity-based policy allows the {action} action"
        if decision == NOT_IN_BOUNDARY:
            why = f"because no permissions boundary allows the {action} action"
        elif decision == DENIED:
            kinds = {"an identity-based policy": identity, "a resource-based policy": own}
            denies = [kind for kind, each in kinds.items() if decide(each, *asked) == DENIED]
            why = f"with an explicit deny in {next(iter(denies), 'a permissions boundary')}"
        name = self.arn.rsplit("/", 1)[1]
        user = f"arn:aws:sts::{hooks.ACCOUNT}:assumed-role/{name}/{self.task}"
        return f"User: {user} is not authorized to perform: {action} on resource: {resource} {why}"
