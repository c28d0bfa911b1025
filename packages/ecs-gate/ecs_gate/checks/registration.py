"""Check that the load balancer has the tasks that run."""

from collections.abc import Iterator
from datetime import timedelta

from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import FORWARD, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.parts.records import Task
from ecs_gate.text import t

# ECS registers the task that replaces it.
TARGET_DEREGISTERED = Facts("target-deregistered", 33, {FORWARD})
REGISTERED = timedelta(seconds=60)
"""How long after its start ECS may take to register a task in the target group."""


def deregistered(case: Case) -> Iterator[Finding]:
    """Find running tasks that are not registered: ECS itself deregisters only tasks that it stops."""
    service, group, primary = case.service, case.now.group.value, case.primary
    if service is None or group is None or not case.unsteady or case.now.targets.problem:
        return
    if primary is None or primary.rollout != "COMPLETED":
        return
    lost = [task for task in case.active_tasks if _lost(case, task)]
    if not lost or group.arn not in service.target_groups:
        return
    yield Finding(
        TARGET_DEREGISTERED,
        title=t(
            "{count} running task is not registered with the load balancer",
            "{count} running tasks are not registered with the load balancer",
            count=len(lost),
        ),
        why=t(
            "ECS registers a task once, after its start, and deregisters only tasks that it stops: these were "
            "deregistered manually. They get no requests, and ECS does not register them again."
        ),
        seen=tuple(
            t(
                "Task {task} has the address {address}, which is not registered in {group}.",
                task=task.short,
                address=task.address,
                group=group.name,
            )
            for task in lost[:3]
        ),
        fixes=(
            Fix(t("Let ECS replace the tasks; it registers the new ones:"), case.remedies.retry()),
        ),
    )


def _lost(case: Case, task: Task) -> bool:
    if task.status != "RUNNING" or not task.address or task.started is None:
        return False
    if case.at - task.started < REGISTERED:
        return False
    states = [target.state for target in case.targets if target.address == task.address]
    return all(state == "draining" for state in states)
