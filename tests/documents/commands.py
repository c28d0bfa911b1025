"""docs/commands.md: every command with its options, as `--help` says it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from tools.cli import main

WIDTH = 100
HEAD = """\
# Commands

What each command of `./careapp` prints with `--help`, written by `python -m tests.documents`; a test compares.
"""
EXIT_CODES = """
## Exit codes

| command | 0 | 1 | 2 | others |
|---|---|---|---|---|
"""
TAIL = """
Every command besides: 2 when it was called wrongly, 129, 130 and 143 when SIGHUP, Ctrl-C or SIGTERM ended it, 141 when
its output is no longer read.
"""
PARAGRAPH = re.compile(r"Exit code (0: .*)", re.DOTALL)
CODE = re.compile(r"(\d+): (.*?)[.,]?\s*(?=\d+: |$)", re.DOTALL)


def commands() -> dict[str, click.Command]:
    """Every command and subcommand by its words, `db check` say."""
    return dict(_below(main, ()))


def _below(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        here = (*words, name)
        yield " ".join(here), command
        if isinstance(command, click.Group):
            yield from _below(command, here)


def page() -> str:
    """All of them, in the order of their names."""
    rows = "".join(f"{_row(name, codes)}\n" for name, codes in exit_codes().items())
    sections = "".join(_section(words, each) for words, each in sorted(commands().items()))
    return HEAD + EXIT_CODES + rows + TAIL + sections


def exit_codes() -> dict[str, dict[int, str]]:
    """Return every command's exit codes and their meanings.

    A command whose help names none has those of its group, unless that is a command itself.
    """
    found: dict[str, dict[int, str]] = {}
    known = commands()
    groups = {words for words, each in known.items() if _only_groups(each)}
    for words, command in known.items():
        text = command.help or ""
        paragraph = PARAGRAPH.search(text)
        if paragraph:
            pairs = CODE.findall(paragraph[1])
            found[words] = {int(code): " ".join(meaning.split()) for code, meaning in pairs}
        elif words.rpartition(" ")[0] in found.keys() & groups:
            found[words] = found[words.rpartition(" ")[0]]
    return {words: codes for words, codes in found.items() if words not in groups}


def _only_groups(command: click.Command) -> bool:
    return isinstance(command, click.Group) and not command.invoke_without_command


def _row(words: str, codes: dict[int, str]) -> str:
    usual = " | ".join(codes.get(code, "") for code in (0, 1, 2))
    others = "; ".join(f"{code}: {meaning}" for code, meaning in codes.items() if code > 2)
    return f"| `{words}` | {usual} | {others} |"


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
