"""The one sentence at the top of the page: how it stands, in a word and a line."""

from __future__ import annotations

from dataclasses import dataclass

from i18n import Text, t
from ops.checks import stages
from ops.checks.case import Case
from ops.findings import Diagnosis
from rehearsal.page.engine_work import Work
from rehearsal.page.watching import Seen


@dataclass(frozen=True)
class Verdict:
    """``tone`` is one of good, bad, busy, calm; ``word`` says the same for those who see no colour."""

    tone: str
    word: Text
    headline: Text
    detail: Text


def verdict(seen: Seen) -> Verdict:
    """What counts first: what the engine takes away or builds, then causes, then the roll-out."""
    case, diagnosis, work = seen.case, seen.diagnosis, seen.work
    if case is None or diagnosis is None:
        return _nothing(work)
    stage = stages.stage(case)
    if work.busy and (work.removing or stage in (stages.NOTHING, stages.FIRST)):
        return _at_work(case, stage, work)
    if stage == stages.NOTHING:
        return _nothing(work)
    if case.paused:
        return PAUSED
    if stage == stages.FIRST and not diagnosis.causes:
        return STAGE1
    return _judged(case, diagnosis)


def _nothing(work: Work) -> Verdict:
    if work.busy:
        return _building(t("Stage 1 is being built"), work)
    return EMPTY


def _at_work(case: Case, stage: str, work: Work) -> Verdict:
    if work.removing:
        text = t("{count} resources are left.", count=work.resources)
        return Verdict("busy", t("at work"), t("Pulumi takes the stack down"), text)
    second = stage == stages.FIRST and case.now.settings.ecs_enabled
    return _building(t("Stage 2 is being built") if second else t("Stage 1 is being built"), work)


def _building(headline: Text, work: Work) -> Verdict:
    text = t("{count} resources so far.", count=work.resources)
    return Verdict("busy", t("at work"), headline, text)


EMPTY = Verdict(
    "calm",
    t("empty"),
    t("Nothing is up"),
    t("The local cloud runs and is empty. What you put up shows here as it comes."),
)
PAUSED = Verdict(
    "calm",
    t("paused"),
    t("The stack is paused"),
    t("No task runs and the database is stopped; ./careapp resume brings both back."),
)
STAGE1 = Verdict(
    "calm",
    t("stage 1"),
    t("Stage 1 stands, ECS is off"),
    t("Network, database, image and load balancer are there; the page answers 503 and says why."),
)


def _judged(case: Case, diagnosis: Diagnosis) -> Verdict:
    if diagnosis.causes:
        first = diagnosis.causes[0]
        return Verdict("bad", t("broken"), first.title, first.why)
    service = case.service
    counts = t(
        "Tasks that run: {running} of {desired}. Healthy targets: {healthy}.",
        running=service.running if service else 0,
        desired=service.desired if service else 0,
        healthy=sum(each.state == "healthy" for each in case.targets),
    )
    if diagnosis.blind:
        headline = t("Not all could be looked at")
        return Verdict("busy", t("unknown"), headline, diagnosis.stage)
    if not case.steady:
        return Verdict("busy", t("rolling out"), t("The roll-out is under way"), counts)
    return Verdict("good", t("healthy"), t("Everything works"), counts)
