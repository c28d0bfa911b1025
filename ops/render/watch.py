"""A screen that is drawn again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ops.render.lines import Line, coloured, display


def watched(look: Callable[[], Sequence[Line]], seconds: float) -> int:
    """Show what ``look`` gives every few seconds until Ctrl-C; where no terminal is, only changes."""
    if not coloured():
        return _printed(look, seconds)
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text as Rich

    console = Console(highlight=False, markup=False)
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            screen = Rich("\n").join(Rich(each.text, style=each.style) for each in look())
            live.update(screen, refresh=True)
            time.sleep(seconds)


def _printed(look: Callable[[], Sequence[Line]], seconds: float) -> int:
    shown: Sequence[Line] = ()
    while True:
        found = look()
        if found != shown:
            display([*found, Line("")])
            shown = found
        time.sleep(seconds)
