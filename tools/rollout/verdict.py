"""Judges what ECS and Elastic Load Balancing say of a roll-out: the outcome of each look, and the limits of time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from tools.aws.pace import Pace
from tools.i18n import Text, t
from tools.rollout.look import Expected, Seen
from tools.screen import short_time
from tools.snapshot.records import Deployment, PauseHook, Traffic
from tools.snapshot.rollout import STABLE_SECONDS, Rollout

if TYPE_CHECKING:
    from tools.diagnosis.findings import Diagnosis

READS_UNTIL_SURE = 2
"""Reads in a row that must agree: ECS is eventually consistent, and may show an older state for a moment."""

SETTLE_READS = 5
"""Reads in which ECS may not show an update yet."""


class Outcome(Enum):
    """The state of a roll-out."""

    GOING = "going"
    RUNS = "runs"
    GAVE_UP = "gave up"
    ROLLED_BACK = "rolled back"
    CERTAIN = "certain to fail"
    WRONG = "healthy and wrong"
    BECAME_UNHEALTHY = "became unhealthy"
    REPLACED = "replaced"
    DELETED = "deleted"
    TOO_LATE = "too late"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """An outcome, with the reason in a sentence, and what is to be done now."""

    outcome: Outcome
    text: Text
    diagnosis: Diagnosis | None = None
    """The diagnosis that an outcome of CERTAIN or WRONG rests on."""
    go_on: PauseHook | None = None
    """The hook at which ECS is to go on."""
    stop: bool = False
    """Whether ECS is to roll back."""

    @property
    def final(self) -> bool:
        return self.outcome is not Outcome.GOING


@dataclass(frozen=True)
class End:
    """How a roll-out ended, with the last read."""

    verdict: Verdict
    view: Rollout


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Limits of time, in seconds of AWS's clock.

    `settle`: how long ECS may show the state before the update (it is eventually consistent).
    `notice`: how long the load balancer takes to call a target unhealthy after a change.
    """

    limit: float
    settle: float
    notice: float = 0.0

    @classmethod
    def of(cls, pace: Pace, minutes: float, notice: float) -> Patience:
        """Return the limits for a roll-out of ``minutes``; ``notice`` is in seconds, both of AWS's clock."""
        settle = SETTLE_READS * pace.poll * pace.speed
        return cls(limit=60 * minutes, settle=settle, notice=notice)

    @property
    def recovery(self) -> float:
        """Return how long tasks may take to recover once the deployment has completed."""
        return self.limit / 3

    def notified_at(self, changed: float | None, begun: float, speed: float) -> float | None:
        """Return how many seconds after `begun` the load balancer has noticed a change; None without one."""
        return None if changed is None else (changed - begun) * speed + self.notice


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is known of a roll-out before the first look."""

    expected: Expected
    patience: Patience
    since: datetime | None = None
    """When the update began: of a deployment since then every task and event is new. None where that is not known."""
    page_worked: bool = False
    """Whether the page answered right before the update changed the service."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What earlier looks have shown."""

    appeared: bool = False
    """Whether the revision has had a deployment."""
    ran: bool = False
    """Whether it has run."""
    ended: float | None = None
    """Since when looks in a row have shown a completed deployment."""
    outcome: Outcome = Outcome.GOING
    reads: int = 0
    """How many looks in a row have shown `outcome`."""
    older: frozenset[str] | None = None
    """The tasks that were there at the first look; None before it."""
    certain: frozenset[str] = frozenset()
    """The causes that are certain, in the diagnosis before."""
    passed: bool = False
    """Whether the page of the healthy tasks has answered."""
    failing: float | None = None
    """This machine's clock at the first of the looks that in a row have found the page failing."""
    answered: frozenset[str] = frozenset()
    """The hooks that were answered: ECS may show one for a moment longer."""


def judge_ecs(seen: Seen, history: History, terms: Terms) -> tuple[Verdict, History]:
    """Judge what ECS and the load balancer say.

    `noticed`: this update has changed something between the load balancer and the tasks, and
    healthy targets count only after this many seconds.
    """
    view, expected, patience = seen.view, terms.expected, terms.patience
    appeared = history.appeared or view.deployment is not None
    found = judge_view(view, expected, sure=appeared or seen.at >= patience.settle)
    verdict = found
    if seen.noticed is not None:
        verdict = _after_a_change(found, view, history, seen.at < seen.noticed)
    history = replace(
        history,
        appeared=appeared,
        ran=history.ran or found.outcome is Outcome.RUNS,
        ended=_since(history.ended, seen.at) if _has_ended(view) else None,
        outcome=verdict.outcome,
        reads=history.reads + 1 if verdict.outcome is history.outcome else 1,
    )
    if not verdict.final:
        return _in_time(verdict, expected, history, seen.at, patience), history
    if history.reads < READS_UNTIL_SURE:
        # Even past the limit: one more read costs less than a wrong answer.
        verdict = going(t("reading once more to be sure: {what}", what=verdict.text))
    return verdict, history


def judge_view(view: Rollout, expected: Expected, *, sure: bool) -> Verdict:
    """Judge one read. Until `sure`, ECS may not show the service or the deployment yet."""
    if view.service is None:
        return _deleted(expected) if sure else going(t("ECS does not show the service yet"))
    mine, primary = view.deployment, view.primary
    if mine is not None and mine.rollout == "FAILED":
        return _failed(view, mine)
    if mine is not None and mine.primary:
        missing = _missing_part(view, mine)
        if missing is None and view.rolled_back:
            return _rolled_back_to_itself(view)
        if missing is None:
            return Verdict(outcome=Outcome.RUNS, text=_runs(view))
        return going(missing)
    if primary is None or not sure:
        return going(t("ECS does not show the new deployment yet"))
    return _replaced(expected, primary)


def going(why: Text) -> Verdict:
    return Verdict(outcome=Outcome.GOING, text=why)


def _missing_part(view: Rollout, mine: Deployment) -> Text | None:
    """Return what keeps the primary deployment of the revision from being complete; None when nothing does."""
    running = view.running_tasks
    if mine.running < view.desired or len(running) < view.desired:
        ready = min(mine.running, len(running))
        return t("{ready} of {desired} tasks run", ready=ready, desired=view.desired)
    healthy = view.serving
    if healthy < view.desired and view.process:
        return t(
            "{ready} of {desired} tasks have run for {seconds} seconds without a failure",
            ready=healthy,
            desired=view.desired,
            seconds=STABLE_SECONDS,
        )
    if healthy < view.desired:
        return t(
            "{ready} of {desired} tasks are healthy in the target group",
            ready=healthy,
            desired=view.desired,
        )
    if traffic := view.traffic:
        return shifted(traffic, view.revision)
    if view.bakes:
        return t("all tasks serve; ECS watches the deployment before it calls it completed")
    if mine.rollout != "COMPLETED" or mine.pending or view.running > view.desired:
        return t("ECS has not called the deployment completed yet")
    return None


def shifted(traffic: Traffic, revision: str) -> Text:
    """Return how far a deployment has shifted the requests."""
    if traffic.hook:
        return t(
            "{revision} gets no requests of users yet: ECS waits for an answer until {time}, and then rolls back",
            revision=revision,
            time=short_time(traffic.hook.expires) if traffic.hook.expires else "-",
        )
    if traffic.stage == "BAKE_TIME":
        return t(
            "{revision} gets all requests; ECS keeps the old tasks for the bake time",
            revision=revision,
        )
    if traffic.stage == "CLEAN_UP":
        return t("{revision} gets all requests; ECS stops the old tasks", revision=revision)
    return t(
        "{revision} gets {percent} % of the requests",
        revision=revision,
        percent=f"{traffic.percent:g}",
    )


def _deleted(expected: Expected) -> Verdict:
    text = t(
        "service {service} does not exist any more; it was deleted outside of this stack",
        service=expected.names.service,
    )
    return Verdict(outcome=Outcome.DELETED, text=text)


def _failed(view: Rollout, mine: Deployment) -> Verdict:
    if view.primary is not None and view.rolled_back:
        text = t(
            "ECS gave {revision} up and went back to {other}: {reason}",
            revision=view.revision,
            other=view.primary.revision,
            reason=mine.reason or view.primary.reason,
        )
        return Verdict(outcome=Outcome.ROLLED_BACK, text=text)
    text = t("ECS gave {revision} up: {reason}", revision=view.revision, reason=mine.reason)
    return Verdict(outcome=Outcome.GAVE_UP, text=text)


def _rolled_back_to_itself(view: Rollout) -> Verdict:
    text = t(
        "{revision} runs, but ECS rolled the other changes of the service back: {reason}",
        revision=view.revision,
        reason=view.rollback_reason,
    )
    return Verdict(outcome=Outcome.ROLLED_BACK, text=text)


def _replaced(expected: Expected, primary: Deployment) -> Verdict:
    """Judge a service whose PRIMARY deployment is of another revision: an older one means a rollback."""
    other = primary.revision
    if _is_newer(primary.definition, expected.definition):
        text = t(
            "{other} has replaced {revision}: another update deploys to this service",
            other=other,
            revision=expected.revision,
        )
        return Verdict(outcome=Outcome.REPLACED, text=text)
    text = t(
        "ECS runs {other} and not {revision}, which was rolled back: {reason}",
        other=other,
        revision=expected.revision,
        reason=primary.reason,
    )
    return Verdict(outcome=Outcome.ROLLED_BACK, text=text)


def _is_newer(one: str, other: str) -> bool:
    (family, _, number), (same, _, bound) = one.rpartition(":"), other.rpartition(":")
    return family == same and int(number) > int(bound)


def _runs(view: Rollout) -> Text:
    if view.desired == 0:
        return t(
            "{revision} is deployed; the desired count is 0, so there is nothing to wait for",
            revision=view.revision,
        )
    if view.process:
        return t(
            "{revision} runs: {desired} of {desired} tasks, for {seconds} seconds at least",
            revision=view.revision,
            desired=view.desired,
            seconds=STABLE_SECONDS,
        )
    return t(
        "{revision} runs: {desired} of {desired} tasks, all healthy in the target group",
        revision=view.revision,
        desired=view.desired,
    )


def _since(before: float | None, elapsed: float) -> float:
    return elapsed if before is None else before


def _has_ended(view: Rollout) -> bool:
    """Return whether the deployment has completed: from then on ECS replaces tasks and never gives up."""
    mine = view.deployment
    return mine is not None and mine.primary and mine.rollout == "COMPLETED"


def _after_a_change(found: Verdict, view: Rollout, history: History, early: bool) -> Verdict:
    """Judge a read after a change between the load balancer and tasks that ran before it."""
    if found.outcome is Outcome.RUNS and early:
        return going(t("{what}; the load balancer checks what was changed", what=found.text))
    unhealthy = any(each.state == "unhealthy" for each in view.targets)
    if found.final or not history.ran or not unhealthy:
        return found
    text = t(
        "{revision} ran until this update changed the path to its tasks: {why}",
        revision=view.revision,
        why=found.text,
    )
    return Verdict(outcome=Outcome.BECAME_UNHEALTHY, text=text)


def _in_time(
    verdict: Verdict, expected: Expected, history: History, elapsed: float, patience: Patience
) -> Verdict:
    """Return the verdict, or that a limit has passed."""
    if history.ended is not None and elapsed - history.ended >= patience.recovery:
        text = t(
            "{revision} was rolled out, but does not recover within {minutes} minutes: {why}",
            **_lasting(verdict, expected, patience.recovery),
        )
        return Verdict(outcome=Outcome.BECAME_UNHEALTHY, text=text)
    if elapsed < patience.limit:
        return verdict
    text = t(
        "{revision} does not run after {minutes} minutes: {why}",
        **_lasting(verdict, expected, patience.limit),
    )
    return Verdict(outcome=Outcome.TOO_LATE, text=text)


def _lasting(verdict: Verdict, expected: Expected, seconds: float) -> dict[str, str | Text]:
    return {
        "revision": expected.revision,
        "minutes": f"{seconds / 60:.3g}",
        "why": verdict.text,
    }
