"""Shows what the delivery's setting up will do, what it has done, and what is left for a person."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ops.delivery.items import Delivery
from ops.delivery.names import (
    ALIAS,
    BOUNDARY,
    BY_BRANCH,
    PREVIEW,
    deploy_role,
    role_variable,
    switch_variable,
)
from ops.delivery.plan import CHANGE, CREATE, KEEP, REMOVE, STAY, Step
from ops.names import PROJECT
from ops.render.lines import Line
from ops.texts import t

VERBS = {
    CREATE: t("create"),
    CHANGE: t("change"),
    KEEP: t("unchanged"),
    REMOVE: t("remove"),
    STAY: t("stays"),
}
DONE = {CREATE: t("created"), CHANGE: t("changed"), REMOVE: t("removed")}
KINDS = {
    "provider": t("identity provider"),
    "key": t("key"),
    "bucket": t("bucket"),
    "policy": t("policy"),
    "role": t("role"),
}
STYLES = {CREATE: "green", CHANGE: "yellow", REMOVE: "red", KEEP: "dim", STAY: "dim"}


def plan(steps: Iterable[Step], delivery: Delivery, lang: str) -> Iterator[Line]:
    """What will be done, thing by thing."""
    account = delivery.account
    title = t(
        "Delivery of {repository} into account {account}, {region}:",
        repository=delivery.repository.name,
        account=account.number,
        region=account.region,
    )
    yield Line(title.to(lang), "bold")
    for step in steps:
        yield Line(_line(VERBS[step.verb].to(lang), step, lang), STYLES[step.verb])


def done(step: Step, lang: str) -> Iterator[Line]:
    """One thing that is done; nothing for what was left alone."""
    if step.acts:
        yield Line(_line(DONE[step.verb].to(lang), step, lang), STYLES[step.verb])


def _line(verb: str, step: Step, lang: str) -> str:
    why = f" ({step.why.to(lang)})" if step.why else ""
    return f"  {verb}: {KINDS[step.item.kind].to(lang)} {step.item.name}{why}"


@dataclass(frozen=True)
class Variable:
    """One of GitHub's, and no secret: of the repository, or of the environment that is named."""

    name: str
    value: str
    environment: str = ""


def variables(delivery: Delivery) -> list[Variable]:
    """All that the workflows read.

    A stack behind an environment has its role there, and, where its account is another than that of
    BY_BRANCH, all else, too: in the environment's jobs its variables come before the repository's.
    The switch is the repository's, since GitHub decides on a job before it has its environment.
    """
    account = delivery.account
    shared = {
        "AWS_REGION": account.region,
        "CAREAPP_STATE": f"s3://{account.bucket}?region={account.region}",
        "CAREAPP_KEY": f"awskms://{ALIAS}?region={account.region}",
    }
    found = []
    if BY_BRANCH in delivery.stacks:
        found = [Variable(name, value) for name, value in shared.items()]
        found.append(Variable("CAREAPP_PREVIEW_ROLE", account.iam(f"role/{PREVIEW}")))
    for stack in delivery.stacks:
        role = account.iam(f"role/{deploy_role(stack)}")
        if stack == BY_BRANCH:
            found.append(Variable(role_variable(stack), role))
            continue
        if BY_BRANCH not in delivery.stacks:
            found += [Variable(name, value, stack) for name, value in shared.items()]
        found.append(Variable(role_variable(stack), role, stack))
        found.append(Variable(switch_variable(stack), "true"))
    return found


def next_steps(delivery: Delivery, lang: str) -> Iterator[Line]:
    """What is left for a person, in the order in which it is to be done, as commands to copy."""
    yield Line("")
    yield Line(t("The bound of the stacks' own roles, to be committed:").to(lang), "bold")
    for stack in delivery.stacks:
        place = f"Pulumi.{stack}.yaml, config: {PROJECT}:permissionsBoundary: {BOUNDARY}"
        yield Line(f"  {place}")
    for stack in delivery.stacks:
        if stack != BY_BRANCH:
            text = t(
                "Make the environment {stack} (Settings, Environments) with required reviewers and "
                "the branch {branch} alone: its role trusts whoever passes it.",
                stack=stack,
                branch=delivery.repository.branch,
            )
            yield Line(text.to(lang), "yellow")
    title = t("Then the variables of repository and environments (none is a secret):")
    yield Line(title.to(lang), "bold")
    for each in variables(delivery):
        yield Line(f"  {_command(each, delivery.repository.name)}")
    if not delivery.repository.owner_id:
        text = t(
            "Trusted is the token format without GitHub's numbers. A repository made, renamed or "
            "moved after 2026-07-15 needs --owner-id and --repository-id, too."
        )
        yield Line(text.to(lang), "yellow")


def _command(variable: Variable, repository: str) -> str:
    words = ["gh", "variable", "set", variable.name, "--body", variable.value, "--repo", repository]
    if variable.environment:
        words += ["--env", variable.environment]
    return shlex.join(words)
