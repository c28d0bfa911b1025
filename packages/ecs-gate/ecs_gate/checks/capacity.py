"""Check Fargate's capacity: the account's quota, task placement, failed and missing tasks."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import FAILED, OUTCOME, REASONS, START, TASKS_NODE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.facts.fargate import CPU_UNITS, MEMORY_BY_CPU
from ecs_gate.parts.cloudwatch import ON_DEMAND_VCPUS, Quota
from ecs_gate.text import Text, t

FARGATE_QUOTA = Facts("fargate-quota", 15, {TASKS_NODE})
# Only another roll-out would meet these.
FARGATE_QUOTA_SMALL = Facts("fargate-quota-small", 16, {TASKS_NODE}, blocks=False)
CANNOT_PLACE_TASKS = Facts("cannot-place-tasks", 72, {TASKS_NODE}, {START}, repeats=True)
# Targets that are healthy now show that the roll-out got over those that do not block.
TASKS_DIE = Facts(
    "tasks-die", 75, {TASKS_NODE}, REASONS, subject=OUTCOME, blocks=False, result=True
)
TOO_FEW_TASKS = Facts(
    "too-few-tasks",
    95,
    {TASKS_NODE},
    FAILED | {"roll-out-failed", "rolled-back"},
    subject=OUTCOME,
    repeats=True,
    blocks=False,
    result=True,
)

UNABLE = re.compile(
    r"unable to (place a task|consistently start|stop or start)|being throttled|Capacity is unavailable"
)

QUOTA = re.compile(
    r"reached the limit on the number of (tasks|vCPUs)|vCPU limit|RESOURCE:ENI", re.I
)

MAXIMUM_PERCENT = 200
"""ECS's default of `maximumPercent` (API reference, DeploymentConfiguration)."""

LEAST_VCPUS = 16
"""vCPUs to ask for where the quota is small or not known."""


def cannot_place(case: Case) -> Iterator[Finding]:
    if case.service is None or not case.unsteady:
        return
    recent = [event.message for event in case.events]
    recent += [task.reason for task in case.failed_tasks]
    limits = [message for message in recent if QUOTA.search(message)]
    unable = [message for message in recent if UNABLE.search(message) and message not in limits]
    if limits:
        yield _over_quota(case, limits)
    elif unable:
        yield Finding(
            CANNOT_PLACE_TASKS,
            kind="consequence" if case.failed_tasks else "cause",
            title=t("ECS cannot place or start tasks"),
            why=t("ECS tries again automatically, at growing intervals."),
            fixes=case.then_retry(),
            evidence=tuple(unable[:3]),
        )


def _over_quota(case: Case, limits: list[str]) -> Finding:
    quota = case.now.quota.value
    limit = quota.limit if quota else 0
    return Finding(
        FARGATE_QUOTA,
        title=t("The account has reached its Fargate quota"),
        why=t("AWS limits the vCPUs (and network interfaces) that run at once in a region."),
        seen=(t("Fargate's quota is {limit} vCPU.", limit=f"{limit:g}"),) if quota else (),
        fixes=(_more(quota.code if quota else ON_DEMAND_VCPUS, max(limit * 2, LEAST_VCPUS)),),
        evidence=tuple(limits[:3]),
    )


def quota(case: Case) -> Iterator[Finding]:
    """Check that a roll-out fits into Fargate's quota, with the other tasks of the account.

    For a while ECS runs up to ``maximumPercent`` of the desired tasks, rounded down (ECS developer guide,
    "Amazon ECS deployment configuration"); the service's own tasks are those that it replaces. With
    scaling there can be more of them. The owner's other services are counted, too; those that run already
    are among the account's other tasks already, so that the half is left that ECS starts beside them.
    """
    quota, definition = case.now.quota.value, case.definition
    cpu = (definition.cpu if definition else case.target.plan.cpu) / CPU_UNITS
    count = max(case.service.desired if case.service else case.target.plan.tasks or 0, 1)
    if quota is None or not cpu:
        return
    percent = case.service.maximum if case.service else MAXIMUM_PERCENT
    most = max(count, case.target.plan.most_tasks)
    others = case.target.plan.other_vcpus / (2 if case.service else 1)
    needed = quota.elsewhere + others + cpu * max(most * percent // 100, most)
    if needed > quota.limit:
        yield Finding(
            FARGATE_QUOTA_SMALL,
            kind="cause" if quota.elsewhere + cpu * count > quota.limit else "warning",
            title=t("Fargate's quota is too small for a roll-out"),
            why=t("A roll-out starts the new tasks before it stops the old ones."),
            seen=_sum(case, quota, needed, most),
            fixes=(_more(quota.code, needed),),
        )


def _sum(case: Case, quota: Quota, needed: float, tasks: int) -> tuple[Text, ...]:
    seen = t(
        "Up to {needed} vCPU are needed during a roll-out of {tasks}; {limit} are allowed in {region}.",
        needed=f"{needed:g}",
        tasks=tasks,
        limit=f"{quota.limit:g}",
        region=case.now.region,
    )
    if not quota.elsewhere:
        return (seen,)
    taken = t("Other tasks of the account have {taken} of them.", taken=f"{quota.elsewhere:g}")
    return (seen, taken)


def _more(code: str, wanted: float) -> Fix:
    return Fix(
        t("Request an increase, or stop other tasks:"),
        (
            "aws service-quotas request-service-quota-increase --service-code fargate "
            f"--quota-code {code} --desired-value {math.ceil(wanted)}",
        ),
    )


def tasks_died(case: Case) -> Iterator[Finding]:
    """Find tasks that failed after the deployment completed: it is a cause, though others serve now."""
    if not case.steady or not case.failed_tasks:
        return
    primary = case.primary
    after = [
        task
        for task in case.failed_tasks
        if primary and task.ended and task.ended > primary.updated
    ]
    if not after:
        return
    yield Finding(
        TASKS_DIE,
        title=t(
            "{count} task failed within the last hour and was replaced",
            "{count} tasks failed within the last hour and were replaced",
            count=len(after),
        ),
        why=t("ECS starts another one each time. The cause may occur again.")
        if case.process
        else t("The page stayed available if other tasks ran. The cause may occur again."),
        seen=tuple(
            t(
                "Task {task}: {reason}",
                task=task.short,
                reason=next((c.reason for c in task.containers if c.reason), task.reason),
            )
            for task in after[:3]
        ),
        fixes=(Fix(t("Read the last lines of its log:"), case.remedies.logs("--previous")),),
    )


def too_few_tasks(case: Case) -> Iterator[Finding]:
    """Find fewer tasks than the desired count; only shown where no other finding explains it."""
    service, primary = case.service, case.primary
    if service is None or not case.unsteady or case.rolled_back or service.desired == 0:
        return
    going = case.unfinished or (primary is not None and primary.rollout == "IN_PROGRESS")
    if going and not case.failed_tasks and not case.failed_checks:
        return
    if case.not_deployed or service.status != "ACTIVE":
        return
    ended = [task for task in case.deployment_tasks if task.over and task.reason]
    reasons = dict.fromkeys(task.reason for task in case.failed_tasks[:4] or ended[:4])
    reasons = reasons or dict.fromkeys(check.words for check in case.failed_checks[:4])
    healthy = sum(target.state == "healthy" for target in case.task_targets)
    events = Fix(t("See what happened, in order:"), case.remedies.events())
    # Without a healthy one the page is not requested, so it is not known to work.
    none = not (case.process or healthy)
    yield Finding(
        replace(TOO_FEW_TASKS, blocks=True, warms_up=True) if none else TOO_FEW_TASKS,
        title=t("{running} of {desired} tasks run", running=case.serving, desired=service.desired)
        if case.process
        else t("{healthy} of {desired} tasks healthy", healthy=healthy, desired=service.desired),
        why=t("ECS gives the reason below.") if reasons else t("ECS has reported no reason yet."),
        seen=(
            t(
                "Running {running}, starting {pending}.",
                running=service.running,
                pending=service.pending,
            ),
        ),
        fixes=(case.read_log() if case.process else events,),
        evidence=tuple(reasons) or tuple(event.message for event in case.events[:4]),
    )


def more_memory(case: Case, cpu: int, memory: int) -> Fix:
    """Return the fix for the next larger task size, with more CPU where this one has no more memory."""
    if case.service and not case.service.fargate:
        return case.deploy(t("Give the task more memory ({taskMemory}), and deploy:"))
    size = larger(cpu, memory)
    if size is None:
        return Fix(t("Fargate has no larger task size: reduce the app's memory use."))
    text = t("Give the task more memory:")
    fix = case.configure("taskMemory", str(size[1]), text)
    if size[0] == cpu:
        return fix
    more = case.configure("taskCpu", str(size[0]), text)
    kept = len(case.remedies.apply())
    return Fix(text, (*more.commands[: len(more.commands) - kept], *fix.commands))


def larger(cpu: int, memory: int) -> tuple[int, int] | None:
    """Return CPU units and MiB of the next size with more memory; None at the largest."""
    sizes = ((size, most) for size, memories in sorted(MEMORY_BY_CPU.items()) for most in memories)
    return next((size for size in sizes if size[0] >= cpu and size[1] > memory), None)
