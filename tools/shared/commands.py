"""What the commands of careapp and of the local cloud have in common: help, numbers and their errors by language."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import click

from tools.i18n import Text, t, translated


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


class Whole(click.IntRange):
    """An integer in a range; the error of a bad value names the range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as wrong:
            text = t(
                "{value} is not a whole number {limits}.", value=repr(value), limits=limits(self)
            )
            raise click.BadParameter(str(text), ctx, param) from wrong


class Number(click.FloatRange):
    """A number in a range; the error of a bad value names the range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as wrong:
            text = t("{value} is not a number {limits}.", value=repr(value), limits=limits(self))
            raise click.BadParameter(str(text), ctx, param) from wrong


def limits(kind: click.IntRange | click.FloatRange) -> Text:
    low, high = kind.min or 0, kind.max
    if high is None:
        return t("from {low} up", low=low)
    return t("from {low} to {high}", low=low, high=high)
