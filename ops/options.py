"""What every command of ops can be told."""

from __future__ import annotations

import click

from ops.texts import LANGUAGES


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
