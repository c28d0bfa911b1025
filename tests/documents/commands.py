"""Every command of `./careapp`, and what its `--help` says of its exit codes."""

import re
from collections.abc import Iterator

import click

from careapp.cli import main

PARAGRAPH = re.compile(r"^ *Exit code:? (.*?)(?:\n\n|\Z)", re.DOTALL | re.MULTILINE)


def commands() -> dict[str, click.Command]:
    """Return every command and subcommand by its name, like `db check`."""
    return dict(_below(main, ()))


def _below(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        here = (*words, name)
        yield " ".join(here), command
        if isinstance(command, click.Group):
            yield from _below(command, here)


def exit_codes() -> dict[str, str]:
    """Return what each command's help says of its exit codes; a subcommand has those of its group."""
    known = commands()
    return {
        name: _paragraph(command) or _paragraph(known[name.rpartition(" ")[0]])
        for name, command in known.items()
        if not isinstance(command, click.Group) or command.invoke_without_command
    }


def _paragraph(command: click.Command) -> str:
    match = PARAGRAPH.search(command.help or "")
    return " ".join(match[1].split()) if match else ""
