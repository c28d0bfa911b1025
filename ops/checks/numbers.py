"""Tasks that die, targets that are ill, and fewer of both than wanted."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import t
from ops.checks.case import Case
from ops.findings import Finding, Fix
from ops.snapshot.records import SPOT_INTERRUPTION


def deaths(case: Case) -> Iterator[Finding]:
    """Tasks that died in a deployment that stands: it works, and still something is wrong."""
    if not case.steady or not case.failed:
        return
    primary = case.primary
    after = [
        each for each in case.failed if primary and each.stopped and each.stopped > primary.updated
    ]
    if not after:
        return
    yield Finding(
        id="tasks-die",
        kind="cause" if len(after) > 1 else "warning",
        title=t("{count} tasks died within the last hour, and were replaced", count=len(after)),
        why=t("The page was up meanwhile if other tasks ran; whatever ended them may come again."),
        seen=tuple(
            t(
                "Task {task}: {reason}",
                task=each.short,
                reason=next((c.reason for c in each.containers if c.reason), each.reason),
            )
            for each in after[:3]
        ),
        fixes=(
            Fix(
                t("See its last lines:"),
                (f"./careapp logs --previous -s {case.now.names.stack}",),
            ),
        ),
    )


def interrupted(case: Case) -> Iterator[Finding]:
    """Tasks whose Spot capacity AWS has taken back: nothing is wrong with them."""
    taken = [each for each in case.mine if each.over and each.stop_code == SPOT_INTERRUPTION]
    if not taken:
        return
    yield Finding(
        id="spot-interrupted",
        kind="warning",
        title=t("Fargate Spot has taken {count} tasks back within the last hour", count=len(taken)),
        why=t(
            "AWS takes Spot capacity back when it needs it, with two minutes' notice; ECS starts "
            "another task as soon as there is room. That is why Spot is cheap."
        ),
        seen=tuple(
            t("Task {task}: {reason}", task=each.short, reason=each.reason) for each in taken[:3]
        ),
        fixes=(case.set("fargateSpot", "false", t("If it comes too often, run them on demand:")),),
    )


def ill(case: Case) -> Iterator[Finding]:
    """Targets that get no requests, or get them only because all are ill."""
    bad = [each for each in case.targets if each.state == "unhealthy"]
    if not bad or not case.unsteady:
        return
    yield Finding(
        id="targets-unhealthy",
        kind="consequence",
        title=t("{count} of {all} targets are unhealthy", count=len(bad), all=len(case.targets)),
        why=t("The load balancer sends requests to them only while no target is healthy."),
        evidence=tuple(
            f"{each.address}:{each.port} {each.state}: {each.description or each.reason}"
            for each in bad[:4]
        ),
    )


def short(case: Case) -> Iterator[Finding]:
    """Fewer tasks than wanted, where nothing else says why."""
    service = case.service
    if service is None or not case.unsteady or case.replaced or service.desired == 0:
        return
    if service.status != "ACTIVE":
        return
    if case.primary and case.primary.rollout == "IN_PROGRESS" and not case.failed and not case.sick:
        return
    words = tuple(dict.fromkeys(each.reason for each in case.failed[:4]))
    yield Finding(
        id="too-few-tasks",
        title=t(
            "{healthy} healthy tasks where {desired} are wanted",
            healthy=sum(each.state == "healthy" for each in case.targets),
            desired=service.desired,
        ),
        why=t("ECS has said no more about it so far."),
        seen=(
            t(
                "Running {running}, starting {pending}.",
                running=service.running,
                pending=service.pending,
            ),
        ),
        fixes=(
            Fix(
                t("See what happened, in order:"), (f"./careapp events -s {case.now.names.stack}",)
            ),
        ),
        evidence=words or tuple(each.message for each in service.events[:4]),
    )
