"""What a person did by hand to running tasks: stopped them, or took them out of the target group."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from i18n import t
from ops.checks.case import Case
from ops.findings import Finding, Fix
from ops.snapshot.records import Task

REGISTERED = timedelta(seconds=60)
"""How long after its start ECS may take to register a task in the target group."""


def stopped(case: Case) -> Iterator[Finding]:
    """Tasks that StopTask ended (botocore, TaskStopCode: UserInitiated), while others are missing."""
    service = case.service
    by_hand = [each for each in case.mine if each.over and each.stop_code == "UserInitiated"]
    if service is None or service.desired == 0 or not case.unsteady or not by_hand:
        return
    stack = case.now.names.stack
    yield Finding(
        id="stopped-by-hand",
        title=t("{count} tasks were stopped by hand within the last hour", count=len(by_hand)),
        why=t(
            "A person or a program has called StopTask: ECS itself stops tasks with another code. "
            "ECS starts as many again; until they are healthy, they are missing."
        ),
        seen=tuple(
            t("Task {task}: {code}, {reason}", task=each.short, code=each.stop_code,
              reason=each.reason or "-")
            for each in by_hand[:3]
        ),
        fixes=(
            Fix(t("Wait until the new ones are healthy:"), (f"./careapp status --watch -s {stack}",)),
            Fix(t("Or, if no task is to run for a while:"), (f"./careapp pause -s {stack}",)),
        ),
    )  # fmt: skip


def deregistered(case: Case) -> Iterator[Finding]:
    """Tasks that run and are no target: ECS itself deregisters only tasks that it stops."""
    service, group, primary = case.service, case.now.group.value, case.primary
    if service is None or group is None or not case.unsteady or case.now.targets.problem:
        return
    if primary is None or primary.rollout != "COMPLETED":
        return
    lost = [each for each in case.alive if _lost(case, each)]
    if not lost or all(each[0] != group.arn for each in service.targets):
        return
    yield Finding(
        id="target-deregistered",
        title=t("{count} running tasks are no target of the load balancer", count=len(lost)),
        why=t(
            "ECS registers a task once, after its start, and deregisters only tasks that it stops: "
            "somebody has taken these out by hand. They get no requests, and ECS does not put them back."
        ),
        seen=tuple(
            t(
                "Task {task} runs at {address}; {group} does not have this address.",
                task=each.short,
                address=each.address,
                group=group.name,
            )
            for each in lost[:3]
        ),
        fixes=(Fix(t("Let ECS replace them with tasks that it registers:"), (case.again,)),),
    )


def _lost(case: Case, task: Task) -> bool:
    """Whether a task has run for a while and is not, or no longer, in the target group."""
    if task.status != "RUNNING" or not task.address or task.started is None:
        return False
    if case.moment - task.started < REGISTERED:
        return False
    states = [each.state for each in case.now.targets.value or () if each.address == task.address]
    return all(each == "draining" for each in states)
