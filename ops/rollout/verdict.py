"""What one look at a roll-out shows: it goes on, the wanted revision runs, or it has failed and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from i18n import Text, t
from ops.rollout.view import View, Wanted
from ops.snapshot.records import Deployment, Task, short


class Outcome(Enum):
    """How a roll-out stands."""

    GOING = "going"
    RUNS = "runs"
    GAVE_UP = "gave up"
    ROLLED_BACK = "rolled back"
    FELL_ILL = "fell ill"
    REPLACED = "replaced"
    GONE = "gone"
    TOO_LATE = "too late"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """An outcome, and in a sentence what it rests on."""

    outcome: Outcome
    text: Text

    @property
    def final(self) -> bool:
        return self.outcome is not Outcome.GOING


def seen(view: View | None, wanted: Wanted, *, sure: bool) -> Verdict:
    """What one look shows. Until `sure`, what is not there may only not be shown yet."""
    if view is None:
        return _missing(wanted) if sure else going(t("ECS does not show the service yet"))
    mine, primary = view.of(wanted.definition), view.primary
    if mine is not None and mine.rollout == "FAILED":
        return _failed(view, wanted, mine)
    if mine is not None and mine.primary:
        missing = lacking(view, wanted, mine)
        if missing is None and view.undone:
            return _undone(view, wanted)
        if missing is None:
            return Verdict(outcome=Outcome.RUNS, text=_runs(view, wanted))
        return going(missing)
    if primary is None or not sure:
        return going(t("ECS does not show the new deployment yet"))
    return _ousted(wanted, primary)


def going(why: Text) -> Verdict:
    return Verdict(outcome=Outcome.GOING, text=why)


def lacking(view: View, wanted: Wanted, mine: Deployment) -> Text | None:
    """What the wanted revision's primary deployment still lacks; None when it lacks nothing."""
    tasks = [task for task in view.tasks if task.definition == wanted.definition]
    running = [task for task in tasks if task.status == "RUNNING"]
    if mine.running < view.desired or len(running) < view.desired:
        ready = min(mine.running, len(running))
        return t("{ready} of {desired} tasks run", ready=ready, desired=view.desired)
    healthy = sum(_is_served(task, view) for task in running)
    if healthy < view.desired:
        return t(
            "{ready} of {desired} tasks are healthy in the target group",
            ready=healthy,
            desired=view.desired,
        )
    if mine.rollout != "COMPLETED" or mine.pending or view.service.running > view.desired:
        return t("ECS has not called the deployment completed yet")
    return None


def _is_served(task: Task, view: View) -> bool:
    # ECS says UNKNOWN of a container without a health check of its own.
    return task.health != "UNHEALTHY" and any(
        target.address == task.address and target.state == "healthy" for target in view.targets
    )


def _missing(wanted: Wanted) -> Verdict:
    gone = t(
        "service {service} is not there any more; somebody or something deleted it",
        service=short(wanted.service),
    )
    return Verdict(outcome=Outcome.GONE, text=gone)


def _failed(view: View, wanted: Wanted, mine: Deployment) -> Verdict:
    primary = view.primary
    if primary is not None and not mine.primary:
        text = t(
            "ECS gave {revision} up and went back to {other}: {reason}",
            revision=wanted.revision,
            other=short(primary.definition),
            reason=mine.reason or primary.reason,
        )
        return Verdict(outcome=Outcome.ROLLED_BACK, text=text)
    text = t("ECS gave {revision} up: {reason}", revision=wanted.revision, reason=mine.reason)
    return Verdict(outcome=Outcome.GAVE_UP, text=text)


def _undone(view: View, wanted: Wanted) -> Verdict:
    text = t(
        "{revision} runs in the service as it was before; what this stack declares was rolled back: "
        "{reason}",
        revision=wanted.revision,
        reason=view.undone,
    )
    return Verdict(outcome=Outcome.ROLLED_BACK, text=text)


def _ousted(wanted: Wanted, primary: Deployment) -> Verdict:
    """Another revision is the primary: an older one by a rollback, a newer one by somebody."""
    other = short(primary.definition)
    if _is_newer(primary.definition, wanted.definition):
        text = t(
            "{other} has taken the place of {revision}: somebody else deploys to this service",
            other=other,
            revision=wanted.revision,
        )
        return Verdict(outcome=Outcome.REPLACED, text=text)
    text = t(
        "ECS runs {other} and not {revision}, which was rolled back: {reason}",
        other=other,
        revision=wanted.revision,
        reason=primary.reason,
    )
    return Verdict(outcome=Outcome.ROLLED_BACK, text=text)


def _is_newer(one: str, other: str) -> bool:
    (family, _, number), (same, _, bound) = one.rpartition(":"), other.rpartition(":")
    return family == same and int(number) > int(bound)


def _runs(view: View, wanted: Wanted) -> Text:
    if view.desired == 0:
        return t(
            "{revision} is in place; no task is wanted now, so there is nothing to wait for",
            revision=wanted.revision,
        )
    return t(
        "{revision} runs: {desired} of {desired} tasks, all healthy in the target group",
        revision=wanted.revision,
        desired=view.desired,
    )


LOOKS_UNTIL_SURE = 2
"""Looks in a row that must agree: ECS is eventually consistent, and may for a moment show what was before."""


@dataclass(frozen=True)
class End:
    """How a roll-out ended, and what was seen last."""

    verdict: Verdict
    view: View | None


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long things may take, in seconds on AWS's side.

    `settle` is how long ECS may show the world as it was before the update: its answers are
    eventually consistent. `notice` is how long the load balancer takes to notice that it does not
    reach the targets any more, or gets other answers.
    """

    limit: float
    settle: float
    notice: float = 0.0

    @property
    def recovery(self) -> float:
        """How long tasks that were healthy once may take to be so again: no roll-out is under way."""
        return self.limit / 3

    def told(self, changed: float | None, begun: float, speed: float) -> float | None:
        """How much has to have elapsed since `begun` for a change to have been noticed."""
        return None if changed is None else (changed - begun) * speed + self.notice


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What earlier looks have shown."""

    appeared: bool = False
    """Whether the wanted revision has had a deployment."""
    ran: bool = False
    """Whether it has been seen to run."""
    ended: float | None = None
    """Since when looks in a row have shown that ECS rolls nothing out any more."""
    outcome: Outcome = Outcome.GOING
    looks: int = 0
    """How many looks in a row have shown `outcome`."""


def judge(
    view: View | None,
    wanted: Wanted,
    memory: Memory,
    elapsed: float,
    patience: Patience,
    told: float | None = None,
) -> tuple[Verdict, Memory]:
    """The verdict after one more look (None: no such service), and what to remember.

    `told`: this update has changed something on the way to the tasks, and only when so much has
    elapsed has the load balancer said what it makes of that.
    """
    appeared = memory.appeared or (view is not None and view.of(wanted.definition) is not None)
    found = seen(view, wanted, sure=appeared or elapsed >= patience.settle)
    verdict = found if told is None else _checked(found, view, wanted, memory, elapsed < told)
    memory = Memory(
        appeared=appeared,
        ran=memory.ran or found.outcome is Outcome.RUNS,
        ended=_since(memory.ended, elapsed) if _has_ended(view, wanted) else None,
        outcome=verdict.outcome,
        looks=memory.looks + 1 if verdict.outcome is memory.outcome else 1,
    )
    if not verdict.final:
        return _in_time(verdict, wanted, memory, elapsed, patience), memory
    if memory.looks < LOOKS_UNTIL_SURE:
        # Even past the limit: one more look costs less than a wrong answer.
        verdict = going(t("looking once more to be sure: {what}", what=verdict.text))
    return verdict, memory


def _since(before: float | None, elapsed: float) -> float:
    return elapsed if before is None else before


def _has_ended(view: View | None, wanted: Wanted) -> bool:
    """Whether ECS rolls nothing out: then it replaces tasks that end, and never gives up."""
    mine = view.of(wanted.definition) if view else None
    return mine is not None and mine.primary and mine.rollout == "COMPLETED"


def _checked(
    found: Verdict, view: View | None, wanted: Wanted, memory: Memory, early: bool
) -> Verdict:
    """What is to be thought of a look after a change on the way to tasks that ran before it."""
    if found.outcome is Outcome.RUNS and early:
        return going(t("{what}; the load balancer checks what was changed", what=found.text))
    sick = view is not None and any(each.state == "unhealthy" for each in view.targets)
    if found.final or not memory.ran or not sick:
        return found
    text = t(
        "{revision} ran until this update changed the way to its tasks: {why}",
        revision=wanted.revision,
        why=found.text,
    )
    return Verdict(outcome=Outcome.FELL_ILL, text=text)


def _in_time(
    verdict: Verdict, wanted: Wanted, memory: Memory, elapsed: float, patience: Patience
) -> Verdict:
    """The verdict, or that it lasts too long."""
    if memory.ended is not None and elapsed - memory.ended >= patience.recovery:
        text = t(
            "{revision} was rolled out, but does not recover within {minutes} minutes: {why}",
            **_lasting(verdict, wanted, patience.recovery),
        )
        return Verdict(outcome=Outcome.FELL_ILL, text=text)
    if elapsed < patience.limit:
        return verdict
    text = t(
        "{revision} does not run after {minutes} minutes: {why}",
        **_lasting(verdict, wanted, patience.limit),
    )
    return Verdict(outcome=Outcome.TOO_LATE, text=text)


def _lasting(verdict: Verdict, wanted: Wanted, seconds: float) -> dict[str, str | Text]:
    return {
        "revision": wanted.revision,
        "minutes": f"{seconds / 60:.3g}",
        "why": verdict.text,
    }
