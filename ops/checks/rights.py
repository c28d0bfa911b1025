"""What ECS must be allowed before a container starts: the execution role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ops.checks.case import Case
from ops.findings import Finding, Fix
from ops.permits import ALLOWED, DENIED, NOT_IN_BOUNDARY, trusts_ecs, verdict
from ops.snapshot.records import Definition
from ops.snapshot.stores import secret_arn
from ops.snapshot.surroundings import Role
from ops.texts import Text, t

PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")
WRITE = ("logs:CreateLogStream", "logs:PutLogEvents")
READ_IT = "secretsmanager:GetSecretValue"
REFUSED = (
    r"(?i)AccessDenied|not authorized|unable to assume the role|403 Forbidden|no identity-based"
)


@dataclass(frozen=True)
class Need:
    """An action that a role must have, and what it is for: pull, log or secret."""

    action: str
    resource: str
    purpose: str


def execution_role(case: Case) -> Iterator[Finding]:
    """The execution role must exist, trust ECS, and allow the pull, the log and each secret."""
    main = case.main
    if main is None or case.now.execution.problem:
        return
    role = case.now.execution.value
    if role is None:
        yield _no_role(case, main)
    elif not trusts_ecs(role):
        yield _no_trust(case, role)
    else:
        for need in execution_needs(case, main):
            found = verdict(role, need.action, need.resource)
            if found != ALLOWED:
                yield _lacking(case, role, need, found)


def execution_needs(case: Case, main: Definition) -> list[Need]:
    """What Fargate does with the execution role for this task definition."""
    region, account = case.now.region, main.execution_role.split(":")[4:5]
    where = f"{region}:{account[0] if account else ''}"
    needs = [Need(READ_IT, secret_arn(each), "secret") for each in main.secrets.values()]
    if ".dkr.ecr." in main.image:
        needs.append(Need("ecr:GetAuthorizationToken", "*", "pull"))
        needs += [Need(each, _repository_arn(main.image), "pull") for each in PULL]
    logs = case.now.logs.value
    if main.log_group and (logs is None or logs.exists):
        stream = f"arn:aws:logs:{where}:log-group:{main.log_group}:log-stream:{main.stream('x')}"
        needs += [Need(each, stream, "log") for each in WRITE]
    return needs


def _repository_arn(image: str) -> str:
    host, _, path = image.partition("/")
    account, _, rest = host.partition(".dkr.ecr.")
    name = path.partition("@")[0].partition(":")[0]
    return f"arn:aws:ecr:{rest.partition('.')[0]}:{account}:repository/{name}"


RANKS = {"log": 27, "secret": 27, "pull": 29}
"""After what is missing altogether: nobody may write a log that does not exist."""
TITLES = {
    "pull": t("The execution role may not pull the image"),
    "log": t("The execution role may not write the log"),
    "secret": t("The execution role may not read the secret"),
}


def _lacking(case: Case, role: Role, need: Need, found: str) -> Finding:
    name = role.arn.rpartition("/")[2]
    resource = need.resource if need.purpose != "log" else f"{_group_arn(need.resource)}:*"
    return Finding(
        id=f"execution-role-cannot-{need.purpose}",
        kind="cause",
        rank=RANKS[need.purpose],
        title=TITLES[need.purpose],
        why=t(
            "With this role ECS fetches the image, reads the secrets and opens the log before the "
            "container starts. Where it is refused, no task ever starts."
        ),
        seen=(_verdict(name, need.action, resource, found),),
        fixes=(_allow(name, need, resource, found), *case.tried_again(), case.declared_again()),
        evidence=case.reasons(REFUSED),
    )


def _verdict(role: str, action: str, resource: str, found: str) -> Text:
    if found == DENIED:
        return t(
            "A policy of {role} denies {action} on {resource}.",
            role=role,
            action=action,
            resource=resource,
        )
    if found == NOT_IN_BOUNDARY:
        return t(
            "The permissions boundary of {role} leaves out {action} on {resource}.",
            role=role,
            action=action,
            resource=resource,
        )
    return t(
        "No policy of {role} allows {action} on {resource}.",
        role=role,
        action=action,
        resource=resource,
    )


def _allow(role: str, need: Need, resource: str, found: str) -> Fix:
    if found != "not-allowed":
        text = t("Take the refusal of {action} out of the role's policies.", action=need.action)
        return Fix(text, (f"aws iam list-role-policies --role-name {role}",))
    actions = {"pull": [*PULL], "log": [*WRITE], "secret": [READ_IT]}[need.purpose]
    if need.resource == "*":
        actions = [need.action]
    listed = ",".join(f'"{each}"' for each in actions)
    statement = f'{{"Effect":"Allow","Action":[{listed}],"Resource":"{resource}"}}'
    command = (
        f"aws iam put-role-policy --role-name {role} --policy-name {need.purpose} "
        f'--policy-document \'{{"Version":"2012-10-17","Statement":[{statement}]}}\''
    )
    return Fix(t("Allow it:"), (command,))


def _group_arn(stream: str) -> str:
    return stream.partition(":log-stream:")[0]


def _no_role(case: Case, main: Definition) -> Finding:
    return Finding(
        id="execution-role-missing",
        kind="cause",
        rank=24,
        title=t("The task definition's execution role does not exist"),
        why=t("ECS takes this role to fetch the image and the secrets; without it no task starts."),
        seen=(
            t(
                "{revision} names {role}.",
                revision=main.revision,
                role=main.execution_role or "-",
            ),
        ),
        fixes=(*case.tried_again(), case.declared_again()),
        evidence=case.reasons(REFUSED),
    )


def _no_trust(case: Case, role: Role) -> Finding:
    return Finding(
        id="execution-role-not-trusted",
        kind="cause",
        rank=24,
        title=t("ECS may not take the execution role"),
        why=t("ECS takes this role to fetch the image and the secrets; without it no task starts."),
        seen=(
            t(
                "The trust policy of {role} does not let ecs-tasks.amazonaws.com assume it.",
                role=role.arn.rpartition("/")[2],
            ),
        ),
        fixes=(*case.tried_again(), case.declared_again()),
        evidence=case.reasons(REFUSED),
    )


def task_role(case: Case) -> Iterator[Finding]:
    """The app re-reads the database's secret with the task role when RDS has rotated it."""
    main = case.main
    arn = main.environment.get("DB_SECRET_ARN") if main else None
    role = case.now.task_role.value
    if main is None or not arn or case.now.task_role.problem:
        return
    if role is not None and verdict(role, READ_IT, arn) == ALLOWED:
        return
    yield Finding(
        id="task-role-cannot-read-secret",
        kind="warning",
        rank=46,
        title=t("The app may not read the database's secret again"),
        why=t(
            "RDS changes the password every 7 days. A running task then needs its task role to read "
            "the new one; without that it loses the database until it is replaced."
        ),
        seen=(
            t(
                "No policy of {role} allows {action} on {resource}.",
                role=main.task_role.rpartition("/")[2] or "-",
                action=READ_IT,
                resource=arn,
            ),
        ),
        fixes=(case.declared_again(),),
    )
