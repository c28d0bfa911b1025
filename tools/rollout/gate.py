"""The gate: one loop that looks, judges, acts and says until a roll-out has ended, and the doctor's word at its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tools.aws import local_cloud
from tools.aws.errors import AwsProblem
from tools.aws.pace import Pace
from tools.diagnosis.findings import Diagnosis, Fix
from tools.doctor.diagnose import diagnose
from tools.doctor.screen import plain
from tools.i18n import t
from tools.rollout import say
from tools.rollout.act import undo
from tools.rollout.judge import WARM_UP_SECONDS, asks, judge, reasons
from tools.rollout.look import Answer, Diagnose, Question, Reader, Seen, is_deregistered
from tools.rollout.say import Log
from tools.rollout.verdict import End, History, Outcome, Terms, Verdict
from tools.snapshot import ecs
from tools.snapshot.deletions import Deletion
from tools.snapshot.records import PauseHook
from tools.waiting import Changes, Shown, may_pass, reads_in_thread


async def follow(
    reader: Reader,
    terms: Terms,
    pace: Pace,
    log: Log,
    changes: Changes | None = None,
    now: Callable[[], float] = local_cloud.monotonic,
) -> End:
    """Look, judge, act and say until the verdict is final. Raises AwsProblem when AWS cannot be asked."""
    reporter = say.Reporter(log, Shown(log.moment, terms.patience.limit), begun=terms.since)
    turns, begun = Turns(reader, terms, log), now()
    async for view in reads_in_thread(reader.view, pace, log.moment):
        at, changed = (now() - begun) * pace.speed, changes.last if changes else None
        noticed = terms.patience.notified_at(changed, begun, pace.speed)
        verdict = await turns.take(Seen(view=view, at=at, moment=time.monotonic(), noticed=noticed))
        reporter.report(view, verdict, at)
        if verdict.final:
            break
    return End(verdict, view)


@dataclass
class Turns:
    """The loop's turns, each with what those before it have shown."""

    reader: Reader
    terms: Terms
    log: Log
    history: History = field(default_factory=History)

    async def take(self, seen: Seen) -> Verdict:
        """Ask what the look has to ask, judge it, and let ECS go on. Raises AwsProblem where AWS refuses that."""
        try:
            if question := asks(seen, self.history, self.terms):
                answer = await self._ask(question, seen)
                seen = replace(seen, answer=answer)
            verdict, self.history = judge(seen, self.history, self.terms)
            if verdict.go_on and seen.answer:
                await self._go_on(verdict.go_on, seen.answer)
        except AwsProblem as problem:
            # ECS was not told to go on.
            if not may_pass(problem):
                raise
            self.log.moment(t("AWS does not answer for now: {problem}", problem=problem.text))
            verdict, self.history = judge(replace(seen, answer=None), self.history, self.terms)
        return verdict

    async def _ask(self, question: Question, seen: Seen) -> Answer | None:
        """Return the answer; None where the doctor fails: then ECS's own verdict is waited for."""
        try:
            return await asyncio.to_thread(self.reader.ask, question, seen.view)
        except AwsProblem:
            raise
        except Exception as mistake:
            self.log.moment(say.undiagnosed(mistake))
            return None

    async def _go_on(self, hook: PauseHook, answer: Answer) -> None:
        """Let ECS give the version its requests, and say so."""
        await asyncio.to_thread(ecs.answer_hook, self.reader.session, hook, "CONTINUE")
        self.history = replace(self.history, answered=self.history.answered | {hook.id})
        if answer.page:
            # Pulumi's log needs the event loop's thread.
            self.log.lasting(
                t("before any request of a user: {what}; ECS goes on with it", what=answer.page)
            )


async def why(end: End, reader: Reader, log: Log) -> str:
    """Roll a version back that is to be stopped, and return the text that a failed roll-out ends with."""
    verdict, expected, settings = end.verdict, reader.expected, reader.settings
    found, deregistered, back = "", False, None
    if verdict.stop:
        back = await undo(reader.session, expected.names, log.moment, settings.rollout_minutes)
    if verdict.diagnosis:
        found = plain(verdict.diagnosis)
    elif verdict.outcome in say.WORTH_A_DIAGNOSIS:
        log.moment(t("it failed; reading the cause"))
        found = await asyncio.to_thread(_diagnosis, reader)
        # An error here must not hide the failed roll-out.
        with contextlib.suppress(AwsProblem):
            deregistered = await asyncio.to_thread(
                is_deregistered, reader.session, expected.definition
            )
    return say.failed(end, expected, found, deregistered=deregistered, back=back)


def _diagnosis(reader: Reader) -> str:
    """Return the doctor's screen, or why the doctor failed: the failed roll-out must still be reported."""
    try:
        return plain(diagnose(reader.settings, reader.session))
    except Exception as mistake:
        return str(say.undiagnosed(mistake))


def succeeded(end: End) -> bool:
    """Return whether the revision runs."""
    return end.verdict.outcome is Outcome.RUNS


async def causes(
    ask: Diagnose, log: Log, counts: Collection[int], gone: Sequence[Deletion] = ()
) -> str:
    """Return the doctor's screen when it finds a cause behind healthy targets, else "".

    ``gone`` is what this update will delete: rules for other clients than allowedCidrs are there until then. The
    revision runs: a doctor that fails or may not read everything is shown and does not make `pulumi up` red.
    """
    found = await _settled(ask, log, counts)
    if found and reasons(found, counts):
        return plain(found)
    if found:
        if any("Ingress" in each.kind for each in gone):
            left = tuple(each for each in found.findings if each.id != say.LETS_MORE_IN)
            found = replace(found, findings=left)
        say.warnings(found, log)
    return ""


async def causes_after_deletion(
    stack: str, ask: Diagnose, log: Log, counts: Collection[int], gone: Sequence[Deletion]
) -> str:
    """Return the doctor's screen when it would find a cause once ``gone`` is deleted, else ""."""
    found = await _settled(partial(ask, gone=gone), log, counts)
    if not found or not reasons(found, counts):
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


async def _settled(ask: Diagnose, log: Log, counts: Collection[int]) -> Diagnosis | None:
    """Return the diagnosis on which two agree; a page that only answers 503 has time to warm up.

    AWS is eventually consistent. None where the doctor failed, which is logged.
    """
    begun, second = time.monotonic(), False
    try:
        async for found in reads_in_thread(ask, Pace.of(), log.lasting):
            blocking = reasons(found, counts)
            early = time.monotonic() - begun < WARM_UP_SECONDS
            warming_up = early and all(each.facts.warms_up for each in blocking)
            if not blocking or (second and not warming_up):
                return found
            second = True
    except Exception as mistake:
        log.lasting(say.undiagnosed(mistake))
    return None
