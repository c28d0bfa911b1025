"""Shows what a pause will do, what it has done, and what still costs money."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from i18n import Refused, Text, t
from ops.aws.session import Session
from ops.command_line import INTERRUPTED, guarded
from ops.pause import pausing
from ops.pause import pausing as resuming
from ops.pause.pausing import no_task_by_file
from ops.pause.standing import Standing, Station
from ops.rollout.follow import Pace, Waiting
from ops.screen import Line, display, zoned
from ops.snapshot.rds import keeps_snapshot
from stack.settings import Settings


def plan(now: Standing, station: Station) -> Iterator[Line]:
    """What is asked about."""
    where = t("{prefix} in {region}:", prefix=station.names.prefix, region=station.session.region)
    yield Line(str(where), "bold")
    for each in pausing.planned(now):
        yield Line(f"  - {each!s}")


def lines(now: Standing, station: Station) -> Iterator[Line]:
    """How it stands after the command."""
    prefix, stack = station.names.prefix, station.names.stack
    if now.pause is None:
        yield Line(str(_running(now, prefix, station.settings)), "bold green")
        return
    yield Line(str(t("{prefix} is paused.", prefix=prefix)), "bold green")
    moment = zoned(pausing.starts_again(now))
    again = t(
        "AWS starts the database by itself on {moment}, after seven days; "
        "./careapp pause -s {stack} stops it again then.",
        moment=moment,
        stack=stack,
    )
    yield Line(str(again), "yellow")
    yield Line(str(t("Still costs money (how much: ./careapp cost):")))
    for each in pausing.still_costs(now, station.settings):
        yield Line(f"  - {each!s}")
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
    yield Line(str(back))


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


def as_dict(now: Standing, station: Station) -> dict[str, Any]:
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
        "starts_again": pausing.starts_again(now).isoformat(timespec="seconds"),
        "still_costs": [str(each) for each in pausing.still_costs(now, station.settings)],
    }


NOT_AGREED = 1


def pause(stack: str, folder: Path, as_json: bool, yes: bool) -> int:
    """Pause; 0 paused, 1 refused or too late, 2 could not look."""

    def work() -> int:
        station = _station(stack, folder)
        now = station.look()
        pausing.allowed(now)
        if not pausing.done(now):
            if not yes and not _agreed(now, station, as_json):
                return NOT_AGREED
            now = pausing.pause(station, _waiting(as_json), now)
        return _shown(now, station, as_json)

    return _interruptible(work, stack)


def resume(stack: str, folder: Path, as_json: bool) -> int:
    """Resume; 0 it runs, 1 not in time, 2 could not look."""

    def work() -> int:
        station = _station(stack, folder)
        now = resuming.resume(station, _waiting(as_json))
        return _shown(now, station, as_json)

    return _interruptible(work, stack)


def _station(stack: str, folder: Path) -> Station:
    settings = Settings.read(stack, folder)
    return Station(Session(settings.region, settings.profile), settings.names, settings)


def _waiting(as_json: bool) -> Waiting:
    """Progress goes to stderr where stdout is for a script."""
    out = sys.stderr if as_json else sys.stdout
    return Waiting(lambda text: print(str(text), file=out, flush=True), Pace.of())


def _agreed(now: Standing, station: Station, as_json: bool) -> bool:
    """Ask. Raises Refused where nobody can answer."""
    if not sys.stdin.isatty():
        raise Refused(
            t(
                "pause asks before it stops {prefix}, and here is no terminal to ask on; say --yes.",
                prefix=station.names.prefix,
            )
        )
    for line in plan(now, station):
        click.echo(line.text, err=as_json)
    return click.confirm(str(t("Go on?")), err=as_json)


def _shown(now: Standing, station: Station, as_json: bool) -> int:
    if as_json:
        print(json.dumps(as_dict(now, station), ensure_ascii=False, indent=2))
    else:
        display(lines(now, station))
    return 0


def _interruptible(work: Callable[[], int], stack: str) -> int:
    def told() -> int:
        try:
            return work()
        except KeyboardInterrupt:
            print(f"careapp: {_interrupted(stack)!s}", file=sys.stderr)
            return INTERRUPTED

    return guarded(told)


def _interrupted(stack: str) -> Text:
    return t(
        "interrupted half-way; nothing is lost: `./careapp pause -s {stack}` goes on, "
        "`./careapp resume -s {stack}` brings it back.",
        stack=stack,
    )
