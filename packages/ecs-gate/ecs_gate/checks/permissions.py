"""Check the IAM roles: what Fargate needs to start a task, and what the app needs later."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote

from ecs_gate.checks.databases import other_secrets
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import IMAGE, LOGS, SECRETS, TASKS_NODE, AtStart, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.facts.images import image_parts
from ecs_gate.facts.policy_evaluation import (
    ALLOWED,
    DENIED,
    NOT_ALLOWED,
    NOT_IN_BOUNDARY,
    Trust,
    decide,
    listed,
    trusts,
)
from ecs_gate.facts.secrets import is_parameter, parameter_arn, secret_arn
from ecs_gate.parts.records import Definition, short
from ecs_gate.parts.task_inputs import Role
from ecs_gate.text import Text, t

EXECUTION_ROLE_MISSING = AtStart("execution-role-missing", 24, {IMAGE, SECRETS, LOGS})
EXECUTION_ROLE_NOT_TRUSTED = AtStart("execution-role-not-trusted", 24, {IMAGE, SECRETS, LOGS})
TASK_ROLE_NOT_TRUSTED = AtStart("task-role-not-trusted", 24, {TASKS_NODE})
LACKING = {
    # After what does not exist: no role may write a log group that is missing.
    "log": AtStart("execution-role-cannot-log", 27, {LOGS}),
    "secret": AtStart("execution-role-cannot-secret", 27, {SECRETS}),
    "pull": AtStart("execution-role-cannot-pull", 29, {IMAGE}),
}
"""By what the execution role is needed for."""
TITLES = {
    "pull": t("The execution role has no permission to pull the image"),
    "log": t("The execution role has no permission to write the log"),
    "secret": t("The execution role has no permission to read the secret"),
}
# The execution role reads the password for the next task all the same.
TASK_ROLE_CANNOT_READ_SECRET = Facts("task-role-cannot-read-secret", 42, {SECRETS}, outside=True)
REPOSITORY_DENIES = AtStart("repository-denies", 29, {IMAGE})
CANNOT_DECRYPT = AtStart("execution-role-cannot-decrypt", 27, {SECRETS})

PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")

WRITE = ("logs:CreateLogStream", "logs:PutLogEvents")

READ_IT = "secretsmanager:GetSecretValue"
GET_PARAMETERS = "ssm:GetParameters"
"""With what ECS reads parameters (ECS developer guide, "Secrets Manager or Systems Manager permissions")."""

ECS_TASKS = "ecs-tasks.amazonaws.com"

REFUSED = (
    r"(?i)AccessDenied|not authorized|unable to assume the role|403 Forbidden|no identity-based"
)


def execution_role(case: Case) -> Iterator[Finding]:
    """Check that the execution role exists, trusts ECS, and allows the pull, the log and each secret."""
    definition = case.definition
    if definition is None or case.now.execution.problem:
        return
    role, title = case.now.execution.value, t("ECS cannot assume the execution role")
    needs = execution_needs(case, definition)
    if role is None:
        if needs or definition.execution_role:
            yield _missing(case, definition)
    elif finding := _not_assumed(case, definition, role, EXECUTION_ROLE_NOT_TRUSTED, title):
        yield finding
    else:
        lacks = lacking(role, needs)
        for purpose in dict.fromkeys(lack.need.purpose for lack in lacks):
            yield _lacking(case, role, purpose, lacks)


def execution_needs(case: Case, definition: Definition) -> list[Need]:
    """Return the actions that Fargate performs with the execution role for this task definition."""
    _, partition, _, region, account, *_ = definition.arn.split(":")
    where = f"{region}:{account}"
    others = other_secrets(case)
    needs = [
        Need(GET_PARAMETERS, parameter_arn(value, f"{partition}:ssm:{where}"), "secret")
        if is_parameter(value)
        else Need(READ_IT, secret_arn(value), "secret")
        for name, value in definition.secrets.items()
        if name not in others
    ]
    if not definition.execution_role and case.service and not case.service.fargate:
        return needs  # The instance's role pulls the image and writes the log.
    if image_parts(definition.image)["account"]:
        needs.append(Need("ecr:GetAuthorizationToken", "*", "pull"))
        needs += [Need(action, _repository_arn(definition), "pull") for action in PULL]
    logs = case.now.logs.value
    if definition.log_group and (logs is None or logs.exists):
        stream = f"arn:{partition}:logs:{where}:log-group:{definition.log_group}:log-stream:{definition.stream('x')}"
        needs += [Need(action, stream, "log") for action in WRITE]
    return needs


def _repository_arn(definition: Definition) -> str:
    """Return the ARN of the repository in ECR that a task definition's image is in."""
    name, partition = image_parts(definition.image), definition.arn.split(":")[1]
    return f"arn:{partition}:ecr:{name['region']}:{name['account']}:repository/{name['repository']}"


NO_DECRYPTION = re.compile(
    r"failed to fetch secret (?P<secret>arn:\S+) from.*Access to KMS is not allowed"
)
"""Secrets Manager's words where neither the key's policy nor a grant nor the role's policies allow kms:Decrypt."""


def decryption(case: Case) -> Iterator[Finding]:
    """Find a secret whose own KMS key the execution role may not use, by ECS's words.

    A grant allows what both policies leave out (KMS developer guide, "Grants in AWS KMS"); it takes no alias of a key.
    """
    for reason in case.stop_reasons(NO_DECRYPTION.pattern):
        arn = next(match["secret"] for match in NO_DECRYPTION.finditer(reason))
        secret, role = (case.now.secrets.value or {}).get(arn), case.now.execution.value
        if case.definition is None or role is None or secret is None:
            continue
        key = secret.kms_key
        if "alias/" in key:
            key = f"$(aws kms describe-key --key-id {key} --query KeyMetadata.Arn --output text)"
        command = f"aws kms create-grant --key-id {key} --grantee-principal {role.arn} --operations Decrypt"
        yield Finding(
            CANNOT_DECRYPT,
            title=t("The execution role may not decrypt the secret"),
            why=t("A secret with a KMS key of its own is read only by who may use the key, too."),
            seen=(t("{arn} is encrypted with {key}.", arn=arn, key=secret.kms_key),),
            fixes=(
                Fix(t("Grant it, or allow kms:Decrypt in the key's policy:"), (command,)),
                *case.then_retry(),
            ),
            evidence=(reason,),
        )


def repository(case: Case) -> Iterator[Finding]:
    """Check that the image's repository, by a policy of its own, does not deny the pull to the execution role.

    Its statements name no resource (ECR user guide, "Private repository policies").
    """
    image, role, definition = case.now.image.value, case.now.execution.value, case.definition
    if image is None or image.policy is None or role is None or definition is None:
        return
    arn = _repository_arn(definition)
    _, partition, _, _, account, *_ = arn.split(":")
    named = {"*", role.arn, account, f"arn:{partition}:iam::{account}:root"}
    denied: dict[int, str] = {}
    statements = listed(image.policy["Statement"])
    for number, statement in enumerate(statements):
        principal = statement.get("Principal", statement.get("NotPrincipal"))
        told = listed(principal.get("AWS", ()) if isinstance(principal, Mapping) else principal)
        meant = named.isdisjoint(told) == ("NotPrincipal" in statement)
        policy = {"Statement": [{**statement, "Resource": arn}]}
        for action in PULL if meant else ():
            if decide([policy], action, arn) == DENIED:
                denied.setdefault(number, action)
    if not denied:
        return
    name = arn.partition(":repository/")[2]
    rest = [statement for number, statement in enumerate(statements) if number not in denied]
    text = json.dumps({**image.policy, "Statement": rest}, separators=(",", ":"))
    command = f"aws ecr set-repository-policy --repository-name {name} --policy-text {quote(text)}"
    yield Finding(
        REPOSITORY_DENIES,
        title=t("The repository's policy denies the execution role the image"),
        why=t("A Deny in the policy of a repository outweighs what the role's policies allow."),
        seen=tuple(
            t(
                "The policy of {repository} denies {action} to {role}.",
                repository=name,
                action=action,
                role=short(role.arn),
            )
            for action in dict.fromkeys(denied.values())
        ),
        fixes=(
            Fix(
                t("Take the Deny out of the repository's policy:"),
                (
                    command
                    if rest
                    else f"aws ecr delete-repository-policy --repository-name {name}",
                ),
            ),
            *case.then_retry(),
        ),
        evidence=case.stop_reasons(REFUSED),
    )


def _lacking(case: Case, role: Role, purpose: str, lacks: Sequence[Lack]) -> Finding:
    """Return the finding for one purpose; its fix grants all missing permissions, so that the next try succeeds."""
    name = short(role.arn)
    return Finding(
        LACKING[purpose],
        title=TITLES[purpose],
        why=t(
            "With this role ECS pulls the image, reads the secrets and opens the log stream before the container "
            "starts. Without these permissions no task starts."
        ),
        seen=tuple(refusal(name, lack) for lack in lacks if lack.need.purpose == purpose),
        fixes=(*_given(case, name, lacks), *case.then_retry(), case.or_restore()),
        evidence=case.stop_reasons(REFUSED),
    )


def _given(case: Case, role: str, lacks: Sequence[Lack]) -> tuple[Fix, ...]:
    """Return the fixes: a grant for the service's own resources; for others, a change of the program."""
    own = [lack for lack in lacks if _owns(case, lack.need)]
    others = dict.fromkeys(lack.resource for lack in lacks if lack not in own)
    granted = given(role, own) if own else ()
    if not others:
        return granted
    text = t(
        "{resource} is not the service's own: use that ({container}), or, if it is intended, allow it ({access}); then "
        "deploy:",
        resource=", ".join(others),
    )
    fix = case.deploy(text, then=bool(granted))
    return (*granted, fix)


def _owns(case: Case, need: Need) -> bool:
    """Return whether a resource belongs to the service: RDS's secret, one of its owner's, or one with its names."""
    names, database = case.now.names, case.now.database.value
    if need.purpose == "secret":
        managed = database is not None and need.resource == database.secret
        app = map(secret_arn, case.target.plan.secrets.values())
        own = (f":secret:{names.prefix}", f":parameter/{names.prefix}")
        return managed or need.resource in app or any(map(need.resource.__contains__, own))
    if need.purpose == "log":
        return f":log-group:{names.log_group}:" in need.resource
    return need.resource == "*" or need.resource.endswith(f":repository/{names.repository}")


def refusal(role: str, lack: Lack) -> Text:
    """Return what the role does not allow, and by which document."""
    named = {"role": role, "action": lack.need.action, "resource": lack.resource}
    if lack.verdict == DENIED:
        return t("A policy of {role} denies {action} on {resource}.", **named)
    if lack.verdict == NOT_IN_BOUNDARY:
        return t(
            "The permissions boundary of {role} does not allow {action} on {resource}.", **named
        )
    return t("No policy of {role} allows {action} on {resource}.", **named)


ASSUMES = t("ECS assumes both roles of a task before it starts it; without one no task starts.")


def _missing(case: Case, definition: Definition) -> Finding:
    named = definition.execution_role
    # Where none is named, another try of the same task definition would fail, too.
    corrected = case.correct_program(
        t("Name the execution role in the task definition ({task}), and deploy:"),
        drifts=False,
    )
    return Finding(
        EXECUTION_ROLE_MISSING,
        title=t("The task definition's execution role does not exist"),
        why=ASSUMES,
        seen=(t("{revision} names {role}.", revision=definition.revision, role=named or "-"),),
        fixes=(case.restore(), *case.then_retry()) if named else corrected,
        evidence=case.stop_reasons(REFUSED),
    )


def _not_assumed(
    case: Case, definition: Definition, role: Role, facts: Facts, title: Text
) -> Finding | None:
    """Return the finding of a role that ECS cannot assume for a task; None for another one.

    A condition that is not judged here counts as unfulfilled only where ECS says that it could not assume the role.
    """
    name = short(role.arn)
    trust = trusts(role.trust, ECS_TASKS, sent(definition.arn, "ecs", "*"))
    refused = case.stop_reasons(rf"unable to assume the role '\S*{re.escape(name)}'")
    if trust.verdict or (trust.verdict is None and not refused):
        return None
    text = t("Or correct the trust policy where the program declares it ({trust}), and deploy:")
    declared = (case.deploy(text),) if trust.conditions else ()
    return Finding(
        facts if trust.verdict is False else replace(facts, certain=False),
        title=title,
        why=ASSUMES,
        seen=tuple(distrust(name, ECS_TASKS, trust)),
        fixes=(case.restore(), *case.then_retry(), *declared),
        evidence=refused,
    )


def sent(definition: str, service: str, source: str) -> dict[str, str]:
    """Return the condition keys that a service sends when it assumes a role for the tasks of a definition.

    ECS names no cluster ("use the wildcard to specify all clusters"). Source: ECS developer guide, "Task IAM role";
    EventBridge Scheduler user guide, "Confused deputy prevention".
    """
    arn, partition, _, region, account, *_ = definition.split(":")
    where = f"{arn}:{partition}:{service}:{region}:{account}:{source}"
    return {"aws:SourceAccount": account, "aws:SourceArn": where}


def distrust(role: str, service: str, trust: Trust) -> Iterator[Text]:
    """Yield why a role's trust policy does not let a service assume it, with the conditions on which that hangs."""
    names = {"role": role, "service": service}
    if trust.verdict is False:
        yield t("The trust policy of {role} does not let {service} assume it.", **names)
    for words, met in trust.conditions.items():
        if met is False:
            yield t("{service} does not fulfil its condition {words}.", words=words, **names)
        else:
            yield t("Whether {service} fulfils its condition {words} is not known here.",
                    words=words, **names)  # fmt: skip


def task_role(case: Case) -> Iterator[Finding]:
    """Check that ECS may assume the task role, and that it may read the database's secret, which RDS rotates."""
    role, definition = case.now.task_role.value, case.definition
    if definition is None:
        return
    title = t("ECS cannot assume the task role")
    if role and (finding := _not_assumed(case, definition, role, TASK_ROLE_NOT_TRUSTED, title)):
        yield finding
        return
    arn = definition.environment.get("DB_SECRET_ARN")
    if not arn or "DB_SECRET_ARN" in other_secrets(case):
        return
    lacks = lacking(role, [Need(READ_IT, arn, "secret")])
    if case.now.task_role.problem or not lacks:
        return
    name = short(definition.task_role)
    refused = case.matching_lines(rf"(?i)not authorized to perform: {READ_IT}")
    yield Finding(
        TASK_ROLE_CANNOT_READ_SECRET,
        kind="cause" if refused else "warning",
        title=t("The task role has no permission to read the secret of the database"),
        why=t(
            "RDS rotates the password every 7 days. A running task then reads the new one with its task role; without "
            "the permission it loses the database until it is replaced."
        ),
        seen=tuple(refusal(name or "-", lack) for lack in lacks),
        fixes=(*given(name, lacks), case.or_restore()) if role else (case.restore(),),
        evidence=refused,
    )


@dataclass(frozen=True)
class Need:
    """An action that a role must allow, and its purpose: pull, log or secret."""

    action: str
    resource: str
    purpose: str


@dataclass(frozen=True)
class Lack:
    """A need that the role does not meet, and IAM's decision."""

    need: Need
    verdict: str

    @property
    def resource(self) -> str:
        """Return the resource for a policy: of a log all streams, whose names are not known before they exist."""
        group, streams, _ = self.need.resource.partition(":log-stream:")
        return f"{group}:*" if streams else group


def lacking(role: Role | None, needs: Sequence[Need]) -> list[Lack]:
    """Return the needs that a role does not meet; without a role all."""
    decisions = (
        decide(role.policies, need.action, need.resource, role.boundary) if role else NOT_ALLOWED
        for need in needs
    )
    return [Lack(*pair) for pair in zip(needs, decisions, strict=True) if pair[1] != ALLOWED]


def given(role: str, lacks: Sequence[Lack]) -> tuple[Fix, ...]:
    """Return one policy for all missing permissions, then a fix for each Deny and boundary."""
    grant, *others = [*_policy(role, lacks), *_in_the_way(role, lacks)]
    return (grant, *(replace(other, then=True) for other in others))


def _policy(role: str, lacks: Sequence[Lack]) -> Iterator[Fix]:
    actions: dict[str, list[str]] = {}
    for lack in lacks:
        if lack.verdict == NOT_ALLOWED:
            actions.setdefault(lack.resource, []).append(lack.need.action)
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
    for lack in lacks:
        action = lack.need.action
        if lack.verdict == NOT_IN_BOUNDARY:
            text = t("Add {action} to the role's permissions boundary.", action=action)
            yield Fix(text, (f"aws iam get-role --role-name {role}",))
        elif lack.verdict != NOT_ALLOWED:
            text = t("Remove the Deny of {action} from the role's policies.", action=action)
            yield Fix(text, (f"aws iam list-role-policies --role-name {role}",))
