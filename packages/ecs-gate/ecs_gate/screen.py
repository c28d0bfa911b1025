"""Prints lines, with colours on a terminal, and formats times in the local time zone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ecs_gate.aws.local_cloud import now
from ecs_gate.text import Text
from ecs_gate.text.masking import mask, visible

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Line:
    """A line of output, with its style on a terminal.

    Secrets are masked, unless it is to stay ``whole``; control characters are shown as what they are.
    """

    content: str | Text
    style: str = ""
    whole: bool = False

    @property
    def text(self) -> str:
        """Return what is printed."""
        return visible(str(self.content)) if self.whole else mask(str(self.content))


def display(screen: Iterable[Line]) -> None:
    """Print lines, with colours on a terminal unless NO_COLOR is set."""
    if not uses_colour():
        for line in screen:
            print(line.text, flush=True)
        return
    out = console()
    for line in screen:
        out.print(line.text, style=line.style or None, markup=False, soft_wrap=True)


def console(*, stderr: bool = False) -> Console:
    """Return a rich console; with NO_COLOR it has no styles at all, not even bold."""
    from rich.console import Console

    plain = os.environ.get("NO_COLOR")
    return Console(stderr=stderr, highlight=False, color_system=None if plain else "auto")


def uses_colour() -> bool:
    """Return whether standard output is a terminal with colours (no-color.org)."""
    dumb = os.environ.get("TERM", "dumb") == "dumb" or os.environ.get("NO_COLOR")
    return sys.stdout.isatty() and not dumb


def short_time(at: datetime, today: datetime | None = None) -> str:
    """Return `17:53:20`, or `11-24 17:53:20` for another day than ``today``."""
    here = at.astimezone()
    same = here.date() == (today or now()).astimezone().date()
    return f"{here:%H:%M:%S}" if same else dated_time(at)


def dated_time(at: datetime) -> str:
    """Return `11-24 17:53:20`, which always has the same width."""
    return f"{at.astimezone():%m-%d %H:%M:%S}"


def zoned_time(at: datetime) -> str:
    """Return `2026-11-24 17:53 JST`, for times that are days away or read elsewhere."""
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}"
