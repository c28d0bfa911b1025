"""docs/commands.md: every command with its purpose and exit codes, as `--help` says them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from tools.cli import main

HEAD = """\
# Commands

A command's `--help` has its options and examples. `python -m tests.documents` writes this page from the same texts.

| `./careapp …` | purpose | exit codes |
|---|---|---|
"""
TAIL = """
Every command besides: 2 when it was called wrongly, 129, 130 and 143 when SIGHUP, Ctrl-C or SIGTERM ended it, 141 when
its output is no longer read.
"""
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


def page() -> str:
    """Return the page: the commands in the order of their names."""
    return HEAD + "".join(map(_row, sorted(exit_codes()))) + TAIL


def exit_codes() -> dict[str, str]:
    """Return what each command's help says of its exit codes; a subcommand has those of its group."""
    known = commands()
    return {
        name: _paragraph(command) or _paragraph(known[name.rpartition(" ")[0]])
        for name, command in known.items()
        if not _only_groups(command)
    }


def _only_groups(command: click.Command) -> bool:
    return isinstance(command, click.Group) and not command.invoke_without_command


def _paragraph(command: click.Command) -> str:
    match = PARAGRAPH.search(command.help or "")
    return " ".join(match[1].split()) if match else ""


def _row(name: str) -> str:
    purpose = " ".join((commands()[name].help or "").partition("\n\n")[0].split())
    return f"| `{name}` | {purpose} | {exit_codes()[name]} |\n"
