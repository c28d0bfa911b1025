"""The help of commands in the current language."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from tools.i18n import Text, translated


class TranslatedOption(click.Option):
    """An option whose help is a Text with values instead of a literal."""

    def __init__(self, *words: str, text: Text, **how: object) -> None:
        super().__init__(*words, **how)  # type: ignore[arg-type]
        self.text = text
        self.help = str(text)


def below(command: click.Command) -> Iterator[click.Command]:
    yield command
    subcommands = getattr(command, "commands", {})
    if isinstance(subcommands, dict):  # those of ./careapp itself are imported one at a time
        for each in subcommands.values():
            yield from below(each)


def translate_help(command: click.Command) -> None:
    """Translate the help of a command, of its subcommands and of their options."""
    for each in below(command):
        if each.help:
            each.help = translated(inspect.cleandoc(each.help))
            each.short_help = each.help.partition("\n")[0]
        for option in each.params:
            if isinstance(option, TranslatedOption):
                option.help = str(option.text)
            elif isinstance(option, click.Option) and option.help:
                option.help = translated(option.help)
