"""Runs a child process to its end, or ends it together with all that it started."""

import os
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from i18n import t, verbatim

LAST_LINES = 12  # of a failed command's output: enough to see the reason


class Failed(Exception):
    """A child process did not start or did not succeed; the text has its last lines."""


def run(
    command: list[str],
    folder: Path,
    environ: Mapping[str, str],
    on_line: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Runs the command in the folder; `on_line` gets each line of its standard error as it comes.

    Returns the lines of its standard output. Raises Failed.
    """
    # A file, since a second pipe that nobody reads would fill up and stop the child.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out:
        last, code = _watched(command, folder, environ, out, on_line)
        out.seek(0)
        lines = out.read().splitlines()
    if code:
        words = "\n    ".join(last or lines[-LAST_LINES:])
        called = " ".join([Path(command[0]).name, *command[1:3]])
        raise Failed(
            t(
                "`{called} …` exited {code}:\n    {words}",
                called=called,
                code=code,
                words=verbatim(words) if words else t("it printed nothing"),
            )
        )
    return lines


def _watched(
    command: list[str],
    folder: Path,
    environ: Mapping[str, str],
    out: IO[str],
    on_line: Callable[[str], None],
) -> tuple[deque[str], int]:
    last: deque[str] = deque(maxlen=LAST_LINES)
    with _signals_held() as let_go:
        try:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as problem:
            raise Failed(
                t("{program} does not start: {why}", program=command[0], why=str(problem))
            ) from problem
        with _ended(child):
            let_go()
            assert child.stderr is not None  # noqa: S101 - a pipe was asked for
            for line in child.stderr:
                last.append(line.rstrip("\n"))
                on_line(last[-1])
            return last, child.wait()


@contextmanager
def _signals_held() -> Iterator[Callable[[], None]]:
    """Signals that would unwind the stack wait until the caller lets them go, once.

    One that comes while a child is being started would leave that child without a parent.
    """
    came: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if callable(signal.getsignal(kind)):
                before[kind] = signal.signal(kind, lambda number, _: came.append(number))

    def let_go() -> None:
        while before:
            signal.signal(*before.popitem())
        while came:
            os.kill(os.getpid(), came.pop())

    try:
        yield let_go
    finally:
        let_go()


@contextmanager
def _ended(child: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever ends the block, Ctrl-C included, leaves no process of the child's group."""
    with child:
        try:
            yield
        except BaseException:
            for kind in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(child.pid, kind)
                    child.wait(5)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue
            raise
