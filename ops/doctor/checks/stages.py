"""What stage the stack is in: nothing, stage 1 without ECS, or stage 2."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from i18n import Text, t
from ops.doctor.case import Case
from ops.doctor.findings import Finding, Fix
from ops.screen import zoned
from ops.snapshot.rds import keeps_snapshot
from ops.snapshot.records import Task

NOTHING, FIRST, SECOND, UNKNOWN = "nothing", "stage1", "stage2", "unknown"


def stage(case: Case) -> str:
    """Which stage AWS shows."""
    now = case.now
    if now.service.value is not None:
        return SECOND
    basics = (now.balancer, now.group, now.database)
    if now.service.problem and not any(each.value for each in basics):
        return UNKNOWN
    if all(each.absent for each in basics):
        return NOTHING
    if now.service.problem or all(each.problem for each in basics):
        return UNKNOWN
    return FIRST


STAGES = {
    NOTHING: t("nothing is there"),
    FIRST: t("stage 1: network, database, image and load balancer; ECS is off"),
    SECOND: t("stage 2: the app on ECS"),
    UNKNOWN: t("unknown"),
}


def described(case: Case) -> Text:
    """The stage in words."""
    return STAGES[stage(case)]


def missing(case: Case) -> Iterator[Finding]:
    """No stack, or a stage that should be there and is not."""
    now = stage(case)
    if now == NOTHING:
        yield _no_stack(case)
    elif now == FIRST and case.now.settings.ecs_enabled:
        yield _no_service(case)
    elif now == FIRST:
        yield _off(case)


def _no_stack(case: Case) -> Finding:
    names, region = case.now.names, case.now.region
    elsewhere = t(
        "Or look in another region or account: aws:region and aws:profile in the stack file."
    )
    return Finding(
        id="stack-missing",
        title=t("There is no stack {prefix} in {region}", prefix=names.prefix, region=region),
        why=t("Neither its load balancer nor its target group nor its database exists."),
        fixes=(Fix(t("Make it:"), (f"pulumi up -s {names.stack}",)), Fix(elsewhere)),
    )


def _no_service(case: Case) -> Finding:
    names = case.now.names
    return Finding(
        id="service-missing",
        title=t("The service {name} does not exist", name=names.service),
        why=t("ecsEnabled is true in the stack file, and ECS has no such service."),
        seen=(t("Cluster {cluster} holds no service of that name.", cluster=names.cluster),),
        fixes=(case.refresh(t("Make it:")),),
    )


def _off(case: Case) -> Finding:
    name = case.now.names.stack
    commands = (
        f"./careapp preflight -s {name}",
        f"pulumi config set ecsEnabled true -s {name}",
        f"pulumi up -s {name}",
    )
    return Finding(
        id="ecs-off",
        kind="note",
        title=t("ECS is off: the load balancer answers 503 and says so"),
        why=t("ecsEnabled is false in the stack file. That is stage 1."),
        fixes=(Fix(t("Check first, then turn it on:"), commands),),
    )


NO_SNAPSHOT = t(
    "`pulumi destroy` fails half-way while the database is stopped: "
    "RDS takes no final snapshot of it (databaseFinalSnapshot)."
)


GOING_OFF = {"stopping", "stopped", "starting"}
"""Statuses between a database that runs and one that is paused."""


def paused(case: Case) -> Iterator[Finding]:
    """Says so before anything else; a database that AWS has started again costs money unseen."""
    pause, database, stack = case.paused, case.now.database.value, case.now.names.stack
    if pause is None or database is None:
        return
    fixes = [Fix(t("Bring it back:"), (f"./careapp resume -s {stack}",))]
    seen: list[Text] = [t("DB instance {id} is {status}.", id=database.id, status=database.status)]
    if database.status == "available":
        seen.append(t("AWS starts a stopped database by itself after seven days."))
        again = Fix(t("Or stop the database again:"), (f"./careapp pause -s {stack}",))
        fixes.append(again)
    if keeps_snapshot(case.now.settings):
        seen.append(NO_SNAPSHOT)
    yield Finding(
        id="stack-paused",
        kind="note",
        title=t("The stack is paused"),
        why=t("./careapp pause stopped it at {time}.", time=zoned(pause.since)),
        seen=tuple(seen),
        fixes=tuple(fixes),
    )


def is_expected(finding: Finding, case: Case) -> bool:
    """Whether a finding only says that the database of a paused stack is off."""
    database = case.now.database.value
    if case.paused is None or database is None:
        return False
    return finding.id == "database-away" and database.status in GOING_OFF


STARTED_WITHIN = timedelta(minutes=5)
"""Scheduled actions may come late, and ECS needs its time."""


def scaled_to_zero(case: Case, hours: str) -> Finding:
    """No task is wanted: outside the hours as it should be, within them somebody has done it."""
    zone = case.now.settings.service.scaling.time_zone
    fix = Fix(
        t("Have a task until the next stop:"), (set_desired_count(case, desired_count(case)),)
    )
    seen = (t("Desired count 0, and a schedule in the stack file."),)
    if in_hours(case):
        return Finding(
            id="scaled-to-zero-in-hours",
            title=t("No task runs within the service's hours, {hours} ({zone})", hours=hours,
                    zone=zone),
            why=t("Somebody has set it to 0; the schedule starts it when the next hours begin."),
            seen=seen,
            fixes=(fix,),
        )  # fmt: skip
    return Finding(
        id="scaled-to-zero-by-schedule",
        kind="warning",
        title=t(
            "The service runs no task outside its hours, {hours} ({zone})", hours=hours, zone=zone
        ),
        why=t("The schedule starts it again by itself."),
        seen=seen,
        fixes=(fix,),
    )


def in_hours(case: Case) -> bool:
    """Whether it is within the hours, and they have not only just begun."""
    now, scaling = case.moment, case.now.settings.service.scaling
    return all(scaling.includes(each) for each in (now, now - STARTED_WITHIN))


def desired_count(case: Case) -> str:
    """How many tasks to ask for where none is wanted: at least one."""
    return str(case.now.settings.service.desired_count or 1)


def set_desired_count(case: Case, count: str) -> str:
    """The command that lets the service want so many tasks."""
    names = case.now.names
    return (
        f"aws ecs update-service --cluster {names.cluster} --service {names.service} "
        f"--desired-count {count}"
    )


REGISTERED = timedelta(seconds=60)
"""How long after its start ECS may take to register a task in the target group."""


def stopped_by_hand(case: Case) -> Iterator[Finding]:
    """Tasks that StopTask ended (botocore, TaskStopCode: UserInitiated), while others are missing."""
    service = case.service
    by_hand = [
        each for each in case.deployment_tasks if each.over and each.stop_code == "UserInitiated"
    ]
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
    lost = [each for each in case.active_tasks if _lost(case, each)]
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
        fixes=(
            Fix(t("Let ECS replace them with tasks that it registers:"), (case.retry_command,)),
        ),
    )


def _lost(case: Case, task: Task) -> bool:
    """Whether a task has run for a while and is not, or no longer, in the target group."""
    if task.status != "RUNNING" or not task.address or task.started is None:
        return False
    if case.moment - task.started < REGISTERED:
        return False
    states = [each.state for each in case.now.targets.value or () if each.address == task.address]
    return all(each == "draining" for each in states)
