"""Judges what ECS and Elastic Load Balancing say of a roll-out: the outcome of each look, and the limits of time."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from ecs_gate.aws.pace import Pace
from ecs_gate.diagnosis.findings import Diagnosis
from ecs_gate.parts.records import Deployment, PauseHook, Traffic
from ecs_gate.parts.rollout import STABLE_SECONDS, Rollout
from ecs_gate.rollout.look import Look
from ecs_gate.screen import short_time
from ecs_gate.text import Text, t

READS_UNTIL_SURE = 2
"""Reads in a row that must agree: ECS is eventually consistent, and may show an older state for a moment."""

SETTLE_READS = 5
"""Reads in which ECS may not show an update yet."""

NO_REASON = re.compile(r"ECS deployment \S+ (in progress|completed)\.")
"""ECS's words for a deployment that is no rollback: one of another setting, with the revision that ran, is none."""


class Outcome(Enum):
    """The state of a roll-out."""

    GOING = "going"
    RUNS = "runs"
    GAVE_UP = "gave up"
    ROLLED_BACK = "rolled back"
    CERTAIN = "certain to fail"
    WRONG = "healthy and wrong"
    OUTSIDE = "healthy, and the cause lies outside"
    BECAME_UNHEALTHY = "became unhealthy"
    REPLACED = "replaced"
    DELETED = "deleted"
    TOO_LATE = "too late"


@dataclass(frozen=True)
class Verdict:
    """An outcome, with the reason in a sentence, and what is to be done now."""

    outcome: Outcome
    text: Text
    diagnosis: Diagnosis | None = None
    """The diagnosis that an outcome of CERTAIN, WRONG or OUTSIDE rests on; at the end, the one whose cause is told."""
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


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is known of a roll-out before the first look."""

    patience: Patience
    since: datetime | None = None
    """When the update began: of a deployment since then every task and event is new. None where that is not known."""


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
    moved: float = 0.0
    """When something has moved last, or the doctor was asked why nothing does."""
    state: object = None
    """What ECS and the load balancer have shown last."""
    passed: bool = False
    """Whether the page has answered, right before the update or since."""
    page_at: float | None = None
    """When the page was requested last."""
    failing: float | None = None
    """This machine's clock at the first of the looks that in a row have found the page failing."""
    served: frozenset[str] = frozenset()
    """The deployment's tasks that the load balancer has called healthy."""
    fallen: frozenset[str] = frozenset()
    """Those of them that had failed at the last look."""
    falls: int = 0
    """How many looks have shown that."""
    answered: frozenset[str] = frozenset()
    """The hooks that were answered: ECS may show one for a moment longer."""


def judge_ecs(seen: Look, history: History, terms: Terms) -> tuple[Verdict, History]:
    """Judge what ECS and the load balancer say. After a change healthy targets count once the latter has noticed it."""
    view, patience = seen.view, terms.patience
    appeared = history.appeared or view.deployment is not None
    first = verdict = judge_view(view, sure=appeared or seen.at >= patience.settle)
    mine = view.deployment
    # From then on ECS replaces tasks and never gives up.
    done = mine is not None and mine.primary and mine.rollout == "COMPLETED"
    if seen.noticed is not None:
        verdict = _after_a_change(first, view, history, seen.at < seen.noticed)
    history = replace(
        history,
        appeared=appeared,
        ran=history.ran or first.outcome is Outcome.RUNS,
        ended=(seen.at if history.ended is None else history.ended) if done else None,
        outcome=verdict.outcome,
        reads=history.reads + 1 if verdict.outcome is history.outcome else 1,
    )
    if not verdict.final:
        return _in_time(verdict, view, history, seen.at, patience), history
    if history.reads < READS_UNTIL_SURE:
        # Even past the limit: one more read costs less than a wrong answer.
        verdict = going(t("reading once more to be sure: {what}", what=verdict.text))
    return verdict, history


def judge_view(view: Rollout, *, sure: bool) -> Verdict:
    """Judge one read. Until `sure`, ECS may not show the service or the deployment yet."""
    mine, primary = view.deployment, view.primary
    if view.service is None and not sure:
        return going(t("ECS does not show the service yet"))
    if view.service is None:
        text = t(
            "service {service} does not exist any more; it was deleted outside of the program",
            service=view.name,
        )
        return Verdict(Outcome.DELETED, text)
    if mine is not None and mine.rollout == "FAILED":
        return _given_up(view, mine.reason)
    if mine is not None and mine.primary:
        if missing := _missing_part(view, mine):
            return going(missing)
        return _given_up(view, "") if view.rolled_back else Verdict(Outcome.RUNS, _runs(view))
    if primary is None or not sure:
        return going(t("ECS does not show the new deployment yet"))
    if not _is_newer(primary.definition, view.expected):
        return _given_up(view, "")
    text = t(
        "{other} has replaced {revision}: another update deploys to this service",
        other=primary.revision,
        revision=view.revision,
    )
    return Verdict(Outcome.REPLACED, text)


def going(why: Text) -> Verdict:
    return Verdict(Outcome.GOING, why)


def _given_up(view: Rollout, reason: str) -> Verdict:
    """Judge a revision that ECS has given up. An alarm is judged by the version whose targets it measures."""
    revision, primary = view.revision, view.primary
    if primary is None or not view.rolled_back:
        text = t("ECS gave {revision} up: {reason}", revision=revision, reason=reason)
        return Verdict(Outcome.GAVE_UP, text)
    values = {"revision": revision, "other": primary.revision, "reason": reason or primary.reason}
    if view.alarmed.blameless:
        text = t(
            "ECS rolled {revision} back because of the alarm {names}. It measures the targets of the version before, "
            "not those of {revision}: this release was not at fault",
            revision=revision,
            names=", ".join(view.alarmed.names),
        )
    elif primary.definition == view.expected:
        text = t(
            "{revision} runs, but ECS rolled the other changes of the service back: {reason}",
            revision=revision,
            reason=view.rollback_reason,
        )
    elif reason:
        text = t("ECS gave {revision} up and went back to {other}: {reason}", **values)
    elif NO_REASON.fullmatch(primary.reason):
        text = t("ECS runs {other} and not {revision}, which the program declares", **values)
    else:
        text = t("ECS runs {other} and not {revision}, which was rolled back: {reason}", **values)
    return Verdict(Outcome.ROLLED_BACK, text)


def _missing_part(view: Rollout, mine: Deployment) -> Text | None:
    """Return what keeps the primary deployment of the revision from being complete; None when nothing does."""
    running = view.running_tasks
    if mine.running < view.desired or len(running) < view.desired:
        ready = min(mine.running, len(running))
        return t("{ready} of {desired} tasks run", ready=ready, desired=view.desired)
    if (healthy := view.serving) < view.desired:
        values = {"ready": healthy, "desired": view.desired, "seconds": STABLE_SECONDS}
        if view.process:
            return t(
                "{ready} of {desired} tasks have run for {seconds} seconds without a failure",
                **values,
            )
        return t("{ready} of {desired} tasks are healthy in the target group", **values)
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


def _is_newer(one: str, other: str) -> bool:
    (family, _, number), (same, _, bound) = one.rpartition(":"), other.rpartition(":")
    return family == same and int(number) > int(bound)


def _runs(view: Rollout) -> Text:
    values: dict[str, str | float] = {"revision": view.revision, "desired": view.desired}
    values["seconds"] = STABLE_SECONDS
    if view.desired == 0:
        return t(
            "{revision} is deployed; the desired count is 0, so there is nothing to wait for",
            **values,
        )
    if view.process:
        return t(
            "{revision} runs: {desired} of {desired} tasks, for {seconds} seconds at least",
            **values,
        )
    return t(
        "{revision} runs: {desired} of {desired} tasks, all healthy in the target group", **values
    )


def _after_a_change(verdict: Verdict, view: Rollout, history: History, early: bool) -> Verdict:
    """Judge a read after a change between the load balancer and tasks that ran before it."""
    if verdict.outcome is Outcome.RUNS and early:
        return going(t("{what}; the load balancer checks what was changed", what=verdict.text))
    unhealthy = any(target.state == "unhealthy" for target in view.targets)
    if verdict.final or not history.ran or not unhealthy:
        return verdict
    text = t(
        "{revision} ran until this update changed the path to its tasks: {why}",
        revision=view.revision,
        why=verdict.text,
    )
    return Verdict(Outcome.BECAME_UNHEALTHY, text)


def _in_time(
    verdict: Verdict, view: Rollout, history: History, at: float, limit: Patience
) -> Verdict:
    """Return the verdict, or that a limit has passed."""
    recovery = limit.limit / 3  # of tasks that fail once the deployment has completed
    late = history.ended is not None and at - history.ended >= recovery
    if not late and at < limit.limit:
        return verdict
    seconds = recovery if late else limit.limit
    values: dict[str, str | Text] = {
        "revision": view.revision,
        "minutes": f"{seconds / 60:.3g}",
        "why": verdict.text,
    }
    if late:
        text = t(
            "{revision} was rolled out, but does not recover within {minutes} min: {why}", **values
        )
        return Verdict(Outcome.BECAME_UNHEALTHY, text)
    text = t("{revision} does not run after {minutes} min: {why}", **values)
    return Verdict(Outcome.TOO_LATE, text)
