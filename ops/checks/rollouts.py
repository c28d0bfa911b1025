"""The service as a whole: scaled to nothing, rolled back, still at it, or short of capacity."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ops.checks.case import Case
from ops.findings import Finding, Fix
from ops.texts import Text, t

UNABLE = re.compile(
    r"unable to (place a task|consistently start|stop or start)|being throttled|Capacity is unavailable"
)
QUOTA = re.compile(
    r"reached the limit on the number of (tasks|vCPUs)|vCPU limit|RESOURCE:ENI", re.I
)
ENDED = re.compile(r"deployment failed|rolling back to deployment")
UNITS = 1024
"""CPU units of one vCPU."""


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
    """Another revision than the wanted one runs."""
    service, primary, main = case.service, case.primary, case.main
    if service is None or primary is None or main is None:
        return
    failed = [each for each in service.deployments if each.rollout == "FAILED"]
    if not case.replaced and not failed:
        return
    running = primary.definition.rpartition("/")[2]
    if case.replaced:
        title = t(
            "ECS runs {running}, and not {wanted}", running=running, wanted=main.revision
        )
        seen = t(
            "{wanted} is the newest version, {running} is what ECS went back to.",
            wanted=main.revision,
            running=running,
        )
    else:
        title = t("The roll-out of {wanted} failed", wanted=main.revision)
        seen = t("There is no earlier version to go back to; ECS starts no more tasks.")
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
        fixes=(
            Fix(t("Mend what made the tasks fail, then:")),
            *case.tried_again(),
        ),
        evidence=(
            *dict.fromkeys(each.reason for each in failed if each.reason),
            *[each.message for each in service.events if ENDED.search(each.message)][:2],
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


def capacity(case: Case) -> Iterator[Finding]:
    """ECS says that it cannot place or start tasks."""
    if case.service is None or case.steady:
        return
    since = min((each.created for each in case.mine if each.created), default=None)
    recent = [e.message for e in case.service.events if since is None or e.at >= since]
    recent += [each.reason for each in case.failed]
    limits = [each for each in recent if QUOTA.search(each)]
    unable = [each for each in recent if UNABLE.search(each) and each not in limits]
    if limits:
        yield Finding(
            id="fargate-quota",
            kind="cause",
            rank=15,
            title=t("The account may not run more on Fargate"),
            why=t("AWS limits the vCPUs (and network interfaces) that run at once in a region."),
            seen=_limit(case),
            fixes=(
                Fix(
                    t("Ask for more, or stop something else:"),
                    (
                        "aws service-quotas request-service-quota-increase --service-code fargate "
                        "--quota-code L-3032A538 --desired-value 16",
                    ),
                ),
            ),
            evidence=tuple(limits[:3]),
        )
    elif unable:
        yield Finding(
            id="cannot-place-tasks",
            kind="consequence" if case.failed else "cause",
            rank=72,
            title=t("ECS cannot start tasks as it wants to"),
            why=t("It tries again by itself, more and more slowly."),
            fixes=case.tried_again(),
            evidence=tuple(unable[:3]),
        )


def _limit(case: Case) -> tuple[Text, ...]:
    quota = case.now.quota.value
    return (t("Fargate's quota is {limit} vCPU.", limit=quota.limit),) if quota else ()


def room(case: Case) -> Iterator[Finding]:
    """Whether a roll-out, which doubles the tasks for a while, fits into Fargate's quota."""
    quota, main = case.now.quota.value, case.main
    cpu = main.cpu if main else _number(case, "taskCpu")
    count = case.service.desired if case.service else _number(case, "desiredCount")
    if quota is None or not cpu:
        return
    needed = cpu / UNITS * max(count, 1) * 2
    if needed > quota.limit:
        yield Finding(
            id="fargate-quota-small",
            kind="cause" if cpu / UNITS * max(count, 1) > quota.limit else "warning",
            rank=16,
            title=t("Fargate's quota is too small for a roll-out"),
            why=t("A roll-out starts the new tasks beside the old ones."),
            seen=(
                t(
                    "{needed} vCPU are needed for a while, {limit} are allowed in {region}.",
                    needed=f"{needed:g}",
                    limit=f"{quota.limit:g}",
                    region=case.now.region,
                ),
            ),
            fixes=(
                Fix(
                    t("Ask for more, or stop something else:"),
                    (
                        "aws service-quotas request-service-quota-increase --service-code fargate "
                        f"--quota-code L-3032A538 --desired-value {int(needed) + 1}",
                    ),
                ),
            ),
        )


def _number(case: Case, key: str) -> int:
    value = case.now.declared.get(key)
    return int(value) if value.isdigit() else 0


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
