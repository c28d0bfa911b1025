"""Declares ``./careapp db``: the commands that connect to the database, and those that restore it."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import click

from careapp.command_line import WholeRange, stack_option
from ecs_gate.text import t, text_of


@click.group()
def db() -> None:
    """Connect to the database, which is not reachable from the internet, and restore it.

    AWS Session Manager connects through the bastion (bastionEnabled) or a task of the service
    (execEnabled); AWS's session-manager-plugin must be on PATH. The login is the master user's. Its
    password goes from Secrets Manager to the client and is never shown.

    Exit code 0: done. 1: refused, or no answer. 2: AWS could not be read.
    """


@db.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--rounds", type=WholeRange(1, 1000), default=20, show_default=True,
    help="Number of round trips to measure.",
)  # fmt: skip
def check(stack: str, as_json: bool, rounds: int) -> None:
    """Connect, and show version, TLS and latency."""
    from careapp.database import commands

    sys.exit(commands.check(stack, as_json, rounds))


@db.command()
@stack_option
@click.option(
    "-c", "--command", "question", default=None, help="Run this statement; psql is not needed."
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def psql(stack: str, question: str | None, words: tuple[str, ...]) -> None:
    """Open psql on the database, or run one statement.

    \b
      ./careapp db psql
      ./careapp db psql -c "SELECT count(*) FROM visits"
      ./careapp db psql -- --csv -f report.sql      arguments after -- go to psql
    """
    from careapp.database import commands

    sys.exit(commands.psql(stack, question, list(words)))


@db.command()
@stack_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--port", type=WholeRange(0, 65535), default=0, help="Local port; 0 for any free one."
)
def tunnel(stack: str, as_json: bool, port: int) -> None:
    """Open a port of 127.0.0.1 that leads to the database, until Ctrl-C."""
    from careapp.database import commands

    sys.exit(commands.keep_tunnel_open(stack, port, as_json))


class PointInTime(click.ParamType[datetime]):
    """A time in ISO 8601, like 2026-11-27T12:30; without an offset in the local time zone."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time in UTC. Fails with the accepted forms for anything else."""
        from careapp.database.copies import parse_time

        try:
            return parse_time(str(value))
        except ValueError as problem:
            self.fail(str(text_of(problem)), param, ctx)


def alone(context: click.Context, _: click.Parameter, snapshot: str) -> str:
    """Return the snapshot. Fails beside ``--time``."""
    if snapshot and context.params.get("moment"):
        raise click.UsageError(str(t("--time and --snapshot exclude each other.")))
    return snapshot


@db.command()
@stack_option
@click.option(
    "--time", "moment", type=PointInTime(), is_eager=True,  # before --snapshot, which looks at it
    help="Restore this time, like 2026-11-27T12:30.",
)  # fmt: skip
@click.option("--snapshot", default="", callback=alone, help="Restore this snapshot.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
def restore(**options: Any) -> None:
    """Replace the database by a restored one, and keep the old one.

    The backup is restored beside the database. Then both are renamed, and `pulumi up --refresh` starts
    tasks with the new password, at once and without deployment alarms; a second one sets these back. The
    old instance stays until you delete it. After an interrupt run it again without --time and --snapshot.

    Exit code 0: restored. 1: refused, or not done in time. 2: AWS could not be read. 130: interrupted.
    """
    from careapp.database import restore

    sys.exit(restore.restore(**options))
