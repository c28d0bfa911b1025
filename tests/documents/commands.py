"""docs/commands.md: every command with its options, as `--help` says it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ops.__main__ import main as ops
from rehearsal.__main__ import main as rehearsal

WIDTH = 100
HEAD = """\
# Commands

What each command of `./careapp` prints with `--help`, written by `python -m tests.documents`; a test compares.
`./careapp test` and `./careapp completion` explain themselves.
"""


def commands() -> dict[str, click.Command]:
    """Every command and subcommand by its words, `db check` say."""
    found: dict[str, click.Command] = {}
    for group in (rehearsal, ops):
        found |= dict(_below(group, ()))
    return found


def _below(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        here = (*words, name)
        yield " ".join(here), command
        if isinstance(command, click.Group):
            yield from _below(command, here)


def page() -> str:
    """All of them, in the order of their names."""
    return HEAD + "".join(_section(words, each) for words, each in sorted(commands().items()))


def _section(words: str, command: click.Command) -> str:
    level = "#" * (2 + words.count(" "))
    context = click.Context(
        command,
        info_name=f"./careapp {words}",
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return f"\n{level} {words}\n\n```text\n{command.get_help(context)}\n```\n"
