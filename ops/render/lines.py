"""Lines of a screen: coloured on a terminal, plain elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Line:
    """A line of the screen, with the style it has on a terminal."""

    text: str
    style: str = ""


def display(screen: Iterable[Line]) -> None:
    """In colours on a terminal that takes them; plain elsewhere, and with NO_COLOR."""
    if not coloured():
        for line in screen:
            print(line.text, flush=True)
        return
    out = console()
    for line in screen:
        out.print(line.text, style=line.style or None, markup=False, soft_wrap=True)


def console(*, stderr: bool = False) -> Console:
    """rich's console; with NO_COLOR without any style, for bold is one, too."""
    from rich.console import Console

    plain = os.environ.get("NO_COLOR")
    return Console(stderr=stderr, highlight=False, color_system=None if plain else "auto")


def coloured() -> bool:
    """Whether colours may be used (no-color.org)."""
    dumb = os.environ.get("TERM", "dumb") == "dumb" or os.environ.get("NO_COLOR")
    return sys.stdout.isatty() and not dumb
