"""The commands ``./careapp status``, ``doctor``, ``logs``, ``events`` and ``preflight``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ops.texts import LANGUAGES, language


def options(command: click.decorators.FC) -> click.decorators.FC:
    """Which stack, and in which language: for every command."""
    for option in (
        click.option(
            "-s", "--stack", default="poc", show_default=True, help="The stack, by its file's name."
        ),
        click.option(
            "--lang",
            type=click.Choice(LANGUAGES),
            help="English or Japanese; otherwise that of LC_ALL, LC_MESSAGES or LANG.",
        ),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Look at a running stack, on AWS or on the local cloud."""


@main.command()
@options
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def doctor(stack: str, lang: str | None, as_json: bool) -> None:
    """Say why the stack does not work, cause first, and what mends it.

    Exit code 0: healthy. 1: a cause was found. 2: it could not look.
    """
    from ops import commands

    sys.exit(commands.doctor(stack, Path(), language(lang), as_json))


@main.command()
@options
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def preflight(stack: str, lang: str | None, as_json: bool) -> None:
    """Check what must be in order before ecsEnabled is set to true.

    Exit code 0: ready. 1: something is wrong. 2: it could not look.
    """
    from ops import commands

    sys.exit(commands.preflight(stack, Path(), language(lang), as_json))


if __name__ == "__main__":
    main(prog_name="./careapp")
