"""Pauses a stack: no task, a stopped database, all else as it was. Can be run again from any point."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from i18n import Refused, Text, t
from ops.paused import DAYS_STOPPED, Pause
from ops.standing import Standing, Station, unusable
from ops.turning import STOPPED, turned
from ops.waiting import Waiting
from stack.settings import Settings

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
