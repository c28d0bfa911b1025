"""Stops or starts a stack's database and waits for it: what pausing and resuming have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from i18n import Refused, Text, t
from ops.doctor.checks.databases import USABLE
from ops.pause.standing import Scaled, Standing, Station, unusable
from ops.rollout.follow import Waiting
from ops.snapshot.rds import DAYS_STOPPED, Pause
from stack.scaling import ScalingSettings
from stack.settings import Settings

MINUTES = 45
"""A Multi-AZ instance takes longest to stop."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """From the one status in which RDS takes the operation to one of those that are wanted."""

    operation: str
    begins: str
    ends: Collection[str]
    asked: Text
    unfinished: Callable[[str], Text]


STOPPED = Turn(
    operation="stop_db_instance",
    begins="available",
    ends=("stopped",),
    asked=t("the database is asked to stop"),
    unfinished=lambda status: t("the database is {status}, not yet stopped", status=status),
)


STARTED = Turn(
    operation="start_db_instance",
    begins="stopped",
    ends=USABLE,
    asked=t("the database is asked to start"),
    unfinished=lambda status: t("the database is {status}, not yet available", status=status),
)


def turned(station: Station, waiting: Waiting, turn: Turn) -> None:
    """Ask once, and wait until it is done. Raises Refused and AwsProblem."""
    asked = False

    def left() -> Text | None:
        nonlocal asked
        database = station.look().database
        if database.status in turn.ends:
            return None
        if refused := unusable(database):
            raise refused
        # What RDS does with the instance just now has to end first.
        if database.status == turn.begins and not asked:
            station.database(turn.operation)
            asked = True
            return turn.asked
        return turn.unfinished(database.status)

    waiting.until_done(left, MINUTES)


TASKS_MINUTES = 10


def allowed(now: Standing) -> None:
    """Raises Refused for a database that RDS does not stop (RDS user guide, limitations of stopping)."""
    database = now.database
    if database.replicas or database.source:
        raise Refused(
            t(
                "The database {id} cannot be stopped: RDS stops no instance that has a read replica "
                "or is one ({others}). Delete the replica first.",
                id=database.id,
                others=", ".join([*database.replicas, *filter(None, [database.source])]),
            )
        )
    if refused := unusable(database):
        raise refused


def done(now: Standing) -> bool:
    """Whether nothing is left to do."""
    runs = bool(now.left) or (now.service is not None and now.service.desired > 0)
    return now.pause is not None and now.database.status == "stopped" and not runs


def planned(now: Standing) -> Iterator[Text]:
    """What is going to happen."""
    if now.service is not None:
        count = max(now.service.desired, len(now.left))
        yield t("{count} tasks stop; the load balancer answers 503", count=count)
    if now.suspended is not None:
        yield t("autoscaling is suspended")
    if now.service is not None and now.service.desired:
        yield t("the alarms for missing tasks and for the 503 of the load balancer tell nobody")
    yield t("the database {id} stops; its data stays", id=now.database.id)


def pause(station: Station, waiting: Waiting, now: Standing) -> Standing:
    """Do it, and wait until it is done. Raises Refused and AwsProblem.

    What was is remembered first, so that an interrupt at any point can be resumed from.
    """
    if now.pause is None:
        station.remember(now.database, Pause.now(_count(station, now)))
    if now.suspended is False:
        station.suspend()
    waiting.until_done(lambda: _tasks_left(station), TASKS_MINUTES)
    turned(station, waiting, STOPPED)
    # AWS does not say how soon after the suspension it moves the count into the range.
    waiting.until_done(lambda: _tasks_left(station), TASKS_MINUTES)
    return station.look()


def _count(station: Station, now: Standing) -> int | None:
    """A service that a schedule holds at 0 is to come back as the stack file wants it."""
    if now.service is None:
        return None
    return now.service.desired or station.declared_count()


def _tasks_left(station: Station) -> Text | None:
    """Ask for no task wherever some are wanted: AWS moves a count below the minimum up to it, too."""
    now = station.look()
    service = now.service
    if service is not None and service.desired:
        station.ring(False)
        station.scale(0)
    elif not now.left and not (service and (service.running or service.pending)):
        return None
    return t("tasks still to stop: {count}", count=max(len(now.left), 1))


def starts_again(now: Standing) -> datetime:
    """When AWS starts the database by itself: as it says, else seven days from now."""
    return (now.database.starts or datetime.now(UTC) + DAYS_STOPPED).astimezone(UTC)


def still_costs(now: Standing, settings: Settings) -> Iterator[Text]:
    """What is paid for while the stack is paused."""
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


HEALTH_MINUTES = 15


def resume(station: Station, waiting: Waiting) -> Standing:
    """Database, tasks, autoscaling, and then wait for health. Raises Refused and AwsProblem.

    The tasks come after the database, or they would fail; the pause is forgotten last of what
    changes anything, so that an interrupt before it loses neither count, autoscaling nor alarm.
    """
    settings = station.settings
    turned(station, waiting, STARTED)
    now = station.look()
    if now.service is not None and (now.pause is not None or now.service.desired == 0):
        _bring_tasks(station, waiting, settings, now)
    if now.pause is not None:
        if now.service is not None:
            station.ring(True)
        station.forget(now.database)
    waiting.until_done(lambda: _ill(station, settings), HEALTH_MINUTES)
    return station.look()


def _bring_tasks(station: Station, waiting: Waiting, settings: Settings, now: Standing) -> None:
    """The count, and then the range and what is not suspended, by one call.

    AWS moves the count into the range at that call. So the range has to allow for the count, and
    the count comes first: moved from 0 to the minimum it would look like one that somebody has set.
    """
    desired = now.service.desired if now.service else 0
    scaled = _scaled(settings.service.scaling, now, desired)
    if desired == 0 and no_task_by_file(settings, now.at) is None:
        count = _tasks_to_start(station, waiting, now)
        station.scale(max(scaled.low, min(count, scaled.high)) if scaled else count)
    if scaled is not None and scaled != now.scaled:
        station.let_scale(scaled)


def _scaled(scaling: ScalingSettings, now: Standing, desired: int) -> Scaled | None:
    """Autoscaling as infra/scaling.py declares it for this moment.

    Without hours the range is Pulumi's, but for one that hours have left at 0. With them it is what
    the scheduled actions would have made of it; what somebody started outside of them runs on.
    """
    if now.scaled is None:
        return None
    suspended = (False, False, scaling.hours is None)
    if scaling.hours is None and now.scaled.high:
        return Scaled(now.scaled.low, now.scaled.high, suspended)
    if not scaling.maximum or not scaling.includes(now.at):
        return Scaled(0, desired, suspended)
    return Scaled(scaling.minimum, scaling.maximum, suspended)


def no_task_by_file(settings: Settings, moment: datetime) -> Text | None:
    """Why the stack file lets no task run at a moment; None where it lets some."""
    scaling = settings.service.scaling
    if scaling.hours is None or scaling.includes(moment):
        return None if scaling.maximum else t("the stack file's desiredCount is 0")
    return t(
        "it is outside of the hours {hours} ({zone}), and the schedule starts the tasks",
        hours=scaling.hours.text,
        zone=scaling.time_zone,
    )


def _tasks_to_start(station: Station, waiting: Waiting, now: Standing) -> int:
    if now.pause is not None and now.pause.count:
        return now.pause.count
    count = station.declared_count()
    waiting.say(
        t(
            "No number of tasks is remembered; the stack file's desiredCount is {count}.",
            count=count,
        )
    )
    return count


def _ill(station: Station, settings: Settings) -> Text | None:
    now = station.look()
    if now.service is None or now.steady:
        return None
    if now.service.desired == 0:
        return (
            t("the service is set to run no task")
            if no_task_by_file(settings, now.at) is None
            else None
        )
    return t(
        "{running} of {desired} tasks run, and not all are healthy",
        running=now.service.running,
        desired=now.service.desired,
    )
