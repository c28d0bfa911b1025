"""Says what happens in a roll-out: its progress, what stays, and the text that a failed one ends with."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ecs_gate.aws.errors import problem_of
from ecs_gate.diagnosis.findings import PAGE_PART, Diagnosis, Finding, Unread
from ecs_gate.owner import AWS, Advice
from ecs_gate.parts.records import Deployment, ServiceEvent
from ecs_gate.parts.rollout import Rollout
from ecs_gate.rollout.verdict import End, Outcome, Verdict
from ecs_gate.screen import short_time
from ecs_gate.text import Text, joined, t, verbatim
from ecs_gate.waiting import Shown

LETS_MORE_IN = "balancer-lets-more-in"


class Log(Protocol):
    """Shows what happens: a line that the next one replaces, one that stays, a warning."""

    def moment(self, text: Text) -> None: ...

    def lasting(self, text: Text) -> None: ...

    def warning(self, text: Text) -> None: ...


@dataclass
class Reporter:
    """Shows the state, and each new event once."""

    log: Log
    state: Shown
    since: datetime | None = None
    shown: set[str] = field(default_factory=set)
    begun: datetime | None = None
    """When the update began, as far as it is known: of a deployment since then every event is new."""

    def report(self, view: Rollout, verdict: Verdict, elapsed: float) -> None:
        for event in self._news(view):
            self.log.lasting(
                t("{at} ECS: {message}", at=short_time(event.at), message=event.message)
            )
        self.state.show(progress(view, verdict), elapsed)

    def _news(self, view: Rollout) -> list[ServiceEvent]:
        """Return the new events of this roll-out, without those of an earlier one."""
        events, mine = view.service.events if view.service else (), view.deployment
        if self.since is None and mine is not None:
            self.since = mine.created
            is_older = self.begun is None or mine.created < self.begun
            if mine.rollout == "COMPLETED" and is_older:
                self.shown |= {event.id for event in events}
        since = self.since
        news = [
            event
            for event in sorted(events, key=lambda event: event.at)
            if since is not None and event.at >= since and event.id not in self.shown
        ]
        self.shown |= {event.id for event in news}
        return news


def progress(view: Rollout, verdict: Verdict) -> Text:
    """Return the state in a line, without the time: an equal line means that nothing has changed."""
    if view.service is None:
        return verdict.text
    mine = view.deployment
    values: dict[str, str | int | Text] = {
        "revision": view.revision,
        "running": mine.running if mine else 0,
        "desired": view.desired,
        "pending": mine.pending if mine else 0,
        "failed": mine.failed if mine else 0,
        "why": verdict.text,
    }
    if view.process:
        # ECS counts only tasks that did not start.
        values["failed"] = len(view.failed_tasks)
        return t(
            "{revision}: tasks {running} of {desired} running, {pending} starting, {failed} failed; {why}",
            **values,
        )
    return t(
        "{revision}: tasks {running} of {desired} running, {pending} starting, {failed} failed; "
        "targets {targets}; {why}",
        targets=targets(view),
        **values,
    )


def targets(view: Rollout) -> str:
    """Count the states of the targets: `1 healthy, 2 unhealthy (Target.Timeout)`."""
    if not view.targets:
        return "0"
    states = Counter(
        f"{target.state} ({target.reason})" if target.reason else target.state
        for target in view.targets
    )
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def unconfirmed(revision: str, problem: str, advice: Advice = AWS) -> str:
    """Return the text of a roll-out that could not be read. ``problem`` says what to do, too."""
    head = t(
        "it is not known whether {revision} runs: its roll-out could not be read from AWS",
        revision=revision,
    )
    return _block(str(head), problem, str(advice.unread))


def running_with_a_cause(
    end: End, diagnosis: str, advice: Advice = AWS, *, page_worked: bool = False
) -> str:
    """Return the text of a completed roll-out for which the doctor finds a cause.

    ``page_worked``: before this update it did.
    """
    head = t(
        "{revision} runs as it should, but the doctor finds a cause that must be removed",
        revision=end.view.revision,
    )
    if end.view.desired == 0:
        head = t("{revision} is deployed, but the desired count is 0", revision=end.view.revision)
    note = str(advice.completed) if page_worked else ""
    return _block(str(head), diagnosis, note, str(advice.blocked))


def would_delete(revision: str, diagnosis: str) -> str:
    """Return the text of an update that would delete what the page needs."""
    head = t(
        "{revision} runs, but this update would delete what its page needs; it was stopped "
        "before that",
        revision=revision,
    )
    after = t(
        "Nothing was deleted yet, because that comes at the end of an update: the page still works. Each update fails "
        "until the program declares it again."
    )
    return _block(str(head), diagnosis, str(after))


def would_end(revision: str, diagnosis: str) -> str:
    """Return the text of an update that was stopped before ECS replaced tasks that work by some that would not."""
    head = t(
        "{revision} was not deployed: the page works, but new tasks would not start, or not get their database, and "
        "ECS would stop those that run",
        revision=revision,
    )
    after = t(
        "The service was not changed: its tasks go on serving. Each update that changes it is stopped here until the "
        "cause is removed."
    )
    return _block(str(head), diagnosis, str(after))


def failed(
    end: End,
    diagnosis: str,
    retry: str,
    back: Text | None = None,
    advice: Advice = AWS,
) -> str:
    """Return the text of a failed roll-out: what happened, the diagnosis, what to do.

    ``retry`` starts a new deployment; ``back`` is what the gate's own rollback has done.
    """
    verdict = end.verdict
    head = str(t("the roll-out failed: {what}", what=verdict.text))
    what_to_do = _what_to_do(end, advice).filled(command=retry, revision=end.view.revision)
    serving = back or _serving(end.view)
    if end.view.process and advice.worker:
        what_to_do = joined("\n", (what_to_do, advice.worker))
    if serving is not None:
        head = f"{head}\n{serving!s}"
    return _block(head, diagnosis, str(what_to_do))


def _block(*parts: str) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def _serving(view: Rollout) -> Text | None:
    others = [deployment for deployment in view.other_deployments if deployment.running]
    if not others:
        return None
    return t(
        "Still running: {revision} (running tasks: {running}, desired: {desired}).",
        revision=others[0].revision,
        running=others[0].running,
        # The deployment's own count may be 0 already: it is the one that is replaced.
        desired=view.desired,
    )


def _what_to_do(end: End, advice: Advice) -> Text:
    outcome = end.verdict.outcome
    if outcome is Outcome.ROLLED_BACK:
        return advice.by_alarm if end.view.rollback_reason else advice.rolled_back
    return {
        Outcome.DELETED: advice.deleted,
        Outcome.REPLACED: advice.replaced,
        Outcome.BECAME_UNHEALTHY: advice.unhealthy,
        Outcome.OUTSIDE: advice.unhealthy,
        Outcome.TOO_LATE: advice.too_late,
        Outcome.WRONG: advice.wrong,
    }.get(outcome, advice.failed)


def unwatched(follow: str, rollback: str) -> Text:
    """Return what a Ctrl-C leaves: ECS completes a roll-out whose page nobody requests."""
    return t(
        "not following any more: ECS goes on with the roll-out, and nobody requests its page. `{follow}` follows it, "
        "`{rollback}` ends it.",
        follow=follow,
        rollback=rollback,
    )


def undiagnosed(mistake: Exception) -> Text:
    """Return why there is no diagnosis: AWS's problem, or a mistake of this program."""
    return t("There is no diagnosis. {problem}", problem=problem_of(mistake).as_text())


def runs_now(now: Deployment) -> Text:
    """Return what runs after a rollback."""
    return t(
        "{older} runs: {running} of {desired} tasks.",
        older=now.revision,
        running=now.running,
        desired=now.desired,
    )


def warnings(diagnosis: Diagnosis, log: Log, *, closes: bool) -> None:
    """Log what fails no roll-out: warnings, causes that do not block, what was not read, the page.

    ``closes``: this update deletes rules of security groups, so no warning of them is due.
    """
    for finding in diagnosis.findings:
        if finding.facts.told:
            log.lasting(_warned(finding))
        if closes and finding.id == LETS_MORE_IN:
            continue
        if finding.kind == "warning" or (finding.kind == "cause" and not finding.facts.blocks):
            log.warning(_warned(finding))
    for text in _not_read(diagnosis):
        log.lasting(text)
    for unread in diagnosis.unread:
        if unread.part == PAGE_PART:
            log.lasting(t("the page was not requested: {problem}", problem=unread.problem.text))
    if diagnosis.page:
        log.lasting(diagnosis.page)


def _warned(finding: Finding) -> Text:
    """Return a warning in one line: its title, and its first fix with the commands."""
    parts = [finding.title]
    for fix in finding.fixes[:1]:
        commands = verbatim(" && ".join(fix.commands))
        parts.append(joined(" ", (fix.text, commands)) if fix.commands else fix.text)
    return joined(": ", parts)


def _not_read(diagnosis: Diagnosis) -> Iterator[Text]:
    """Return the essential parts that could not be read, each reason once."""
    by_reason: dict[str, list[Unread]] = {}
    for part in diagnosis.unread:
        if part.essential:
            by_reason.setdefault(str(part.problem), []).append(part)
    for together in by_reason.values():
        problem = together[0].problem
        yield t(
            "it runs, but the doctor could not read everything. Not read: {parts}. {problem} "
            "{way_out}",
            parts=joined(", ", (part.part for part in together)),
            problem=problem.text,
            way_out=problem.way_out,
        )
