"""The commands `./careapp pause` and `./careapp resume`."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from careapp.additions.parts.pauses import DAYS_STOPPED, RESUME_FIRST, pause_of
from careapp.command_line import FAILED, exit_code_of, print_json, settings_to_look
from careapp.pause.steps import Pausable, check_pausable, why_no_task
from careapp.settings.settings import Settings
from ecs_gate.aws import local_cloud
from ecs_gate.parts.rds import Database
from ecs_gate.parts.records import Service
from ecs_gate.screen import Line, display, zoned_time
from ecs_gate.text import Refused, Text, t


def pause(stack: str, as_json: bool, yes: bool) -> int:
    """Pause a stack; return 0 paused, 1 refused or not in time, 2 unknown."""

    def work() -> int:
        pausable = Pausable.of(settings_to_look(stack), as_json)
        check_pausable(pausable.database(), pausable.settings)
        if not pausable.is_paused():
            if not yes and not _agreed(pausable, as_json):
                return FAILED
            pausable.pause()
        return _show(pausable, as_json)

    return exit_code_of(work, _interrupted(stack, "pause", "resume"))


def resume(stack: str, as_json: bool) -> int:
    """Resume a stack; return 0 running, 1 not in time, 2 unknown."""

    def work() -> int:
        # What the stack file says wrongly must not decide what starts.
        pausable = Pausable.of(Settings.read(stack), as_json)
        pausable.resume()
        return _show(pausable, as_json)

    return exit_code_of(work, _interrupted(stack, "resume", "pause"))


def _interrupted(stack: str, verb: str, other: str) -> Text:
    return t(
        "interrupted; nothing is lost: continue with `./careapp {verb} -s {stack}`, or go back "
        "with `./careapp {other} -s {stack}`.",
        stack=stack,
        verb=verb,
        other=other,
    )


def _agreed(pausable: Pausable, as_json: bool) -> bool:
    """Ask for confirmation. Raises Refused without a terminal."""
    prefix = pausable.settings.names.prefix
    if not sys.stdin.isatty():
        raise Refused(
            "pause asks for confirmation before it stops {prefix}, but there is no terminal; "
            "use --yes.",
            prefix=prefix,
        )
    plan = t(
        "{prefix} in {region}: all tasks and the schedules of jobs stop, the load balancer answers 503, then the "
        "database stops. Its data, files, images and the address stay.",
        prefix=prefix,
        region=pausable.session.region,
    )
    click.echo(str(plan), err=as_json)
    return click.confirm(str(t("Continue?")), err=as_json)


def _show(pausable: Pausable, as_json: bool) -> int:
    database, names = pausable.database(), pausable.settings.names
    web = pausable.services().get(names.service)
    if as_json:
        starts = _automatic_start(database).isoformat(timespec="seconds")
        print_json(
            {
                "stack": names.prefix,
                "region": pausable.session.region,
                "paused": pause_of(database) is not None,
                "database": database.status,
                "desired": web.desired if web else None,
                "running": web.running if web else None,
                "starts_again": starts if pause_of(database) else None,
            }
        )
    elif pause_of(database):
        display(_paused(pausable.settings, database))
    else:
        display([_running(pausable.settings, database, web)])
    return 0


def _automatic_start(database: Database) -> datetime:
    """Return when AWS starts the database: as RDS says, else seven days from now."""
    return (database.starts or local_cloud.now() + DAYS_STOPPED).astimezone(UTC)


def _paused(settings: Settings, database: Database) -> Iterator[Line]:
    stack = settings.stack
    yield Line(t("{prefix} is paused.", prefix=settings.names.prefix), "bold green")
    again = t(
        "AWS starts the database automatically on {moment}, after seven days; then stop it again "
        "with ./careapp pause -s {stack}.",
        moment=zoned_time(_automatic_start(database)),
        stack=stack,
    )
    yield Line(again, "yellow")
    yield Line(t("All but the tasks and the database's hours is billed: ./careapp cost."))
    yield Line(t("Start it again with ./careapp resume -s {stack}.", stack=stack))
    if settings.database.final_snapshot:
        yield Line(RESUME_FIRST, "yellow")


def _running(settings: Settings, database: Database, web: Service | None) -> Line:
    why = why_no_task(settings, local_cloud.now())
    text = t(
        "{prefix} runs: {running} of {desired} tasks; the database is {status}.",
        prefix=settings.names.prefix,
        running=web.running if web else 0,
        desired=web.desired if web else 0,
        status=database.status,
    )
    return Line(f"{text!s} ({why!s})" if web and why else str(text), "bold green")
