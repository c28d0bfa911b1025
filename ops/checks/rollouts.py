"""The service as a whole: scaled to nothing, rolled back, still at it, or short of tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ops.checks.case import Case
from ops.findings import Finding, Fix
from ops.texts import Text, t

ENDED = re.compile(r"deployment failed|rolling back to deployment")


def scaled_down(case: Case) -> Iterator[Finding]:
    """A service that is to run nothing runs nothing."""
    service = case.service
    if service is None or service.desired > 0 or service.status != "ACTIVE":
        return
    declared, names = case.now.declared.get("desiredCount"), case.now.names
    count = declared if declared not in ("", "0") else "1"
    command = (
        f"aws ecs update-service --cluster {names.cluster} --service {names.service} "
        f"--desired-count {count}"
    )
    fix = (
        case.set("desiredCount", "1", t("Ask for a task:"))
        if declared == "0"
        else Fix(t("Ask for {count} again:", count=count), (command,))
    )
    yield Finding(
        id="scaled-to-zero",
        kind="cause",
        rank=12,
        title=t("The service is set to run no task"),
        why=t("With a desired count of 0 nothing answers behind the load balancer: it says 503."),
        seen=(
            t(
                "Desired count 0, running {running}; the stack file says desiredCount {declared}.",
                running=service.running,
                declared=declared or "-",
            ),
        ),
        fixes=(fix,),
    )


def draining(case: Case) -> Iterator[Finding]:
    """A service that is being deleted."""
    service = case.service
    if service is not None and service.status != "ACTIVE":
        yield Finding(
            id="service-going",
            kind="cause",
            rank=11,
            title=t("The service is {status}", status=service.status),
            why=t("ECS is deleting it: it stops its tasks and starts none."),
            seen=(t("{running} tasks still run.", running=service.running),),
            fixes=(
                Fix(
                    t("When it is gone, make it anew:"),
                    (f"pulumi up --refresh -s {case.now.names.stack}",),
                ),
            ),
        )


def rolled_back(case: Case) -> Iterator[Finding]:
    """Another revision than the wanted one runs, or none."""
    service, main = case.service, case.main
    if service is None or main is None or case.steady:
        return
    failed = [each.reason for each in service.deployments if each.rollout == "FAILED"]
    if not case.replaced and not failed:
        return
    title, seen = _gone_back(case, main.revision)
    ends = [each.message for each in service.events if ENDED.search(each.message)]
    yield Finding(
        id="rolled-back" if case.replaced else "roll-out-failed",
        kind="cause",
        rank=80,
        title=title,
        why=t(
            "The circuit breaker ends a roll-out after a few failed tasks "
            "(three for up to six wanted ones)."
        ),
        seen=(seen,),
        fixes=(Fix(t("Mend what made the tasks fail, then:")), *case.tried_again()),
        evidence=(*dict.fromkeys(each for each in failed if each), *ends[:2]),
    )


def _gone_back(case: Case, wanted: str) -> tuple[Text, Text]:
    if case.primary is None or not case.replaced:
        return (
            t("The roll-out of {wanted} failed", wanted=wanted),
            t("There is no earlier version to go back to; ECS starts no more tasks."),
        )
    running = case.primary.definition.rpartition("/")[2]
    return (
        t("ECS runs {running}, and not {wanted}", running=running, wanted=wanted),
        t(
            "{wanted} is the newest version, {running} is what ECS went back to.",
            wanted=wanted,
            running=running,
        ),
    )


def going_on(case: Case) -> Iterator[Finding]:
    """A roll-out that has not ended yet."""
    primary = case.primary
    if primary is None or primary.rollout != "IN_PROGRESS" or case.replaced:
        return
    yield Finding(
        id="roll-out-going-on",
        kind="warning" if primary.failed else "note",
        rank=82,
        title=t("A roll-out is under way"),
        why=t("ECS starts new tasks, waits until they are healthy, and stops the old ones then."),
        seen=(
            t(
                "{running} of {desired} run, {pending} start, {failed} failed in a row.",
                running=primary.running,
                desired=primary.desired,
                pending=primary.pending,
                failed=primary.failed,
            ),
        ),
        fixes=(Fix(t("Watch it:"), (f"./careapp status --watch -s {case.now.names.stack}",)),),
    )


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
        rank=75,
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


def ill(case: Case) -> Iterator[Finding]:
    """Targets that get no requests, or get them only because all are ill."""
    bad = [each for each in case.targets if each.state == "unhealthy"]
    if not bad or case.steady:
        return
    yield Finding(
        id="targets-unhealthy",
        kind="consequence",
        rank=90,
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
    if service is None or case.steady or case.replaced or service.desired == 0:
        return
    if service.status != "ACTIVE":
        return
    if case.primary and case.primary.rollout == "IN_PROGRESS" and not case.failed and not case.sick:
        return
    words = tuple(dict.fromkeys(each.reason for each in case.failed[:4]))
    yield Finding(
        id="too-few-tasks",
        kind="cause",
        rank=95,
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
