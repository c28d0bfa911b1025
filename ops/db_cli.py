"""The commands ``./careapp db check``, ``db psql`` and ``db tunnel``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from i18n import language
from ops.options import Whole, options


def through(command: click.decorators.FC) -> click.decorators.FC:
    """What a tunnel can be told."""
    return click.option(
        "--via",
        type=click.Choice(["bastion", "task"]),
        default=None,
        help="Go through this one; otherwise the bastion where there is one, else a task.",
    )(command)


@click.group()
def db() -> None:
    """Reach the database, which no address of the internet leads to.

    By AWS Session Manager through the bastion (bastionEnabled) or, with execEnabled, a task of the
    service; AWS's session-manager-plugin must be on PATH. Each logs in as the master user; the
    password goes from Secrets Manager to the client and is shown nowhere.

    Exit code 0: done. 1: refused, or no answer. 2: it could not look.
    """


@db.command()
@options
@through
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option(
    "--rounds", type=Whole(1, 1000), default=20, show_default=True,
    help="Round trips to measure.",
)  # fmt: skip
def check(stack: str, lang: str | None, via: str | None, as_json: bool, rounds: int) -> None:
    """Connect, and say what is there, whether TLS is checked, and how fast it answers."""
    from ops import db_commands

    wanted = db_commands.Wanted(stack, Path(), language(lang), via or "")
    sys.exit(db_commands.check(wanted, as_json, rounds))


@db.command()
@options
@through
@click.option("-c", "--command", "question", default=None, help="Ask this alone; needs no psql.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def psql(
    stack: str, lang: str | None, via: str | None, question: str | None, words: tuple[str, ...]
) -> None:
    """Open psql on the database, or put one question.

    \b
      ./careapp db psql
      ./careapp db psql -c "SELECT count(*) FROM visits"
      ./careapp db psql -- --csv -f report.sql      what follows -- is psql's own
    """
    from ops import db_commands

    wanted = db_commands.Wanted(stack, Path(), language(lang), via or "")
    sys.exit(db_commands.psql(wanted, question, list(words)))


@db.command()
@options
@through
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--port", type=Whole(0, 65535), default=0, help="Port of 127.0.0.1; 0 takes any.")
def tunnel(stack: str, lang: str | None, via: str | None, as_json: bool, port: int) -> None:
    """Hold a port of 127.0.0.1 open that leads to the database, until Ctrl-C."""
    from ops import db_commands

    wanted = db_commands.Wanted(stack, Path(), language(lang), via or "")
    sys.exit(db_commands.tunnel(wanted, port, as_json))
