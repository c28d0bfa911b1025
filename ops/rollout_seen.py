"""What one look at a roll-out shows: it goes on, the wanted revision runs, or it has failed and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from i18n import Text, t
from ops.rollout_view import View, Wanted
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
