"""Signals, for commands that hold a resource open or wait for another program."""

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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


@contextmanager
def interrupts_wait() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C and terminations back until the yielded function is called, or the block ends.

    What is started inside is so given to what ends it before they raise. Python calls handlers in
    its main thread only; in another thread the block changes nothing.
    """
    before: dict[int, Callable[[int, FrameType | None], object]] = {}
    arrived: list[tuple[int, FrameType | None]] = []

    def deliver() -> None:
        for kind, handler in before.items():
            signal.signal(kind, handler)
        while arrived:
            number, frame = arrived.pop()
            before[number](number, frame)

    main = threading.current_thread() is threading.main_thread()
    try:
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if main else ():
            if callable(handler := signal.getsignal(kind)):
                before[kind] = handler
                # Not a mask: what is started would inherit that.
                signal.signal(kind, lambda *signalled: arrived.append(signalled))
        yield deliver
    finally:
        try:
            deliver()
        finally:  # A signal that raised between two handlers has left the second one.
            deliver()


@contextmanager
def interrupts_left_to_children() -> Iterator[None]:
    """Let Ctrl-C reach only the programs that are started inside the block, and that handle it themselves."""
    # A program that is started does not inherit a handler, as it would SIG_IGN.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_in_front(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> int:
    """Run a program that handles Ctrl-C itself, wait for it and return its exit code.

    Raises FileNotFoundError when there is no such program.
    """
    with interrupts_left_to_children():
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode
