"""What every command of ops can be told."""

from __future__ import annotations

from typing import Any

import click

from i18n import LANGUAGES, Text, shown, t


def options(command: click.decorators.FC) -> click.decorators.FC:
    """Which stack, and in which language: for every command."""
    for option in (
        click.option(
            "-s", "--stack", default="poc", show_default=True, help="The stack, by its file's name."
        ),
        click.option(
            "--lang",
            type=click.Choice(LANGUAGES),
            help="English or Japanese; otherwise that of CAREAPP_LANG, LC_ALL, LC_MESSAGES or LANG.",
        ),
    ):
        command = option(command)
    return command


class Whole(click.IntRange):
    """A whole number within limits; what is none is refused with the limits."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number. Refuses with a sentence."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as wrong:
            text = t(
                "{value} is not a whole number {limits}.", value=repr(value), limits=limits(self)
            )
            raise click.BadParameter(shown(text), ctx, param) from wrong


class Number(click.FloatRange):
    """A number within limits; what is none is refused with the limits."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number. Refuses with a sentence."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as wrong:
            text = t("{value} is not a number {limits}.", value=repr(value), limits=limits(self))
            raise click.BadParameter(shown(text), ctx, param) from wrong


def limits(kind: click.IntRange | click.FloatRange) -> Text:
    """Where a number must lie."""
    low, high = kind.min or 0, kind.max
    if high is None:
        return t("from {low} up", low=low)
    return t("from {low} to {high}", low=low, high=high)
