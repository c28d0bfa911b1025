"""Judges a roll-out from what AWS has said so far: going on, done, or failed and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ops.rollout_view import Deployment, Task, View, Wanted, short
from ops.texts import Text, t

LOOKS_UNTIL_SURE = 2
"""Looks in a row that must agree: ECS is eventually consistent, and may for a moment show what was before."""


class Outcome(Enum):
    """How a roll-out stands."""

    GOING = "going"
    RUNS = "runs"
    GAVE_UP = "gave up"
    ROLLED_BACK = "rolled back"
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


@dataclass(frozen=True)
class End:
    """How a roll-out ended, and what was seen last."""

    verdict: Verdict
    view: View | None


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long things may take, in seconds on AWS's side.

    `settle` is how long ECS may show the world as it was before the update: its answers are
    eventually consistent.
    """

    limit: float
    settle: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What earlier looks have shown."""

    appeared: bool = False
    """Whether the wanted revision has had a deployment."""
    outcome: Outcome = Outcome.GOING
    looks: int = 0
    """How many looks in a row have shown `outcome`."""


def judge(
    view: View | None, wanted: Wanted, memory: Memory, elapsed: float, patience: Patience
) -> tuple[Verdict, Memory]:
    """The verdict after one more look (None: no such service), and what to remember."""
    appeared = memory.appeared or (view is not None and view.of(wanted.definition) is not None)
    verdict = _seen(view, wanted, sure=appeared or elapsed >= patience.settle)
    looks = memory.looks + 1 if verdict.outcome is memory.outcome else 1
    memory = Memory(appeared=appeared, outcome=verdict.outcome, looks=looks)
    if verdict.final and looks < LOOKS_UNTIL_SURE:
        # Even past the limit: one more look costs less than a wrong answer.
        verdict = _going(t("looking once more to be sure: {what}", what=verdict.text))
    elif not verdict.final and elapsed >= patience.limit:
        verdict = Verdict(outcome=Outcome.TOO_LATE, text=_late(verdict, wanted, patience))
    return verdict, memory


def _late(verdict: Verdict, wanted: Wanted, patience: Patience) -> Text:
    return t(
        "{revision} does not run after {minutes} minutes: {why}",
        revision=wanted.revision,
        minutes=f"{patience.limit / 60:.3g}",
        why=verdict.text,
    )


def _seen(view: View | None, wanted: Wanted, *, sure: bool) -> Verdict:
    """What one look shows. Until `sure`, what is not there may only not be shown yet."""
    if view is None:
        return _missing(wanted) if sure else _going(t("ECS does not show the service yet"))
    mine, primary = view.of(wanted.definition), view.primary
    if mine is not None and mine.rollout == "FAILED":
        return _failed(view, wanted, mine)
    if mine is not None and mine.primary:
        missing = lacking(view, wanted, mine)
        if missing is None:
            return Verdict(outcome=Outcome.RUNS, text=_runs(view, wanted))
        return _going(missing)
    if primary is None or not sure:
        return _going(t("ECS does not show the new deployment yet"))
    return _ousted(wanted, primary)


def _going(why: Text) -> Verdict:
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
    if mine.rollout != "COMPLETED" or mine.pending or view.running > view.desired:
        return t("ECS has not called the deployment completed yet")
    return None


def _is_served(task: Task, view: View) -> bool:
    return task.healthy and any(
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
