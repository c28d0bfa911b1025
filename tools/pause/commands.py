"""The commands `./careapp pause` and `./careapp resume`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from stack.settings import Settings
from tools.aws.session import Session
from tools.command_line import exit_code_of, print_json
from tools.i18n import Refused, Text, t
from tools.pause import processes, steps
from tools.pause.state import PausableStack, StackState
from tools.pause.steps import why_no_task
from tools.screen import Line, display, zoned_time
from tools.snapshot.rds import RESUME_FIRST, keeps_snapshot
from tools.waiting import Waiting


def plan(now: StackState, pausable: PausableStack) -> Iterator[Line]:
    """Yield what a pause will change, for the confirmation."""
    where = t("{prefix} in {region}:", prefix=pausable.names.prefix, region=pausable.session.region)
    yield Line(str(where), "bold")
    for each in (*steps.planned_changes(now), *processes.planned_changes(pausable.settings)):
        yield Line(f"  - {each!s}")
    if pausable.settings.uploads_enabled:
        files = t(
            "the bucket with the app's files stays, and signed addresses of its files stay valid"
        )
        yield Line(f"  - {files!s}")


def lines(now: StackState, pausable: PausableStack) -> Iterator[Line]:
    """Yield the state of the stack after the command."""
    prefix, stack = pausable.names.prefix, pausable.names.stack
    if now.pause is None:
        yield Line(str(_running(now, prefix, pausable.settings)), "bold green")
        return
    yield Line(str(t("{prefix} is paused.", prefix=prefix)), "bold green")
    moment = zoned_time(steps.automatic_start(now))
    again = t(
        "AWS starts the database automatically on {moment}, after seven days; then stop it again "
        "with ./careapp pause -s {stack}.",
        moment=moment,
        stack=stack,
    )
    yield Line(str(again), "yellow")
    yield Line(str(t("Still billed (amounts: ./careapp cost):")))
    for each in steps.still_costs(now, pausable.settings):
        yield Line(f"  - {each!s}")
    if keeps_snapshot(pausable.settings):
        yield Line(str(t("Start it again with ./careapp resume -s {stack}.", stack=stack)))
        yield Line(str(RESUME_FIRST), "yellow")
        return
    back = t(
        "Start it again with ./careapp resume -s {stack}, or delete everything with pulumi "
        "destroy -s {stack}.",
        stack=stack,
    )
    yield Line(str(back))


def _running(now: StackState, prefix: str, settings: Settings) -> Text:
    status = now.database.status
    if now.service is None:
        return t("{prefix}: the database is {status}; ECS is off.", prefix=prefix, status=status)
    if now.service.desired == 0:
        return t(
            "{prefix}: the database is {status}, and no task runs: {why}.",
            prefix=prefix,
            status=status,
            why=why_no_task(settings, now.at) or t("the service is set to run no task"),
        )
    return t(
        "{prefix} runs: {running} of {desired} tasks, all healthy; the database is {status}.",
        prefix=prefix,
        running=now.service.running,
        desired=now.service.desired,
        status=status,
    )


def as_dict(now: StackState, pausable: PausableStack) -> dict[str, Any]:
    """Return the state for scripts; times as ISO 8601."""
    service = now.service
    found: dict[str, Any] = {
        "stack": pausable.names.prefix,
        "region": pausable.session.region,
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
        "starts_again": steps.automatic_start(now).isoformat(timespec="seconds"),
        "still_costs": [str(each) for each in steps.still_costs(now, pausable.settings)],
    }


NOT_AGREED = 1


def pause(stack: str, folder: Path, as_json: bool, yes: bool) -> int:
    """Pause a stack; return 0 paused, 1 refused or not in time, 2 unknown."""

    def work() -> int:
        pausable = _pausable(stack, folder)
        now = pausable.read()
        steps.check_pausable(now, pausable.settings)
        if not steps.is_paused(now):
            if not yes and not _agreed(now, pausable, as_json):
                return NOT_AGREED
            now = steps.pause(pausable, Waiting.printing(as_json), now)
        return _shown(now, pausable, as_json)

    return exit_code_of(work, _interrupted(stack))


def resume(stack: str, folder: Path, as_json: bool) -> int:
    """Resume a stack; return 0 running, 1 not in time, 2 unknown."""

    def work() -> int:
        pausable = _pausable(stack, folder)
        now = steps.resume(pausable, Waiting.printing(as_json))
        return _shown(now, pausable, as_json)

    return exit_code_of(work, _interrupted(stack))


def _pausable(stack: str, folder: Path) -> PausableStack:
    settings = Settings.read(stack, folder)
    return PausableStack(Session(settings.region, settings.profile), settings.names, settings)


def _agreed(now: StackState, pausable: PausableStack, as_json: bool) -> bool:
    """Ask for confirmation. Raises Refused without a terminal."""
    if not sys.stdin.isatty():
        raise Refused(
            t(
                "pause asks for confirmation before it stops {prefix}, but there is no terminal; "
                "use --yes.",
                prefix=pausable.names.prefix,
            )
        )
    for line in plan(now, pausable):
        click.echo(line.text, err=as_json)
    return click.confirm(str(t("Continue?")), err=as_json)


def _shown(now: StackState, pausable: PausableStack, as_json: bool) -> int:
    if as_json:
        print_json(as_dict(now, pausable))
    else:
        display(lines(now, pausable))
    return 0


def _interrupted(stack: str) -> Text:
    return t(
        "interrupted; nothing is lost: continue with `./careapp pause -s {stack}`, or go back "
        "with `./careapp resume -s {stack}`.",
        stack=stack,
    )
