"""Brings a paused stack back. Can be run again from any point, and on a stack that is not paused."""

from __future__ import annotations

from ops.standing import Standing, Station
from ops.texts import Text, t
from ops.turning import STARTED, turned
from ops.waiting import Waiting

HEALTH_MINUTES = 15


def resume(station: Station, waiting: Waiting) -> Standing:
    """Database, tasks, autoscaling, and then wait for health. Raises Refused and AwsProblem.

    The tasks come after the database, or they would fail; the pause is forgotten last of what
    changes anything, so that an interrupt before it loses neither count, autoscaling nor alarm.
    """
    turned(station, waiting, STARTED)
    now = station.look()
    if now.service is not None and now.service.desired == 0:
        station.scale(_count(station, waiting, now))
    if now.pause is not None:
        if now.suspended:
            station.suspend(False)
        if now.service is not None:
            station.ring(True)
        station.forget(now.database)
    waiting.until_done(lambda: _ill(station), HEALTH_MINUTES)
    return station.look()


def _count(station: Station, waiting: Waiting, now: Standing) -> int:
    if now.pause is not None and now.pause.count is not None:
        return now.pause.count
    count = station.declared_count()
    waiting.tell(
        t(
            "No number of tasks is remembered; the stack file's desiredCount is {count}.",
            count=count,
        )
    )
    return count


def _ill(station: Station) -> Text | None:
    now = station.look()
    if now.service is None or now.service.desired == 0 or now.steady:
        return None
    return t(
        "{running} of {desired} tasks run, and not all are healthy",
        running=now.service.running,
        desired=now.service.desired,
    )
