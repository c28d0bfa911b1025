"""Print the headings, lines, notes and progress of commands."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TextIO

from rich.console import Console
from rich.markup import escape

from local_cloud.text import masked, t

COLOURS: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
out = Console(highlight=False, color_system=COLOURS)
"""Standard output, for results. It has colours only on a terminal, and none with NO_COLOR."""
err = Console(stderr=True, highlight=False, color_system=COLOURS)
"""Standard error, for everything else."""


def print_heading(text: object) -> None:
    out.print(f"\n[bold]{escape(masked(str(text)))}[/bold]", soft_wrap=True)


def print_line(text: object) -> None:
    out.print(escape(masked(str(text))), soft_wrap=True)


def print_note(text: object) -> None:
    """Print a line that is not a result, on standard error."""
    err.print(escape(masked(str(text))), soft_wrap=True)


def duration(seconds: float) -> str:
    """Return a duration in words: `8 s`, `5 min 40 s`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes:
        return str(t("{minutes} min {rest} s", minutes=minutes, rest=rest))
    return str(t("{rest} s", rest=rest))


@dataclass
class Phase:
    """A step that runs: its title, its progress in words and how long it usually takes."""

    title: object
    expect: object = ""
    detail: object = ""
    started: float = field(default_factory=time.monotonic)

    def line(self) -> str:
        """Return the line that shows the step: title, detail, elapsed and expected time."""
        elapsed = duration(time.monotonic() - self.started)
        parts = [str(part) for part in (self.title, self.detail, elapsed) if part]
        return ", ".join(parts) + (f" ({self.expect!s})" if self.expect else "")


class Progress:
    """Show running steps on a stream: one line that is redrawn on a terminal, elsewhere a line every `every` seconds.

    A phase that ends within `patience` seconds is not shown.
    """

    def __init__(
        self, stream: TextIO | None = None, patience: float = 2.0, every: float = 30.0
    ) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.patience = patience
        self.live = self.stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.every = min(every, 0.5) if self.live else every

    def say(self, text: object) -> None:
        """Write a line that is not redrawn."""
        self._write(f"{text!s}\n")

    @contextmanager
    def phase(self, title: object, expect: object = "") -> Iterator[Phase]:
        """Show the step while the block runs. Set the phase's `detail` to show its progress."""
        phase, done, seen = Phase(title, expect), threading.Event(), threading.Event()
        ticker = threading.Thread(target=self._tick, args=(phase, done, seen), daemon=True)
        ticker.start()
        try:
            yield phase
            done.set()
            ticker.join()
            if seen.is_set():
                took = duration(time.monotonic() - phase.started)
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
        # Carriage return and "erase to the end of the line" remove the line of the last tick.
        self.stream.write(f"\r\x1b[K{text}" if self.live else text)
        self.stream.flush()
