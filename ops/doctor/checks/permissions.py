"""What ECS must be allowed before a container starts: the execution role."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from i18n import Text, t
from ops.doctor.case import Case
from ops.doctor.checks.databases import other_secrets
from ops.doctor.findings import Finding, Fix
from ops.snapshot.records import Definition
from ops.snapshot.task_inputs import Role
from stack.statements import (
    ALLOWED,
    DENIED,
    NOT_ALLOWED,
    NOT_IN_BOUNDARY,
    decide,
    secret_arn,
    trusts,
)

PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")


WRITE = ("logs:CreateLogStream", "logs:PutLogEvents")


READ_IT = "secretsmanager:GetSecretValue"


ECS_TASKS = "ecs-tasks.amazonaws.com"


REFUSED = (
    r"(?i)AccessDenied|not authorized|unable to assume the role|403 Forbidden|no identity-based"
)


def execution_role(case: Case) -> Iterator[Finding]:
    """The execution role must exist, trust ECS, and allow the pull, the log and each secret."""
    definition = case.definition
    if definition is None or case.now.execution.problem:
        return
    role = case.now.execution.value
    if role is None:
        yield _no_role(case, definition)
    elif not trusts(role.trust, ECS_TASKS):
        yield _no_trust(case, role)
    else:
        lacks = [
            Lack(need, found)
            for need in execution_needs(case, definition)
            if (found := decided(role, need.action, need.resource)) != ALLOWED
        ]
        for purpose in dict.fromkeys(each.need.purpose for each in lacks):
            yield _lacking(case, role, purpose, lacks)


def decided(role: Role, action: str, resource: str) -> str:
    """Return IAM's decision on an action of the role, by its policies and its boundary."""
    return decide(role.policies, action, resource, boundary=role.boundary)


def execution_needs(case: Case, definition: Definition) -> list[Need]:
    """What Fargate does with the execution role for this task definition."""
    region, account = case.now.region, definition.execution_role.split(":")[4:5]
    where = f"{region}:{account[0] if account else ''}"
    others = other_secrets(case)
    needs = [
        Need(READ_IT, secret_arn(value), "secret")
        for name, value in definition.secrets.items()
        if name not in others
    ]
    if ".dkr.ecr." in definition.image:
        needs.append(Need("ecr:GetAuthorizationToken", "*", "pull"))
        needs += [Need(each, _repository_arn(definition.image), "pull") for each in PULL]
    logs = case.now.logs.value
    if definition.log_group and (logs is None or logs.exists):
        stream = f"arn:aws:logs:{where}:log-group:{definition.log_group}:log-stream:{definition.stream('x')}"
        needs += [Need(each, stream, "log") for each in WRITE]
    return needs


def _repository_arn(image: str) -> str:
    host, _, path = image.partition("/")
    account, _, rest = host.partition(".dkr.ecr.")
    name = path.partition("@")[0].partition(":")[0]
    return f"arn:aws:ecr:{rest.partition('.')[0]}:{account}:repository/{name}"


TITLES = {
    "pull": t("The execution role may not pull the image"),
    "log": t("The execution role may not write the log"),
    "secret": t("The execution role may not read the secret"),
}


def _lacking(case: Case, role: Role, purpose: str, lacks: Sequence[Lack]) -> Finding:
    """What is lacking for one purpose; the fix gives all that is lacking, or the next try fails too."""
    name = role.arn.rpartition("/")[2]
    return Finding(
        id=f"execution-role-cannot-{purpose}",
        title=TITLES[purpose],
        why=t(
            "With this role ECS fetches the image, reads the secrets and opens the log before the "
            "container starts. Where it is refused, no task ever starts."
        ),
        seen=tuple(_verdict(name, each) for each in lacks if each.need.purpose == purpose),
        fixes=(*_given(case, name, lacks), *case.then_retry(), case.or_restore()),
        evidence=case.stop_reasons(REFUSED),
    )


def _given(case: Case, role: str, lacks: Sequence[Lack]) -> tuple[Fix, ...]:
    """Grant what is the stack's own; what is not, the program must not name, or must allow itself."""
    own = [each for each in lacks if _owns(case, each.need)]
    others = dict.fromkeys(each.resource for each in lacks if each not in own)
    granted = given(role, own) if own else ()
    if not others:
        return granted
    text = t(
        "{resource} is not this stack's: name the stack's own in infra/container.py, or, if it is meant, "
        "allow it in infra/iam.py; then deploy:",
        resource=", ".join(others),
    )
    fix = Fix(text, (f"pulumi up -s {case.now.names.stack}",), then=bool(granted))
    return (*granted, fix)


def _owns(case: Case, need: Need) -> bool:
    """Whether a resource is the stack's: RDS's secret of its database, one of appSecrets, or of its names."""
    names, database = case.now.names, case.now.database.value
    if need.purpose == "secret":
        managed = database is not None and need.resource == database.secret
        app = map(secret_arn, case.now.settings.service.secrets.values())
        return managed or need.resource in app or f":secret:{names.prefix}" in need.resource
    if need.purpose == "log":
        return f":log-group:{names.log_group}:" in need.resource
    return need.resource == "*" or need.resource.endswith(f":repository/{names.repository}")


def _verdict(role: str, lack: Lack) -> Text:
    named = {"role": role, "action": lack.need.action, "resource": lack.resource}
    if lack.verdict == DENIED:
        return t("A policy of {role} denies {action} on {resource}.", **named)
    if lack.verdict == NOT_IN_BOUNDARY:
        return t("The permissions boundary of {role} leaves out {action} on {resource}.", **named)
    return t("No policy of {role} allows {action} on {resource}.", **named)


def _no_role(case: Case, definition: Definition) -> Finding:
    return Finding(
        id="execution-role-missing",
        title=t("The task definition's execution role does not exist"),
        why=t("ECS takes this role to fetch the image and the secrets; without it no task starts."),
        seen=(
            t(
                "{revision} names {role}.",
                revision=definition.revision,
                role=definition.execution_role or "-",
            ),
        ),
        fixes=(case.restore(), *case.then_retry()),
        evidence=case.stop_reasons(REFUSED),
    )


def _no_trust(case: Case, role: Role) -> Finding:
    return Finding(
        id="execution-role-not-trusted",
        title=t("ECS may not take the execution role"),
        why=t("ECS takes this role to fetch the image and the secrets; without it no task starts."),
        seen=(
            t(
                "The trust policy of {role} does not let ecs-tasks.amazonaws.com assume it.",
                role=role.arn.rpartition("/")[2],
            ),
        ),
        fixes=(case.restore(), *case.then_retry()),
        evidence=case.stop_reasons(REFUSED),
    )


def task_role(case: Case) -> Iterator[Finding]:
    """The app reads the database's secret again with the task role when RDS has rotated it."""
    definition = case.definition
    arn = definition.environment.get("DB_SECRET_ARN") if definition else None
    role = case.now.task_role.value
    if (
        definition is None
        or not arn
        or case.now.task_role.problem
        or "DB_SECRET_ARN" in other_secrets(case)
    ):
        return
    found = decided(role, READ_IT, arn) if role else NOT_ALLOWED
    if found == ALLOWED:
        return
    name, lack = definition.task_role.rpartition("/")[2], Lack(Need(READ_IT, arn, "secret"), found)
    refused = case.matching_lines(rf"(?i)not authorized to perform: {READ_IT}")
    yield Finding(
        id="task-role-cannot-read-secret",
        kind="cause" if refused else "warning",
        title=t("The app may not read the database's secret again"),
        why=t(
            "RDS changes the password every 7 days. A running task then needs its task role to read "
            "the new one; without that it loses the database until it is replaced."
        ),
        seen=(_verdict(name or "-", lack),),
        fixes=(*given(name, [lack]), case.or_restore()) if role else (case.restore(),),
        evidence=refused,
    )


@dataclass(frozen=True)
class Need:
    """An action that a role must have, and what it is for: pull, log or secret."""

    action: str
    resource: str
    purpose: str


@dataclass(frozen=True)
class Lack:
    """A need that the role does not meet, and IAM's verdict."""

    need: Need
    verdict: str

    @property
    def resource(self) -> str:
        """What a policy names: of a log all streams, for they have a name only when they are there."""
        group, streams, _ = self.need.resource.partition(":log-stream:")
        return f"{group}:*" if streams else group


def given(role: str, lacks: Sequence[Lack]) -> tuple[Fix, ...]:
    """All that is lacking in one policy; a refusal or a boundary no policy can make up for."""
    grant, *others = [*_policy(role, lacks), *_in_the_way(role, lacks)]
    return (grant, *(Fix(each.text, each.commands, then=True) for each in others))


def _policy(role: str, lacks: Sequence[Lack]) -> Iterator[Fix]:
    actions: dict[str, list[str]] = {}
    for each in lacks:
        if each.verdict == NOT_ALLOWED:
            actions.setdefault(each.resource, []).append(each.need.action)
    statements = [
        {"Effect": "Allow", "Action": each, "Resource": resource}
        for resource, each in actions.items()
    ]
    if statements:
        document = {"Version": "2012-10-17", "Statement": statements}
        text = json.dumps(document, separators=(",", ":"))
        # Of the same name, what is given now would take the place of what was given before.
        name = f"allow-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        command = f"aws iam put-role-policy --role-name {role} --policy-name {name}"
        yield Fix(t("Allow it:"), (f"{command} --policy-document '{text}'",))


def _in_the_way(role: str, lacks: Sequence[Lack]) -> Iterator[Fix]:
    for each in lacks:
        action = each.need.action
        if each.verdict == NOT_IN_BOUNDARY:
            text = t("Add {action} to the role's permissions boundary.", action=action)
            yield Fix(text, (f"aws iam get-role --role-name {role}",))
        elif each.verdict != NOT_ALLOWED:
            text = t("Take the refusal of {action} out of the role's policies.", action=action)
            yield Fix(text, (f"aws iam list-role-policies --role-name {role}",))
