"""The gate: one loop that looks, judges, acts and says until a roll-out has ended, and the doctor's word at its end."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.pace import Pace
from ecs_gate.diagnosis.catalogue import OUTCOME
from ecs_gate.diagnosis.findings import PAGE_PART, Diagnosis, Fix, as_line
from ecs_gate.diagnosis.screen import plain
from ecs_gate.parts import ecs, verdicts
from ecs_gate.parts import page as pages
from ecs_gate.parts.elb import answer
from ecs_gate.parts.records import Deletion, PauseHook, read_part, short
from ecs_gate.remedies import new_deployment
from ecs_gate.rollout import say
from ecs_gate.rollout.act import go_on, undo
from ecs_gate.rollout.judge import WARM_UP_SECONDS, asks, judge_rollout, reasons
from ecs_gate.rollout.look import Answer, Look, Reader
from ecs_gate.rollout.say import Log
from ecs_gate.rollout.verdict import SETTLE_READS, End, History, Outcome, Patience, Terms, Verdict
from ecs_gate.text import Text, t
from ecs_gate.waiting import Changes, Shown, may_pass, reads_in_thread


async def roll_out(reader: Reader, log: Log, changes: Changes | None = None) -> tuple[End, str]:
    """Follow a roll-out to its end. Return it, and where the revision does not run why. Raises Refused and AwsProblem.

    The end's diagnosis is the one whose cause is told: after a rollback without what it said of the roll-out before.
    ``changes`` are those of the update that deploys it. No request comes to a worker.
    """
    pace, target, web = Pace.of(), reader.target, not reader.expected.names.process
    notice = target.check.notice if changes and web and target.check else 0
    terms = Terms(
        patience=Patience.of(pace, target.minutes, notice),
        since=changes.begun if changes else None,
    )
    end = await follow(reader, terms, pace, log, changes if web else None)
    if end.verdict.outcome is not Outcome.RUNS:
        return await _red(end, reader, log)
    log.moment(end.verdict.text)
    return end, ""


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
    history = History(passed=bool(changes and changes.page_worked))
    turns, begun = Turns(reader, terms, log, history), now()
    async for view in reads_in_thread(reader.view, pace, log.moment):
        at, changed = (now() - begun) * pace.speed, changes.last if changes else None
        changed = None if changed is None else (changed - begun) * pace.speed
        noticed = None if changed is None else changed + terms.patience.notice
        verdict = await turns.take(
            Look(view=view, at=at, monotonic=time.monotonic(), noticed=noticed)
        )
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
    refused: Counter[str] = field(default_factory=Counter)
    """How often ECS has refused a hook's answer."""

    async def take(self, seen: Look) -> Verdict:
        """Ask what the look has to ask, judge it, and let ECS go on. Raises AwsProblem where AWS refuses that."""
        try:
            if question := asks(seen, self.history, self.terms):
                again = self.history.page_at is not None and self.history.failing is None
                ask = partial(self.reader.ask, question, seen.view, again=again)
                answer = await asyncio.to_thread(ask)
                seen = replace(seen, answer=answer)
            verdict, history = judge_rollout(seen, self.history, self.terms)
            if verdict.go_on and seen.answer:
                history = await self._go_on(verdict.go_on, seen.answer, history)
            self.history = history
            return verdict
        except AwsProblem as problem:
            if not may_pass(problem):
                raise
            # ECS was not told to go on.
            self.log.moment(t("AWS does not answer for now: {problem}", problem=problem.text))
        except Exception as mistake:
            # Without a diagnosis ECS's own verdict is waited for.
            self.log.moment(say.undiagnosed(mistake))
        verdict, self.history = judge_rollout(replace(seen, answer=None), self.history, self.terms)
        return verdict

    async def _go_on(self, hook: PauseHook, answer: Answer, history: History) -> History:
        """Let ECS give the version its requests, say so, and return what to remember."""
        if not self.reader.acts:
            command = (
                f"aws ecs continue-service-deployment --service-deployment-arn {hook.deployment}"
            )
            command = f"{command} --hook-id {hook.id} --action CONTINUE"
            self.log.lasting(
                t(
                    "{what}; ECS waits for an answer, and nothing was changed. This lets it go on: {command}",
                    what=answer.page or "",
                    command=self.reader.session.place.complete(command),
                )
            )
            return replace(history, answered=history.answered | {hook.id})
        again = self.refused[hook.id] >= SETTLE_READS
        if not await asyncio.to_thread(go_on, self.reader.session, hook, again=again):
            self.refused[hook.id] += 1
            self.log.moment(t("ECS has not waited for the answer; reading what it does"))
            return history
        if answer.page:
            # A log may need the event loop's thread.
            self.log.lasting(
                t("before any request of a user: {what}; ECS goes on with it", what=answer.page)
            )
        return replace(history, answered=history.answered | {hook.id})


LEFT = t("It was not rolled back: the gate was not asked to change anything.")


async def _red(end: End, reader: Reader, log: Log) -> tuple[End, str]:
    """Roll a version back that is to be stopped. Return the end with its diagnosis, and the text that it ends with."""
    verdict, expected, owner = end.verdict, reader.expected, reader.inquiry.owner
    back = None
    diagnosis: Diagnosis | Text | None = verdict.diagnosis
    if verdict.stop and not reader.acts:
        back = LEFT
    elif verdict.stop:
        first = verdict.outcome is Outcome.CERTAIN
        back = await undo(
            reader.session,
            expected.names,
            log.moment,
            reader.target.minutes,
            owner.rollback(expected.names),
            owner.advice,
            first=first,
        )
        if isinstance(diagnosis, Diagnosis):
            # What it says of the roll-out was before that.
            left = tuple(each for each in diagnosis.findings if each.facts.subject != OUTCOME)
            diagnosis = replace(diagnosis, findings=left, unfinished=False)
    if diagnosis is None and verdict.outcome is not Outcome.REPLACED:  # that is the cause
        log.moment(t("it failed; reading the cause"))
        diagnosis = await asyncio.to_thread(_diagnose, reader)
    if isinstance(diagnosis, Diagnosis):
        await _keep(diagnosis, reader, log)
        end = replace(end, verdict=replace(verdict, diagnosis=diagnosis))
    if verdict.stop or verdict.outcome is Outcome.ROLLED_BACK:
        back = await asyncio.to_thread(_dead, reader) or back
    cause = plain(diagnosis) if isinstance(diagnosis, Diagnosis) else str(diagnosis or "")
    return end, say.failed(end, cause, owner.retry(expected.names), back, owner.advice)


def _dead(reader: Reader) -> Text | None:
    """Return that the version to which ECS went back fails as well, and which one worked last.

    None where it works, no other version is known to have worked, or one of both cannot be read.
    """
    session, names = reader.session, reader.expected.names
    known = reader.inquiry.owner.verdicts and not names.process
    page = read_part(pages.page_before, reader.target).value if known else None
    if page is None or not page.fails:
        return None
    service = read_part(ecs.service, session, names).value
    worked = read_part(verdicts.worked, session, names).value
    now = service.primary.definition if service and service.primary else reader.expected.definition
    if worked is None or worked in (now, reader.expected.definition):
        return None
    command = new_deployment(names, short(worked))
    return t(
        "ECS went back to {now}, which fails as well: {answer} {worked} is the last version of which the gate was "
        "sure. This deploys it, until the program has a better one:\n  {command}",
        now=short(now),
        answer=answer(page.path, page.status),
        worked=short(worked),
        command=session.place.complete(command),
    )


def _diagnose(reader: Reader) -> Diagnosis | Text:
    """Return the diagnosis of all that there is, or why the doctor failed: the failure must still be reported."""
    try:
        return reader.doctor(reader.whole)
    except Exception as mistake:
        return say.undiagnosed(mistake)


async def _keep(diagnosis: Diagnosis, reader: Reader, log: Log) -> None:
    """Write the first cause where the doctor finds it later: ECS forgets tasks, and the page works again by then."""
    session, names = reader.session, reader.expected.names
    if not reader.inquiry.owner.verdicts:
        return
    # A worker's own cause stands beside that of the stack only where it is another one.
    causes = [
        cause
        for process in (names.process, "")
        for cause in diagnosis.causes
        if cause.process == process
    ]
    first = next((cause for cause in causes if not cause.facts.result), None)
    if first is None or first.facts.subject == OUTCOME:  # the verdict of an earlier roll-out
        return
    try:
        await asyncio.to_thread(verdicts.keep, session, names, as_line(first))
    except AwsProblem as problem:
        log.lasting(
            t(
                "once ECS forgets it, the doctor may not know this cause: {problem}",
                problem=problem.text,
            )
        )


async def causes(
    reader: Reader, log: Log, counts: Collection[int], gone: Sequence[Deletion] = (), tasks: int = 1
) -> str:
    """Return the doctor's screen when it finds a cause behind healthy targets, else "".

    ``gone`` is what this update will delete: rules for other clients than the declared ones are there until then. The
    revision runs: a doctor that fails or may not read everything is shown and fails no roll-out, but a
    page that fails does, where the desired count ``tasks`` is not 0.
    """
    diagnosis = await _settled(reader, log, counts)
    if diagnosis and reasons(diagnosis, counts):
        return plain(diagnosis)
    if diagnosis:
        say.warnings(diagnosis, log, closes=any("Ingress" in deletion.kind for deletion in gone))
    asked = diagnosis and (diagnosis.page or PAGE_PART in [part.part for part in diagnosis.unread])
    return await _failing_page(reader, log) if tasks and not asked else ""


async def _failing_page(reader: Reader, log: Log) -> str:
    """Return what the page answers where it fails, without the doctor's rules; else ""."""
    part = await asyncio.to_thread(read_part, pages.page_before, reader.target)
    if part.problem:
        log.lasting(t("the page was not requested: {problem}", problem=part.problem.text))
    page = part.value
    return str(answer(page.path, page.status, page.problem)) if page and page.fails else ""


async def causes_after_deletion(
    reader: Reader, log: Log, counts: Collection[int], gone: Sequence[Deletion]
) -> str:
    """Return the doctor's screen when it would find a cause once ``gone`` is deleted, else ""."""
    diagnosis = await _settled(reader, log, counts, gone=gone)
    if not diagnosis or not reasons(diagnosis, counts):
        return ""
    # A refresh restores only what the program declares.
    names = ", ".join(deletion.label for deletion in gone)
    text = t(
        "Put it back into the program, as its last version in Git has it, and deploy: {names}.",
        names=names,
    )
    owner = reader.inquiry.owner
    # What takes its place has to go first: both would have one name, route or priority.
    first = (owner.rollback(reader.expected.names),) if any(e.replaced for e in gone) else ()
    back = (Fix(text, (*first, *owner.apply)),)
    findings = tuple(replace(each, fixes=back if each.fixes else ()) for each in diagnosis.causes)
    return plain(replace(diagnosis, findings=findings, page=None))


async def _settled(
    reader: Reader, log: Log, counts: Collection[int], gone: Sequence[Deletion] = ()
) -> Diagnosis | None:
    """Return the diagnosis on which two agree, or in which the page works; one that only answers 503 may warm up.

    AWS is eventually consistent, and without a healthy target no page is requested. None where the doctor failed.
    """
    begun, shown = time.monotonic(), Counter[bool]()
    ask = partial(reader.diagnose, gone=gone)
    try:
        async for diagnosis in reads_in_thread(ask, Pace.of(), log.lasting):
            blocking = reasons(diagnosis, counts)
            early = time.monotonic() - begun < WARM_UP_SECONDS
            warming_up = blocking and early and all(finding.facts.warms_up for finding in blocking)
            shown[bool(blocking)] += 1
            works = diagnosis.page and not blocking
            if works or (shown[bool(blocking)] > 1 and not warming_up):
                return diagnosis
    except Exception as mistake:
        log.lasting(say.undiagnosed(mistake))
    return None
