"""Check the stage of the stack (none, stage 1 without ECS, stage 2), its pause, and its desired count."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from careapp.additions.parts.pauses import GOING_OFF, RESUME_FIRST, paused
from careapp.additions.parts.remains import REMAINS, Holder, Remains
from careapp.additions.parts.restores import ASIDE
from careapp.additions.parts.settings import settings_of
from ecs_gate.checks.rollouts import set_desired_count
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.catalogue import TASKS_NODE, WHOLE, Facts
from ecs_gate.diagnosis.findings import Finding, Fix
from ecs_gate.parts.records import Part
from ecs_gate.screen import zoned_time
from ecs_gate.text import Text, t

STACK_PAUSED = Facts("stack-paused", 0, {WHOLE}, told=True)
ECS_OFF = Facts("ecs-off", 1, {WHOLE})
STACK_MISSING = Facts("stack-missing", 1, {WHOLE}, certain=True)
STACK_LEFT = Facts("stack-left", 1, {WHOLE}, certain=True)
SCALED_TO_ZERO_BY_SCHEDULE = Facts("scaled-to-zero-by-schedule", 12, {TASKS_NODE})

NOTHING, FIRST, SECOND, UNKNOWN = "nothing", "stage1", "stage2", "unknown"


def stage(case: Case) -> str:
    now = case.now
    if now.service.value is not None:
        return SECOND
    if now.service.problem:
        return UNKNOWN
    basics = (now.balancer, now.group, now.database)
    if any(basic.value for basic in basics):
        return FIRST
    return NOTHING if all(basic.absent for basic in basics) else UNKNOWN


STAGES = {
    NOTHING: t("nothing is there"),
    FIRST: t("stage 1: network, database, image and load balancer; ECS is off"),
    SECOND: t("stage 2: the app on ECS"),
    UNKNOWN: t("unknown"),
}


def described(case: Case) -> Text:
    settings = settings_of(case)
    now = stage(case)
    if now == NOTHING and left(case):
        return t("only parts of it are there, without load balancer and database")
    if now == FIRST and settings.ecs_enabled:
        return t("stage 2 without its service")
    return STAGES[now]


def left(case: Case) -> Remains | None:
    """Return what is left of a stack whose main parts are gone; None where nothing is."""
    remains = case.now.of(REMAINS).value
    return remains if remains and remains.resources else None


def missing(case: Case) -> Iterator[Finding]:
    """Find a missing stack, or a stage that the stack file declares and AWS does not have."""
    settings = settings_of(case)
    now = stage(case)
    if now == NOTHING and (names := left(case)):
        yield _left(case, names)
    elif now == NOTHING:
        yield _no_stack(case)
    elif now == FIRST and not settings.ecs_enabled and not settings.guessed:
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
    settings = settings_of(case)
    names = case.now.names
    commands = tuple(holder.command for holder in remains.holders if holder.command)
    fixes = (
        Fix(t("Delete what is not the stack's, if nobody needs it:"), commands),
        Fix(t("Then end the destroy:"), (f"pulumi destroy -s {settings.stack}",)),
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
            *(holds(holder) for holder in remains.holders),
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


def _off(case: Case) -> Finding:
    settings = settings_of(case)
    name = settings.stack
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


def is_paused(case: Case) -> Iterator[Finding]:
    """Report a pause; also where AWS has started the database again, which costs money."""
    settings = settings_of(case)
    pause, database, stack = paused(case), case.now.database.value, settings.stack
    if pause is None or database is None:
        return
    fixes = [Fix(t("Resume it:"), (f"./careapp resume -s {stack}",))]
    seen: list[Text] = [t("DB instance {id} is {status}.", id=database.id, status=database.status)]
    if database.status == "available":
        seen.append(t("AWS starts a stopped database automatically after seven days."))
        again = Fix(t("Or stop the database again:"), (f"./careapp pause -s {stack}",))
        fixes.append(again)
    if settings.database.final_snapshot:
        seen.append(RESUME_FIRST)
    yield Finding(
        STACK_PAUSED,
        kind="note",
        title=t("The stack is paused"),
        why=t("./careapp pause stopped it at {time}.", time=zoned_time(pause.since)),
        seen=tuple(seen),
        fixes=tuple(fixes),
    )


def review(case: Case, finding: Finding) -> Iterator[Finding]:
    """Yield what careapp makes of a finding: in a pause, outside the hours and in stage 1 it expects some."""
    settings = settings_of(case)
    if paused(case) and finding.id in ("scaled-to-zero", "database-away"):
        database = case.now.database.value
        if finding.id == "scaled-to-zero" or (database and database.status in GOING_OFF):
            return
    hours = settings.service.scaling.hours
    if finding.id == "scaled-to-zero" and hours and not in_hours(case):
        yield scaled_by_schedule(case, hours.text)
    elif finding.id == "service-missing":
        # Stage 1 has none, and one that deployCommand keeps away has a finding of its own.
        kept = any(task.over for task in case.now.command_tasks.value or ())
        if stage(case) == FIRST and settings.ecs_enabled and not kept:
            why = t("ecsEnabled is true in the stack file, and ECS has no such service.")
            yield replace(finding, why=why)
    elif finding.id == "database-missing":
        if case.now.of(ASIDE) == Part():
            yield replace(finding, fixes=tuple(map(_with_restore, finding.fixes)))
    else:
        yield finding


def _with_restore(fix: Fix) -> Fix:
    text = t("Then `./careapp db restore --snapshot` brings its data back, if there is a snapshot:")
    return replace(fix, text=text) if fix.then else fix


STARTED_WITHIN = timedelta(minutes=5)
"""Scheduled actions may come late, and ECS needs its time."""


def scaled_by_schedule(case: Case, hours: str) -> Finding:
    """Return the finding of a desired count 0 outside the hours of the schedule."""
    settings = settings_of(case)
    return Finding(
        SCALED_TO_ZERO_BY_SCHEDULE,
        kind="warning",
        title=t(
            "The service runs no task outside its hours, {hours} ({zone})",
            hours=hours,
            zone=settings.service.scaling.time_zone,
        ),
        why=t("The schedule starts it again automatically."),
        seen=(t("The desired count is 0, and the stack file has a schedule."),),
        fixes=(
            Fix(
                t("Run a task until the next scheduled stop:"),
                (set_desired_count(case, str(case.target.plan.tasks or 1)),),
            ),
        ),
    )


def in_hours(case: Case) -> bool:
    """Return whether it is within the service's hours, and was five minutes ago."""
    settings = settings_of(case)
    now, scaling = case.at, settings.service.scaling
    return all(scaling.includes(time) for time in (now, now - STARTED_WITHIN))
