"""The steps of pause and resume, in an order that survives an interrupt at any point."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from stack.scaling import ScalingSettings
from stack.settings import Settings
from tools.doctor.checks.databases import USABLE
from tools.i18n import Refused, Text, t
from tools.pause.state import PausableStack, ScalingRange, StackState, not_waiting
from tools.snapshot.rds import DAYS_STOPPED, Pause, keeps_snapshot
from tools.waiting import Waiting

MINUTES = 45
"""A Multi-AZ instance takes longest to stop."""


@dataclass(frozen=True, kw_only=True)
class DatabaseChange:
    """An RDS operation: the status in which RDS accepts it and the statuses in which it is done."""

    operation: str
    begins: str
    ends: Collection[str]
    asked: Text
    unfinished: Callable[[str], Text]


STOP = DatabaseChange(
    operation="stop_db_instance",
    begins="available",
    ends=("stopped",),
    asked=t("stopping the database"),
    unfinished=lambda status: t("the database is {status}, not yet stopped", status=status),
)

START = DatabaseChange(
    operation="start_db_instance",
    begins="stopped",
    ends=USABLE,
    asked=t("starting the database"),
    unfinished=lambda status: t("the database is {status}, not yet available", status=status),
)


def change_database(pausable: PausableStack, waiting: Waiting, turn: DatabaseChange) -> None:
    """Call the operation once and wait until it is done. Raises Refused and AwsProblem."""
    asked = False

    def left() -> Text | None:
        nonlocal asked
        database = pausable.read().database
        if database.status in turn.ends:
            return None
        if refused := not_waiting(database):
            raise refused
        # What RDS does with the instance just now has to end first.
        if database.status == turn.begins and not asked:
            pausable.call_rds(turn.operation)
            asked = True
            return turn.asked
        return turn.unfinished(database.status)

    waiting.until_done(left, MINUTES)


TASKS_MINUTES = 10


def check_pausable(now: StackState, settings: Settings) -> None:
    """Raise Refused for a database that RDS does not stop, or that a destroy could not delete any more.

    RDS does not modify a stopped instance (RDS user guide, limitations of stopping). So protection stays on
    during a pause, and Pulumi refuses to destroy a protected stack before it deletes anything.
    """
    database = now.database
    if keeps_snapshot(settings) and not database.protected:
        raise Refused(_would_be_half_destroyed(settings))
    if database.replicas or database.source:
        raise Refused(
            t(
                "The database {id} cannot be stopped: RDS stops no instance that has a read replica "
                "or is one ({others}). Delete the replica first.",
                id=database.id,
                others=", ".join([*database.replicas, *filter(None, [database.source])]),
            )
        )
    if refused := not_waiting(database):
        raise refused


def _would_be_half_destroyed(settings: Settings) -> Text:
    name = settings.names.stack
    return t(
        "A stack that keeps a final snapshot (databaseFinalSnapshot) can be paused only "
        "while it is protected: pulumi destroy would delete service and load balancer and "
        "then fail, because RDS takes no snapshot of a stopped database. Protect it: "
        "{protect}; or keep no snapshot: {drop}. Nothing was changed.",
        protect=f"pulumi config set protect true -s {name} && pulumi up -s {name}",
        drop=f"pulumi config set databaseFinalSnapshot '' -s {name} && pulumi up -s {name}",
    )


def is_paused(now: StackState) -> bool:
    """Return whether the stack is paused completely."""
    runs = bool(now.left) or (now.service is not None and now.service.desired > 0)
    return now.pause is not None and now.database.status == "stopped" and not runs


def planned_changes(now: StackState) -> Iterator[Text]:
    """Yield what a pause will change."""
    if now.service is not None:
        count = max(now.service.desired, len(now.left))
        yield t(
            "{count} task stops; the load balancer answers 503",
            "{count} tasks stop; the load balancer answers 503",
            count=count,
        )
    if now.suspended is not None:
        yield t("autoscaling is suspended")
    if now.service is not None and now.service.desired:
        yield t(
            "the actions of the alarms for missing tasks and for the load balancer's 503 are "
            "disabled"
        )
    yield t("the database {id} stops; its data stays", id=now.database.id)


def pause(pausable: PausableStack, waiting: Waiting, now: StackState) -> StackState:
    """Pause the stack and wait until it is done. Raises Refused and AwsProblem.

    The tags with the count of tasks are written first, so that `resume` works after any interrupt.
    """
    if now.pause is None:
        pausable.tag_paused(now.database, Pause.now(_count(pausable, now)))
    if now.suspended is False:
        pausable.suspend_scaling()
    if now.service is not None:
        pausable.stop_others()
    waiting.until_done(lambda: _stop_tasks(pausable), TASKS_MINUTES)
    change_database(pausable, waiting, STOP)
    # AWS does not say how soon after the suspension it moves the count into the range.
    waiting.until_done(lambda: _stop_tasks(pausable), TASKS_MINUTES)
    return pausable.read()


def _count(pausable: PausableStack, now: StackState) -> int | None:
    """Return the tasks that `resume` starts; the stack file's where a schedule holds the service at 0."""
    if now.service is None:
        return None
    return now.service.desired or pausable.declared_count()


def _stop_tasks(pausable: PausableStack) -> Text | None:
    """Set the desired count to 0 and return what is left to stop."""
    now = pausable.read()
    service = now.service
    if service is not None and service.desired:
        pausable.set_alarm_actions(False)
        pausable.set_desired_count(0)
    elif not now.left and not (service and (service.running or service.pending)):
        return None
    return t("tasks still to stop: {count}", count=max(len(now.left), 1))


def automatic_start(now: StackState) -> datetime:
    """Return when AWS starts the database: as RDS says, else seven days from now."""
    return (now.database.starts or datetime.now(UTC) + DAYS_STOPPED).astimezone(UTC)


def still_costs(now: StackState, settings: Settings) -> Iterator[Text]:
    """Yield what is billed while the stack is paused."""
    yield t("the load balancer and its public addresses")
    if settings.network.nat != "none":
        yield t("NAT ({strategy}) and its public address", strategy=settings.network.nat)
    gb, standby = now.database.storage_gb, now.database.multi_az
    yield (
        t("the database's storage, {gb} GB in each of two zones, and its backups", gb=gb)
        if standby
        else t("the database's storage, {gb} GB, and its backups", gb=gb)
    )
    yield t("the secret with the database's password")
    yield t("images in ECR, logs, alarms")
    if settings.bastion_enabled:
        yield t("the bastion")
    if settings.uploads_enabled:
        yield t("the bucket with the app's files")


HEALTH_MINUTES = 15


def resume(pausable: PausableStack, waiting: Waiting) -> StackState:
    """Start database, tasks and autoscaling, and wait until all are healthy. Raises Refused and AwsProblem.

    Tasks start after the database, without which they would fail. The tags are deleted last: until then an
    interrupt loses neither the count of tasks nor the state of autoscaling and alarms.
    """
    settings = pausable.settings
    change_database(pausable, waiting, START)
    now = pausable.read()
    if now.service is not None and (now.pause is not None or now.service.desired == 0):
        _start_tasks(pausable, waiting, settings, now)
    if now.pause is not None:
        if now.service is not None:
            pausable.start_others(now.at)
            pausable.set_alarm_actions(True)
        pausable.untag_paused(now.database)
    waiting.until_done(lambda: _not_healthy(pausable, settings), HEALTH_MINUTES)
    return pausable.read()


def _start_tasks(
    pausable: PausableStack, waiting: Waiting, settings: Settings, now: StackState
) -> None:
    """Set the desired count, then the range and the suspension of autoscaling in one call.

    AWS moves the count into the range at that call, so the range must contain it. A count that AWS moved
    from 0 to the minimum would look like one that was set by hand, so the count is set first.
    """
    desired = now.service.desired if now.service else 0
    scaled = _scaled(settings.service.scaling, now, desired)
    if desired == 0 and why_no_task(settings, now.at) is None:
        count = _tasks_to_start(pausable, waiting, now)
        pausable.set_desired_count(max(scaled.low, min(count, scaled.high)) if scaled else count)
    if scaled is not None and scaled != now.scaled:
        pausable.set_scaling(scaled)


def _scaled(scaling: ScalingSettings, now: StackState, desired: int) -> ScalingRange | None:
    """Return the autoscaling that infra/scaling.py declares for this moment.

    Without a schedule it is the range in AWS, unless a former schedule left that at 0. With one it is the range
    that the scheduled actions would have set; tasks that were started outside of its hours go on.
    """
    if now.scaled is None:
        return None
    suspended = (False, False, scaling.hours is None)
    if scaling.hours is None and now.scaled.high:
        return ScalingRange(now.scaled.low, now.scaled.high, suspended)
    if not scaling.maximum or not scaling.includes(now.at):
        return ScalingRange(0, desired, suspended)
    return ScalingRange(scaling.minimum, scaling.maximum, suspended)


def why_no_task(settings: Settings, moment: datetime) -> Text | None:
    """Return why the stack file allows no task at a moment; None where it allows some."""
    scaling = settings.service.scaling
    if scaling.hours is None or scaling.includes(moment):
        return None if scaling.maximum else t("the stack file's desiredCount is 0")
    return t(
        "it is outside of the hours {hours} ({zone}), and the schedule starts the tasks",
        hours=scaling.hours.text,
        zone=scaling.time_zone,
    )


def _tasks_to_start(pausable: PausableStack, waiting: Waiting, now: StackState) -> int:
    if now.pause is not None and now.pause.count:
        return now.pause.count
    count = pausable.declared_count()
    waiting.say(
        t(
            "No number of tasks is remembered; the stack file's desiredCount is {count}.",
            count=count,
        )
    )
    return count


def _not_healthy(pausable: PausableStack, settings: Settings) -> Text | None:
    now = pausable.read()
    if now.service is None or now.steady:
        return None
    if now.service.desired == 0:
        return (
            t("the service is set to run no task")
            if why_no_task(settings, now.at) is None
            else None
        )
    return t(
        "{running} of {desired} tasks run, and not all are healthy",
        running=now.service.running,
        desired=now.service.desired,
    )
