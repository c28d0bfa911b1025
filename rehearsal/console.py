"""What the rehearsal's commands print: headings, plain lines, errors, and how long a step takes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from rich.markup import escape

from i18n import Text, t
from ops.command_line import print_error as fail
from ops.screen import console

__all__ = ["fail", "note", "say", "tell"]

out = console()
"""Results; colours only on a terminal, and none with NO_COLOR."""
err = console(stderr=True)
"""What is not a result."""


def say(text: Text | str) -> None:
    """A heading between the steps."""
    out.print(f"\n[bold]{escape(str(text))}[/bold]", soft_wrap=True)


def tell(text: Text | str) -> None:
    """A plain line."""
    out.print(escape(str(text)), soft_wrap=True)


def note(text: Text | str) -> None:
    """A plain line beside the results, on standard error."""
    err.print(escape(str(text)), soft_wrap=True)


def spoken(seconds: float) -> str:
    """The length of a wait as one says it: `8 s`, `5 min 40 s`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes:
        return str(t("{minutes} min {rest} s", minutes=minutes, rest=rest))
    return str(t("{rest} s", rest=rest))


@dataclass
class Phase:
    """One step under way: what it is, how far it has come, how long it usually takes."""

    title: Text | str
    expect: Text | str = ""
    detail: Text | str = ""
    started: float = field(default_factory=time.monotonic)

    def line(self) -> str:
        """The step as it stands now, for one line of a screen."""
        elapsed = spoken(time.monotonic() - self.started)
        parts = [str(part) for part in (self.title, self.detail, elapsed) if part]
        return ", ".join(parts) + (f" ({self.expect!s})" if self.expect else "")


class Progress:
    """Writes to a stream: on a terminal one line kept up to date, elsewhere a line now and then.

    A phase that ends within `patience` seconds leaves no trace.
    """

    def __init__(
        self, stream: TextIO | None = None, patience: float = 2.0, every: float = 30.0
    ) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.patience = patience
        self.live = self.stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.every = min(every, 0.5) if self.live else every

    def say(self, text: Text | str) -> None:
        """Writes a line that stays."""
        self._write(f"{text!s}\n")

    @contextmanager
    def phase(self, title: Text | str, expect: Text | str = "") -> Iterator[Phase]:
        """Shows the step while the block runs; set the phase's `detail` to tell how far it is."""
        phase, done, seen = Phase(title, expect), threading.Event(), threading.Event()
        ticker = threading.Thread(target=self._tick, args=(phase, done, seen), daemon=True)
        ticker.start()
        try:
            yield phase
            done.set()
            ticker.join()
            if seen.is_set():
                took = spoken(time.monotonic() - phase.started)
                self.say(t("{title}: done in {took}", title=title, took=took))
        finally:
            done.set()
            ticker.join()

    def _tick(self, phase: Phase, done: threading.Event, seen: threading.Event) -> None:
        pause = self.patience
        while not done.wait(pause):
            seen.set()
            self._write(phase.line() if self.live else f"{phase.line()}\n")
            pause = self.every
        if seen.is_set():
            self._write("")

    def _write(self, text: str) -> None:
        # Carriage return and "erase to the end of the line" take away what the last tick drew.
        self.stream.write(f"\r\x1b[K{text}" if self.live else text)
        self.stream.flush()
