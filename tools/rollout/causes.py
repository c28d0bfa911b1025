"""Asks the doctor about a roll-out: while tasks fail, while ECS watches healthy ones, and once the revision runs."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tools.aws.pace import Pace
from tools.diagnosis.catalogue import PAGE
from tools.i18n import Text, joined, t, verbatim
from tools.rollout.text import undiagnosed
from tools.rollout.verdict import Outcome, Verdict
from tools.rollout.view import Expected
from tools.screen import short_time
from tools.shared.aws_rules import breaker_limit
from tools.snapshot.records import Task
from tools.snapshot.rollout import Rollout
from tools.waiting import reads_in_thread

if TYPE_CHECKING:
    from stack.settings import Settings
    from tools.aws.session import Session
    from tools.diagnosis.findings import Diagnosis, Finding, Unread
    from tools.rollout.held import Held
    from tools.snapshot.deletions import Deletion
    from tools.snapshot.elb import Page
    from tools.snapshot.records import PauseHook


Diagnose = Callable[..., "Diagnosis"]
"""The doctor's function for one stack; it takes ``gone`` and ``page``, as `tools.doctor.diagnose.diagnose` does."""

NO_TASK = "scaled-to-zero"

WARM_UP_SECONDS = 30.0
"""How long the page may answer 503, in seconds of this machine: an app may wait for its database."""

CRASHES = 2
"""Tasks of a worker that end by themselves before its roll-out has failed: one may end for a passing reason."""

PAUSED = t("the stack is paused and stays so: no task runs; ./careapp resume brings it back")

WITHOUT_BREAKER = ("CANARY", "LINEAR")
"""Strategies for which the circuit breaker is not documented (Amazon ECS developer guide, "Deployment
failure detection", names rolling update and blue/green deployments)."""

LETS_MORE_IN = "balancer-lets-more-in"
PAGE_FAILS = "page-errors"
WRONG = frozenset({"app-raises", PAGE_FAILS})
"""The root causes of a failing page that are the version's own, whether the page worked before or not.

A 503 is none: an app may wait for its database.
"""


class Log(Protocol):
    """Shows what does not make `pulumi up` red."""

    def lasting(self, text: Text) -> None: ...

    def warning(self, text: Text) -> None: ...


async def causes(
    diagnose: Diagnose, log: Log, counts: Collection[int], gone: Sequence[Deletion] = ()
) -> str:
    """Return the doctor's screen when it finds a cause behind healthy targets, else "".

    ``gone`` is what this update will delete: rules for other clients than allowedCidrs are there until then. A
    desired count of 0 is a cause unless 0 is among the ``counts`` of the stack file. Two
    diagnoses have to agree, for AWS is eventually consistent. The revision runs: a doctor that
    fails or may not read everything is shown and does not make `pulumi up` red.
    """
    from tools.doctor.screen import plain

    found = await _settled(diagnose, log, counts)
    if found and _reasons(found, counts):
        return plain(found)
    if found:
        if any("Ingress" in each.kind for each in gone):
            left = tuple(each for each in found.findings if each.id != LETS_MORE_IN)
            found = replace(found, findings=left)
        _report(found, log)
    return ""


async def causes_after_deletion(
    stack: str, diagnose: Diagnose, log: Log, counts: Collection[int], gone: Sequence[Deletion]
) -> str:
    """Return the doctor's screen when it would find a cause once ``gone`` is deleted, else ""."""
    from tools.diagnosis.findings import Fix
    from tools.doctor.screen import plain

    found = await _settled(partial(diagnose, gone=gone), log, counts)
    if not found or not _reasons(found, counts):
        return ""
    # A refresh restores only what the program declares.
    back = Fix(
        t(
            "Put it back into the program, as its last version in Git has it, and deploy: {names}.",
            names=", ".join(each.label for each in gone),
        ),
        (f"pulumi up -s {stack}",),
    )
    findings = (replace(each, fixes=(back,) if each.fixes else ()) for each in found.causes)
    return plain(replace(found, findings=tuple(findings), page=None))


async def _settled(diagnose: Diagnose, log: Log, counts: Collection[int]) -> Diagnosis | None:
    """Return the diagnosis on which two agree; a page that only answers 503 has time to warm up.

    None where the doctor failed, which is logged.
    """
    begun, second = time.monotonic(), False
    try:
        async for found in reads_in_thread(diagnose, Pace.of(), log.lasting):
            reasons = _reasons(found, counts)
            early = time.monotonic() - begun < WARM_UP_SECONDS
            warming_up = early and all(each.facts.warms_up for each in reasons)
            if not reasons or (second and not warming_up):
                return found
            second = True
    except Exception as mistake:
        log.lasting(undiagnosed(mistake))
    return None


def _report(found: Diagnosis, log: Log) -> None:
    """Log what does not make `pulumi up` red: warnings, causes that do not block, what was not read, the page."""
    from tools.doctor.diagnose import PAGE as PAGE_PART

    for each in found.findings:
        if each.id == "stack-paused":
            log.lasting(PAUSED)
        if each.kind == "warning" or (each.kind == "cause" and not each.facts.blocks):
            log.warning(_warned(each))
    for text in _unread(found):
        log.lasting(text)
    for unread in found.unread:
        if unread.part == PAGE_PART:
            log.lasting(t("the page was not requested: {problem}", problem=unread.problem.text))
    if found.page:
        log.lasting(found.page)


def _warned(finding: Finding) -> Text:
    """Return a warning in one line: its title, and its first fix with the commands."""
    parts = [finding.title]
    for fix in finding.fixes[:1]:
        commands = verbatim(" && ".join(fix.commands))
        parts.append(joined(" ", (fix.text, commands)) if fix.commands else fix.text)
    return joined(": ", parts)


def _reasons(found: Diagnosis, counts: Collection[int]) -> list[Finding]:
    """Return the causes that make `pulumi up` red.

    Healthy targets rule out none of them: /health must not ask the database, a rule may lead the page
    elsewhere, the next task may not start.
    """
    blocking = [each for each in found.causes if each.facts.blocks]
    return [each for each in blocking if not (each.id == NO_TASK and 0 in counts)]


def _unread(found: Diagnosis) -> Iterator[Text]:
    """Return the essential parts that could not be read, each reason once."""
    by_reason: dict[str, list[Unread]] = {}
    for each in found.unread:
        if each.essential:
            by_reason.setdefault(str(each.problem), []).append(each)
    for together in by_reason.values():
        problem = together[0].problem
        yield t(
            "it runs, but the doctor could not read everything. Not read: {parts}. {problem} "
            "{way_out}",
            parts=joined(", ", (each.part for each in together)),
            problem=problem.text,
            way_out=problem.way_out,
        )


def diagnosis(settings: Settings, session: Session) -> str:
    """Return the doctor's screen, or why the doctor failed: the failed roll-out must still be reported."""
    from tools.doctor.diagnose import diagnose
    from tools.doctor.screen import plain

    try:
        return plain(diagnose(settings, session))
    except Exception as mistake:
        return str(undiagnosed(mistake))


def diagnose_expected(
    settings: Settings,
    session: Session,
    expected: Expected,
    workers: Mapping[str, str] | None = None,
    page_before: Page | None = None,
) -> Diagnose:
    """Return the doctor's function, told which task definitions have to run and the page's URL.

    ``workers`` are the workers' task definitions; without it no worker is read. ``page_before`` is the page before
    this update.
    """
    from tools.doctor.diagnose import diagnose

    wanted, url = expected.definition, expected.page_url
    return partial(
        diagnose,
        settings,
        session,
        wanted=wanted,
        url=url,
        workers=workers or {},
        page_before=page_before,
    )


class Certainty:
    """Asks the doctor while tasks fail or ECS watches healthy ones; two diagnoses in a row have to agree."""

    def __init__(
        self,
        expected: Expected,
        diagnose: Diagnose,
        page_worked: bool = False,
        held: Held | None = None,
        since: datetime | None = None,
    ) -> None:
        self.since = since
        self._expected, self._diagnose, self._page_worked = expected, diagnose, page_worked
        self._held = held
        self._before: frozenset[str] = frozenset()
        self._passed = False
        """Whether a diagnosis of the healthy tasks has found nothing: each one requests the page."""
        self._wrong_since: float | None = None
        """When the first of the diagnoses was made that in a row have found the page failing."""
        self._older: frozenset[str] | None = None

    async def judge(self, view: Rollout) -> Verdict | None:
        """Return the verdict of a roll-out that cannot succeed, or whose page fails; None for any other.

        Raises what the doctor raises.
        """
        if self._held and (hook := view.hook):
            return await self._judge_held(self._held, hook)
        if view.bakes:
            return None if self._passed else await self._judge_pages()
        if not self._failed(view) or (view.serving and not view.process):
            self._before = frozenset()
            return None
        return await self._judge_failures(view)

    async def _judge_held(self, held: Held, hook: PauseHook) -> Verdict | None:
        """Judge a version that gets no requests of users yet by its page, and let ECS go on where it works."""
        if hook.id in held.answered:
            return None
        begun = time.monotonic()
        seen = await asyncio.to_thread(held.look, hook)
        cause = _cause(seen.diagnosis, page_worked=seen.worked) if seen.diagnosis else None
        if cause is None or seen.diagnosis is None:
            await held.go_on(hook, seen)
            self._wrong_since = None
            return None
        return self._wrong(seen.diagnosis, cause, begun)

    async def _judge_pages(self) -> Verdict | None:
        """Judge healthy tasks by the page."""
        begun = time.monotonic()
        diagnosis = await asyncio.to_thread(self._diagnose)
        cause = _cause(diagnosis, page_worked=self._page_worked)
        self._passed = cause is None
        if cause is None:
            self._wrong_since = None
            return None
        return self._wrong(diagnosis, cause, begun)

    def _wrong(self, diagnosis: Diagnosis, cause: Finding, begun: float) -> Verdict | None:
        """Return the verdict on a page that fails, once the diagnosis before has found it so, too."""
        since, self._wrong_since = self._wrong_since, self._wrong_since or begun
        warms_up = cause.facts.warms_up and time.monotonic() - self._wrong_since < WARM_UP_SECONDS
        if since is None or warms_up:
            return None
        text = t(
            "{revision}: its tasks are healthy, but its page fails: {cause}",
            revision=self._expected.revision,
            cause=cause.title,
        )
        return Verdict(outcome=Outcome.WRONG, text=text, diagnosis=diagnosis)

    def _agreed(self, found: list[Finding]) -> list[Finding]:
        """Return the findings that the diagnosis before has had, too, and remember these."""
        agreed = [each for each in found if each.id in self._before]
        self._before = frozenset(each.id for each in found)
        return agreed

    async def _judge_failures(self, view: Rollout) -> Verdict | None:
        """Judge failed tasks, of which none is healthy, by the causes that are certain."""
        diagnosis = await asyncio.to_thread(self._diagnose)
        mine = [each for each in diagnosis.causes if each.process in ("", view.process)]
        if (ends := sum(each.ran for each in self._failed(view))) >= CRASHES and view.process:
            own = next((each for each in mine if each.process), None)
            return self._crashed(ends, own.title if own else None, diagnosis)
        agreed = self._agreed([each for each in mine if each.facts.certain])
        if not agreed:
            return None
        text = t(
            "{revision} cannot become healthy, and waiting does not change that: {cause}. {ecs}",
            revision=self._expected.revision,
            cause=agreed[0].title,
            ecs=what_ecs_does(view),
        )
        return Verdict(outcome=Outcome.CERTAIN, text=text, diagnosis=diagnosis)

    def _crashed(self, count: int, cause: Text | None, diagnosis: Diagnosis) -> Verdict:
        """Return the verdict on a worker whose tasks end by themselves. ECS replaces them without end."""
        text = t(
            "{count} tasks of {revision} have ended by themselves, and ECS starts others without end",
            count=count,
            revision=self._expected.revision,
        )
        text = joined(". ", (text, cause)) if cause else text
        return Verdict(outcome=Outcome.CERTAIN, text=text, diagnosis=diagnosis)

    def _failed(self, view: Rollout) -> list[Task]:
        """Return the tasks that failed under what this update deploys.

        A task that runs or has stopped at the first look is older: what failed it, like the health
        check's path, may be what this update has corrected. Of a deployment that this update has made, since
        ``since``, none is.
        """
        if self.since and view.deployment and view.deployment.created >= self.since:
            self._older = frozenset()
        if self._older is None:
            self._older = frozenset(
                task.arn for task in view.tasks if task.status == "RUNNING" or task.over
            )
        failed = (*view.failed_tasks, *view.replaced_tasks)
        return [task for task in failed if task.arn not in self._older]


def _cause(diagnosis: Diagnosis, *, page_worked: bool) -> Finding | None:
    """Return why the page fails; None where it does not, or where that is no reason to roll back.

    Where it worked before this update, any failure of it is one, whatever the cause. Where it did not, only an
    error whose root cause is the version itself.
    """
    failures = [each for each in diagnosis.findings if each.facts.subject == PAGE]
    if page_worked:
        return _root(failures[0], diagnosis) if failures else None
    own = any(each.id == PAGE_FAILS for each in failures)
    return next((each for each in diagnosis.causes[:1] if own and each.id in WRONG), None)


def _root(failure: Finding, diagnosis: Diagnosis) -> Finding:
    """Return the cause beside which a failure of the page is a consequence; the failure where it is a cause."""
    explaining = (each for each in diagnosis.causes if each.facts.explains(failure.facts))
    return failure if failure.kind == "cause" else next(explaining, failure)


def what_ecs_does(view: Rollout) -> Text:
    """Return what ECS does next with a deployment whose tasks fail, and about when."""
    if view.service and view.service.strategy in WITHOUT_BREAKER:
        return t(
            "No request goes to it. ECS does not give it up: it starts tasks until the next `pulumi up`, "
            "or `./careapp rollback`."
        )
    limit = breaker_limit(view.desired)
    values: dict[str, str | int] = {"limit": limit, "time": _about(view, limit)}
    if older := view.other_deployments:
        return t(
            "ECS starts tasks until {limit} have failed, at about {time}, and then rolls back to {older}.",
            older=older[0].revision,
            **values,
        )
    return t(
        "ECS starts tasks until {limit} have failed, at about {time}, and then gives up.", **values
    )


def _about(view: Rollout, limit: int) -> str:
    """Return when the limit is reached if each further round of tasks takes as long as the first one."""
    mine, failed = view.deployment, (*view.failed_tasks, *view.replaced_tasks)
    newest = max(filter(None, (each.created for each in view.deployment_tasks)), default=None)
    # A task that ECS is replacing has not ended: the newest task is its replacement.
    ends = sorted(filter(None, (each.ended or newest for each in failed)))
    if mine is None or not ends:
        return "-"
    first, last = ends[0], ends[-1]
    count = max(mine.failed, len(failed))
    rounds = math.ceil(max(0, limit - count) / max(1, view.desired))
    at: datetime = last + rounds * (first - mine.created)
    return short_time(at, today=last)
