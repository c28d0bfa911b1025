"""Signals, for commands that hold a resource open or wait for another program."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


@contextmanager
def terminations_raise() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit inside the block, so that context managers clean up.

    Python sets signal handlers in its main thread only; in another thread the block changes nothing.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    try:
        kinds = (signal.SIGTERM, signal.SIGHUP)
        before = {kind: signal.signal(kind, leave) for kind in kinds}
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def run_in_front(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    """Run a program that handles Ctrl-C itself, wait for it and return its exit code.

    Raises FileNotFoundError when there is no such program.
    """
    # A program that is started does not inherit a handler, as it would SIG_IGN.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
