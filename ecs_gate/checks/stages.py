"""Check the stage of the stack (none, stage 1 without ECS, stage 2), its pause, and its desired count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import FORWARD, TASKS_NODE, WHOLE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.parts.rds import GOING_OFF, RESUME_FIRST
from ecs_gate.parts.records import Task
from ecs_gate.parts.remains import Holder, Remains
from ecs_gate.screen import zoned_time
from ecs_gate.text import Text, t

STACK_PAUSED = Facts("stack-paused", 0, {WHOLE})
ECS_OFF = Facts("ecs-off", 1, {WHOLE})
STACK_MISSING = Facts("stack-missing", 1, {WHOLE}, certain=True)
STACK_LEFT = Facts("stack-left", 1, {WHOLE}, certain=True)
# For a moment ECS may not show a new service, or still show one that is replaced.
SERVICE_MISSING = Facts("service-missing", 10, {WHOLE})
SCALED_TO_ZERO_BY_SCHEDULE = Facts("scaled-to-zero-by-schedule", 12, {TASKS_NODE})
# ECS registers the task that replaces it.
TARGET_DEREGISTERED = Facts("target-deregistered", 33, {FORWARD})

NOTHING, FIRST, SECOND, UNKNOWN = "nothing", "stage1", "stage2", "unknown"


def stage(case: Case) -> str:
    now = case.now
    if now.service.value is not None:
        return SECOND
    if now.service.problem:
        return UNKNOWN
    basics = (now.balancer, now.group, now.database)
    if any(each.value for each in basics):
        return FIRST
    return NOTHING if all(each.absent for each in basics) else UNKNOWN


STAGES = {
    NOTHING: t("nothing is there"),
    FIRST: t("stage 1: network, database, image and load balancer; ECS is off"),
    SECOND: t("stage 2: the app on ECS"),
    UNKNOWN: t("unknown"),
}


def described(case: Case) -> Text:
    now = stage(case)
    if now == NOTHING and left(case):
        return t("only parts of it are there, without load balancer and database")
    if now == FIRST and case.now.settings.ecs_enabled:
        return t("stage 2 without its service")
    return STAGES[now]


def left(case: Case) -> Remains | None:
    """Return what is left of a stack whose main parts are gone; None where nothing is."""
    remains = case.now.remains.value
    return remains if remains and remains.resources else None


def missing(case: Case) -> Iterator[Finding]:
    """Find a missing stack, or a stage that the stack file declares and AWS does not have."""
    now = stage(case)
    if now == NOTHING and (names := left(case)):
        yield _left(case, names)
    elif now == NOTHING:
        yield _no_stack(case)
    elif now == FIRST and case.now.settings.ecs_enabled:
        # A deployCommand that failed has a finding of its own: the service is made after it.
        if not any(each.over for each in case.now.command_tasks.value or ()):
            yield _no_service(case)
    elif now == FIRST and not case.now.settings.guessed:
        yield _off(case)


def _no_stack(case: Case) -> Finding:
    names, region = case.now.names, case.now.region
    elsewhere = t(
        "Or look in another region or account: aws:region and aws:profile in the stack file."
    )
    return Finding(
        STACK_MISSING,
        title=t("There is no stack {prefix} in {region}", prefix=names.prefix, region=region),
        why=t("Neither its load balancer nor its target group nor its database exists."),
        fixes=(case.deploy(t("Create it:")), Fix(elsewhere)),
    )


def _left(case: Case, remains: Remains) -> Finding:
    names = case.now.names
    commands = tuple(each.command for each in remains.holders if each.command)
    fixes = (
        Fix(t("Delete what is not the stack's, if nobody needs it:"), commands),
        Fix(t("Then end the destroy:"), (f"pulumi destroy -s {names.stack}",)),
        case.deploy(t("Or complete the stack:")),
    )
    return Finding(
        STACK_LEFT,
        title=t(
            "Only parts of {prefix} are there: a destroy or an up did not end", prefix=names.prefix
        ),
        why=t("Neither its load balancer nor its target group nor its database exists."),
        seen=(
            t("Left: {resources}.", resources=", ".join(remains.resources)),
            *(holds(each) for each in remains.holders),
        ),
        fixes=fixes if commands else fixes[1:],
    )


def holds(holder: Holder) -> Text:
    """Return that a resource of others is in the way of a destroy."""
    return t(
        "{id} is in its VPC and not the stack's ({description}): EC2 does not delete the VPC before it "
        "(DependencyViolation).",
        id=holder.id,
        description=holder.description or "-",
    )


def _no_service(case: Case) -> Finding:
    names = case.now.names
    return Finding(
        SERVICE_MISSING,
        title=t("The service {name} does not exist", name=names.service),
        why=t("ecsEnabled is true in the stack file, and ECS has no such service."),
        seen=(t("Cluster {cluster} holds no service of that name.", cluster=names.cluster),),
        fixes=(case.refresh(t("Create it:")),),
    )


def _off(case: Case) -> Finding:
    name = case.now.names.stack
    commands = (
        f"./careapp preflight -s {name}",
        f"pulumi config set ecsEnabled true -s {name}",
        f"pulumi up -s {name}",
    )
    return Finding(
        ECS_OFF,
        kind="note",
        title=t("ECS is off: the load balancer answers 503 and says so"),
        why=t("ecsEnabled is false in the stack file. That is stage 1."),
        fixes=(Fix(t("Check first, then turn it on:"), commands),),
    )


def paused(case: Case) -> Iterator[Finding]:
    """Report a pause; also where AWS has started the database again, which costs money."""
    pause, database, stack = case.paused, case.now.database.value, case.now.names.stack
    if pause is None or database is None:
        return
    fixes = [Fix(t("Resume it:"), (f"./careapp resume -s {stack}",))]
    seen: list[Text] = [t("DB instance {id} is {status}.", id=database.id, status=database.status)]
    if database.status == "available":
        seen.append(t("AWS starts a stopped database automatically after seven days."))
        again = Fix(t("Or stop the database again:"), (f"./careapp pause -s {stack}",))
        fixes.append(again)
    if case.now.settings.database.final_snapshot:
        seen.append(RESUME_FIRST)
    yield Finding(
        STACK_PAUSED,
        kind="note",
        title=t("The stack is paused"),
        why=t("./careapp pause stopped it at {time}.", time=zoned_time(pause.since)),
        seen=tuple(seen),
        fixes=tuple(fixes),
    )


def is_expected(finding: Finding, case: Case) -> bool:
    """Return whether a finding only says that the database of a paused stack is stopped."""
    database = case.now.database.value
    if case.paused is None or database is None:
        return False
    return finding.id == "database-away" and database.status in GOING_OFF


STARTED_WITHIN = timedelta(minutes=5)
"""Scheduled actions may come late, and ECS needs its time."""


def scaled_by_schedule(case: Case, hours: str) -> Finding:
    """Return the finding of a desired count 0 outside the hours of the schedule."""
    return Finding(
        SCALED_TO_ZERO_BY_SCHEDULE,
        kind="warning",
        title=t(
            "The service runs no task outside its hours, {hours} ({zone})",
            hours=hours,
            zone=case.now.settings.service.scaling.time_zone,
        ),
        why=t("The schedule starts it again automatically."),
        seen=(t("The desired count is 0, and the stack file has a schedule."),),
        fixes=(
            Fix(
                t("Run a task until the next scheduled stop:"),
                (set_desired_count(case, desired_count(case)),),
            ),
        ),
    )


def in_hours(case: Case) -> bool:
    """Return whether it is within the service's hours, and was five minutes ago."""
    now, scaling = case.at, case.now.settings.service.scaling
    return all(scaling.includes(each) for each in (now, now - STARTED_WITHIN))


def desired_count(case: Case) -> str:
    """Return the desired count for a service that has 0: that of the stack file, at least 1."""
    return str(case.now.settings.service.desired_count or 1)


def set_desired_count(case: Case, count: str) -> str:
    names = case.now.names
    return (
        f"aws ecs update-service --cluster {names.cluster} --service {names.service} "
        f"--desired-count {count}"
    )


REGISTERED = timedelta(seconds=60)
"""How long after its start ECS may take to register a task in the target group."""


def deregistered(case: Case) -> Iterator[Finding]:
    """Find running tasks that are not registered: ECS itself deregisters only tasks that it stops."""
    service, group, primary = case.service, case.now.group.value, case.primary
    if service is None or group is None or not case.unsteady or case.now.targets.problem:
        return
    if primary is None or primary.rollout != "COMPLETED":
        return
    lost = [each for each in case.active_tasks if _lost(case, each)]
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
                task=each.short,
                address=each.address,
                group=group.name,
            )
            for each in lost[:3]
        ),
        fixes=(
            Fix(t("Let ECS replace the tasks; it registers the new ones:"), (case.retry_command,)),
        ),
    )


def _lost(case: Case, task: Task) -> bool:
    if task.status != "RUNNING" or not task.address or task.started is None:
        return False
    if case.at - task.started < REGISTERED:
        return False
    states = [each.state for each in case.targets if each.address == task.address]
    return all(each == "draining" for each in states)
