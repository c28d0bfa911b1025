"""The commands ``./careapp pause`` and ``./careapp resume``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from i18n import language
from ops.options import options


@click.command()
@options
@click.option("--json", "as_json", is_flag=True, help="For scripts; progress goes to stderr.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def pause(stack: str, lang: str | None, as_json: bool, yes: bool) -> None:
    """Stop tasks and database, and keep all else: cheaper for a while.

    Can be run again from wherever it was interrupted. `pulumi up` leaves a paused stack paused;
    `pulumi up --refresh` does not: it puts the tasks back, and then wants ./careapp resume.

    Exit code 0: paused. 1: refused, or not done in time. 2: it could not look. 130: interrupted.
    """
    from ops import pause_commands

    sys.exit(pause_commands.pause(stack, Path(), language(lang), as_json, yes))


@click.command()
@options
@click.option("--json", "as_json", is_flag=True, help="For scripts; progress goes to stderr.")
def resume(stack: str, lang: str | None, as_json: bool) -> None:
    """Start the database, then as many tasks as ran before, and wait until they are healthy.

    Exit code 0: it runs, or no task is wanted at this hour. 1: not in time. 2: it could not look. 130: interrupted.
    """
    from ops import pause_commands

    sys.exit(pause_commands.resume(stack, Path(), language(lang), as_json))
