"""Diagnose a stack: read it from AWS, run all checks, rank the findings."""

from __future__ import annotations

from dataclasses import replace

from ecs_gate import checks
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.checks import running, stages
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.findings import PAGE_PART, Diagnosis, Unread
from ecs_gate.parts.deletions import without
from ecs_gate.parts.gather import Inquiry, Snapshot, gather
from ecs_gate.parts.stack_secrets import learn
from ecs_gate.text import Text, t
from stack.settings import Settings

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
    "verdict": t("what `pulumi up` found"),
    "tried": t("what the `pulumi up` before found"),
    "was_deployed": t("whether the newest task definition was deployed"),
    "command_tasks": t("the tasks of deployCommand"),
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
    "old_workers": t("workers that the stack file has no more"),
    "jobs": t("the jobs"),
    "login": t("the provider of the login"),
    "uploads": t("the bucket for the app's files"),
    "remains": t("what is left of the stack"),
    "aside": t("the DB instances of a restore"),
}

OPTIONAL = (
    *("verdict", "tried", "alarms", "ended_by", "quota", "measured", "page", "jobs", "login"),
    *("uploads", "remains", "old_workers"),
)
"""What a healthy stack does not hang on."""


def diagnose(inquiry: Inquiry) -> Diagnosis:
    """Return the diagnosis of a stack. It lists the parts that could not be read."""
    now = without(gather(inquiry), inquiry.gone)
    return mask_values(judge(now), inquiry.settings, inquiry.session)


def mask_values(diagnosis: Diagnosis, settings: Settings, session: Session) -> Diagnosis:
    """Have the values of the stack's secrets masked where a diagnosis shows text of the app or of AWS.

    The diagnosis that is returned says which could not be read.
    """
    if all(each.kind == "note" and not each.evidence for each in diagnosis.findings):
        return diagnosis
    problem = learn(session, settings.names, settings.login.secret_arn)
    unread = (Unread(t("the value of a secret"), problem, essential=False),) if problem else ()
    return replace(diagnosis, unread=(*diagnosis.unread, *unread))


def judge(now: Snapshot) -> Diagnosis:
    case = Case.of(now)
    findings, failed = checks.run(case)
    return Diagnosis(
        names=now.names.prefix,
        stage=stages.described(case),
        findings=findings,
        unread=(*_unread(now), *failed),
        unfinished=any(each.unfinished for each in (case, *case.workers)),
        page=running.page_answer(case),
        checked=(
            *(PARTS[name] for name in PARTS if _was_read(now, name)),
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
    ]
    if now.settings.guessed:
        text = t(
            "Some of its values are wrong: `pulumi up` refuses it, and here these have their defaults."
        )
        problem = AwsProblem("refused", text, t("Correct it first."))
        parts.append(Unread(t("the stack file"), problem))
    image = now.image.value
    if image is not None and image.present and not image.platforms:
        way_out = t("Allow ecr:GetDownloadUrlForLayer, and try again.")
        problem = AwsProblem("refused", t("AWS did not return it."), way_out)
        parts.append(Unread(t("the image's processor architecture"), problem, False))
    return tuple(parts)
