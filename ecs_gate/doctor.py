"""Diagnose a service: read it from AWS, run all checks, rank the findings."""

from __future__ import annotations

from dataclasses import replace

from ecs_gate import checks
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.checks import running
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.findings import PAGE_PART, Diagnosis, Unread
from ecs_gate.parts.deletions import without
from ecs_gate.parts.gather import Inquiry, Snapshot, gather
from ecs_gate.parts.stack_secrets import learn
from ecs_gate.target import Target
from ecs_gate.text import Text, t

PARTS: dict[str, Text] = {
    "service": t("the service"),
    "tasks": t("the tasks"),
    "newest": t("the newest task definition"),
    "definitions": t("the task definitions"),
    "group": t("the target group"),
    "targets": t("the health of the targets"),
    "balancer": t("the load balancer"),
    "page": PAGE_PART,
    "rollback_reason": t("the service's last deployments"),
    "verdict": t("what the gate found"),
    "tried": t("what the gate found before"),
    "was_deployed": t("whether the newest task definition was deployed"),
    "command_tasks": t("the tasks of the command before a deployment"),
    "ended_by": t("the alarms of the last deployment"),
    "network": t("security groups and routes"),
    "execution": t("the execution role"),
    "task_role": t("the task role"),
    "image": t("the image"),
    "secrets": t("the secrets"),
    "logs": t("the log"),
    "database": t("the database"),
    "alarms": t("the alarms"),
    "quota": t("Fargate's quota of vCPUs"),
    "measured": t("the metrics"),
    "login": t("the provider of the login"),
}

OPTIONAL = (*("verdict", "tried", "alarms", "ended_by", "quota", "measured", "page", "login"),)
"""What a healthy service does not hang on."""


def diagnose(inquiry: Inquiry) -> Diagnosis:
    """Return the diagnosis of a service. It lists the parts that could not be read."""
    now = without(gather(inquiry), inquiry.gone)
    return mask_values(judge(now), inquiry.target, inquiry.session)


def mask_values(diagnosis: Diagnosis, target: Target, session: Session) -> Diagnosis:
    """Have the values of the service's secrets masked where a diagnosis shows text of the app or of AWS.

    The diagnosis that is returned says which could not be read.
    """
    if all(each.kind == "note" and not each.evidence for each in diagnosis.findings):
        return diagnosis
    problem = learn(session, target.names, target.login.secret_arn, public=target.public_words)
    unread = (Unread(t("the value of a secret"), problem, essential=False),) if problem else ()
    return replace(diagnosis, unread=(*diagnosis.unread, *unread))


def judge(now: Snapshot) -> Diagnosis:
    case = Case.of(now)
    findings, failed = checks.run(case)
    return Diagnosis(
        names=now.names.label,
        stage=now.owner.describe(case),
        findings=findings,
        unread=(*_unread(now), *failed),
        unfinished=any(each.unfinished for each in (case, *case.workers)),
        page=running.page_answer(case),
        checked=(
            *(PARTS[name] for name in PARTS if _was_read(now, name)),
            *(each.what for each in now.owner.parts if now.of(each.kind).value is not None),
            *(_worker(name) for name, seen in now.workers.items() if _was_read(seen, "service")),
        ),
    )


def _worker(name: str) -> Text:
    return t("the worker {name}", name=name)


def _was_read(now: Snapshot, name: str) -> bool:
    part = getattr(now, name)
    return part.problem is None and part.value is not None


def _unread(now: Snapshot) -> tuple[Unread, ...]:
    parts = [
        Unread(PARTS.get(name) or _worker(name.partition("/")[0]), problem, name not in OPTIONAL)
        for name, problem in now.problems().items()
        if name not in {each.kind.__name__ for each in now.owner.parts}
    ]
    for each in now.owner.parts:
        if problem := now.of(each.kind).problem:
            parts.append(Unread(each.what, problem, each.essential))
    parts += now.owner.unseen
    image = now.image.value
    if image is not None and image.present and not image.platforms:
        way_out = t("Allow ecr:GetDownloadUrlForLayer, and try again.")
        problem = AwsProblem("refused", t("AWS did not return it."), way_out)
        parts.append(Unread(t("the image's processor architecture"), problem, False))
    return tuple(parts)
