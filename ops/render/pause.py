"""Shows what a pause will do, what it has done, and what still costs money."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from i18n import Text, t
from ops import pause
from ops.moments import zoned
from ops.paused import keeps_snapshot
from ops.render.lines import Line
from ops.resume import no_task_by_file
from ops.standing import Standing, Station
from stack.settings import Settings


def plan(now: Standing, station: Station, lang: str) -> Iterator[Line]:
    """What is asked about."""
    where = t("{prefix} in {region}:", prefix=station.names.prefix, region=station.session.region)
    yield Line(where.to(lang), "bold")
    for each in pause.planned(now):
        yield Line(f"  - {each.to(lang)}")


def lines(now: Standing, station: Station, lang: str) -> Iterator[Line]:
    """How it stands after the command."""
    prefix, stack = station.names.prefix, station.names.stack
    if now.pause is None:
        yield Line(_running(now, prefix, station.settings).to(lang), "bold green")
        return
    yield Line(t("{prefix} is paused.", prefix=prefix).to(lang), "bold green")
    moment = zoned(pause.starts_again(now))
    again = t(
        "AWS starts the database by itself on {moment}, after seven days; "
        "./careapp pause -s {stack} stops it again then.",
        moment=moment,
        stack=stack,
    )
    yield Line(again.to(lang), "yellow")
    yield Line(t("Still costs money (how much: ./careapp cost):").to(lang))
    for each in pause.still_costs(now, station.settings):
        yield Line(f"  - {each.to(lang)}")
    back = t(
        "./careapp resume -s {stack} brings it back; pulumi destroy -s {stack} takes all of it away.",
        stack=stack,
    )
    if keeps_snapshot(station.settings):
        back = t(
            "./careapp resume -s {stack} brings it back. Do so before a pulumi destroy, too: "
            "RDS takes no final snapshot of a stopped database (databaseFinalSnapshot).",
            stack=stack,
        )
    yield Line(back.to(lang))


def _running(now: Standing, prefix: str, settings: Settings) -> Text:
    status = now.database.status
    if now.service is None:
        return t("{prefix}: the database is {status}; ECS is off.", prefix=prefix, status=status)
    if now.service.desired == 0:
        return t(
            "{prefix}: the database is {status}, and no task runs: {why}.",
            prefix=prefix,
            status=status,
            why=no_task_by_file(settings, now.at) or t("the service is set to run no task"),
        )
    return t(
        "{prefix} runs: {running} of {desired} tasks, all healthy; the database is {status}.",
        prefix=prefix,
        running=now.service.running,
        desired=now.service.desired,
        status=status,
    )


def as_dict(now: Standing, station: Station, lang: str) -> dict[str, Any]:
    """For scripts; times as ISO 8601."""
    service = now.service
    found: dict[str, Any] = {
        "stack": station.names.prefix,
        "region": station.session.region,
        "paused": now.pause is not None,
        "database": now.database.status,
        "desired": service.desired if service else None,
        "running": service.running if service else None,
    }
    if now.pause is None:
        return found
    return {
        **found,
        "since": now.pause.since.isoformat(),
        "count": now.pause.count,
        "starts_again": pause.starts_again(now).isoformat(timespec="seconds"),
        "still_costs": [each.to(lang) for each in pause.still_costs(now, station.settings)],
    }
