"""The options of every command that can start a local cloud."""

import math
from gettext import gettext
from ipaddress import IPv4Address
from typing import Any

import click

from local_cloud.clock import DEFAULT_SPEED
from local_cloud.text import t


class InRange(click.types._NumberRangeBase[Any, Any]):
    """Names the range also to what is no number; click takes NaN for a number in each range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            number = super().convert(value, param, ctx)
        except click.BadParameter:
            number = math.nan
        if math.isnan(number):
            text = gettext("{value} is not in the range {range}.")
            self.fail(text.format(value=value, range=self._describe_range()), param, ctx)
        return number


class WholeRange(InRange, click.IntRange):
    """A whole number."""


class NumberRange(InRange, click.FloatRange):
    """A number."""


class Address(click.ParamType[str]):
    """An IPv4 address, as text."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(IPv4Address(value)) if value else ""
        except ValueError:
            words = t("{value} is not an IPv4 address like 198.51.100.7.", value=repr(value))
            self.fail(str(words), param, ctx)


def options(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option(
            "--tasks",
            type=click.Choice(["auto", "docker", "process"]),
            default="auto",
            show_default=True,
            help="Run tasks as containers of the built image, or as processes of the image's own "
            "command; auto takes Docker where an engine can build the image.",
        ),
        click.option(
            "--speed",
            type=NumberRange(1, 200),
            default=DEFAULT_SPEED,
            show_default=True,
            help="Seconds of AWS's waits that pass in one second; 1 is AWS's own pace.",
        ),
        click.option(
            "--port",
            type=WholeRange(0, 65535),
            default=None,
            help="Loopback port of the app; 0 takes any. Default: 8080, or any if that is taken.",
        ),
        click.option(
            "--api-port",
            type=WholeRange(0, 65535),
            default=0,
            help="Loopback port of AWS's API, like 4566. Default: any.",
        ),
        click.option(
            "--from",
            "client",
            type=Address(),
            default="",
            help="Address from which every request to a load balancer comes, to see who gets in: the security "
            "groups and network ACLs judge it. Default: one that they let in, if there is one.",
        ),
    ):
        command = option(command)
    return command
