"""What the rehearsal's commands print: headings, waits that count their seconds, errors."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.markup import escape

out = Console(highlight=False)
"""Results; colours only on a terminal, and none with NO_COLOR."""
err = Console(stderr=True, highlight=False)
"""Progress and errors."""

STILL = 10.0
"""Seconds between two lines about a wait where there is no terminal to draw on."""


def say(text: str) -> None:
    """A heading between the steps."""
    out.print(f"\n[bold]{escape(text)}[/bold]", soft_wrap=True)


def tell(text: str) -> None:
    """A plain line."""
    out.print(escape(text), soft_wrap=True)


def fail(text: str) -> None:
    """An error, on standard error."""
    err.print(f"[bold red]error:[/bold red] {escape(text)}", soft_wrap=True)


@contextlib.contextmanager
def waiting(what: str) -> Iterator[Callable[[float], None]]:
    """A wait that shows its seconds; yields what is to be told them."""
    if not err.is_terminal:
        last = [0.0]

        def line(seconds: float) -> None:
            if seconds - last[0] >= STILL:
                last[0] = seconds
                err.print(f"{escape(what)} … {seconds:.0f} s", soft_wrap=True)

        yield line
        return
    with err.status(escape(what)) as status:
        begun = time.monotonic()
        yield lambda _: status.update(f"{escape(what)} … {time.monotonic() - begun:.0f} s")
