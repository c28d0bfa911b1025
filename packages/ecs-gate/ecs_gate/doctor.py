"""Diagnose a service: read it from AWS, run all checks, rank the findings."""

from dataclasses import replace

from ecs_gate import checks
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.checks import running
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.findings import Diagnosis, Unread, unlooked
from ecs_gate.parts.deletions import without
from ecs_gate.parts.gather import Inquiry, Snapshot, gather
from ecs_gate.parts.stack_secrets import learn
from ecs_gate.target import Target
from ecs_gate.text import Text, t


def diagnose(inquiry: Inquiry) -> Diagnosis:
    """Return the diagnosis of a service. It lists the parts that could not be read."""
    now = without(gather(inquiry), inquiry.gone)
    return mask_values(judge(now), inquiry.target, inquiry.session)


def mask_values(diagnosis: Diagnosis, target: Target, session: Session) -> Diagnosis:
    """Have the values of the service's secrets masked where a diagnosis shows text of the app or of AWS.

    The diagnosis that is returned says which could not be read.
    """
    if all(finding.kind == "note" and not finding.evidence for finding in diagnosis.findings):
        return diagnosis
    problem = learn(session, target.names, target.login.secret_arn, public=target.public_words)
    unread = (Unread(t("the value of a secret"), problem, essential=False),) if problem else ()
    return replace(diagnosis, unread=(*diagnosis.unread, *unread))


def judge(now: Snapshot) -> Diagnosis:
    """Return the diagnosis of what was read."""
    case = Case.of(now)
    findings, failed = checks.run(case)
    return Diagnosis(
        names=now.names.label,
        stage=now.owner.describe(case),
        findings=findings,
        unread=(*_unread(case), *failed),
        unfinished=any(each.unfinished for each in (case, *case.workers)),
        page=running.page_answer(case),
        checked=(
            *(kind.what for kind, part in now.parts.items() if part.value is not None),
            *(_worker(name) for name, seen in now.workers.items() if seen.service.value),
        ),
    )


def _worker(name: str) -> Text:
    return t("the worker {name}", name=name)


def _unread(case: Case) -> tuple[Unread, ...]:
    now = case.now
    read = [(kind.what, kind, part) for kind, part in now.parts.items()]
    for name, seen in now.workers.items():
        read += [(_worker(name), kind, part) for kind, part in seen.own]
    parts = [Unread(what, e.problem, part.essential) for what, part, e in read if e.problem]
    parts += now.owner.unseen
    database, network, image = now.database.value, now.network.value, now.image.value
    if database and network and network.lacks(database.subnets):
        parts.append(unlooked(t("the way to the database, which is in another VPC")))
    certificate = case.listener.certificate if case.listener else None
    if certificate and certificate.problem:
        parts.append(Unread(t("the load balancer's certificate"), certificate.problem, False))
    if image is not None and image.present and not image.platforms:
        way_out = t("Allow ecr:GetDownloadUrlForLayer, and try again.")
        problem = AwsProblem("refused", t("AWS did not return it."), way_out)
        parts.append(Unread(t("the image's processor architecture"), problem, False))
    return tuple(parts)
