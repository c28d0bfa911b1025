"""Brings a paused stack back. Can be run again from any point, and on a stack that is not paused."""

from __future__ import annotations

from datetime import datetime

from i18n import Text, t
from ops.standing import Scaled, Standing, Station
from ops.turning import STARTED, turned
from ops.waiting import Waiting
from stack.scaling import ScalingSettings
from stack.settings import Settings

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
        count = _count(station, waiting, now)
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


def _count(station: Station, waiting: Waiting, now: Standing) -> int:
    if now.pause is not None and now.pause.count:
        return now.pause.count
    count = station.declared_count()
    waiting.tell(
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
