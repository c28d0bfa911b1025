"""The command ``./careapp test``: pytest on the folders of tests/."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ops.command_line import INTERRUPTED
from ops.signals import run_in_front
from rehearsal.engine.find import find_or_get
from rehearsal.paths import ROOT

FOLDERS = sorted(each.name for each in (ROOT / "tests").iterdir() if any(each.glob("test_*.py")))
OF_THE_ENGINE = {"engine", "rehearsal", "browser"}
SHARED = ("browser", "image")
"""Folders with one browser, or one Docker engine, for all of their tests."""
WAITING = ("dataplane", "rehearsal")
"""Folders whose tests wait for the local cloud's clock and leave processors idle."""
MOST = 8
"""Processes for a folder: each uses up to 1 GB of memory with its local cloud."""
STOPPED, CALLED_WRONGLY, NONE_CHOSEN = 2, 4, 5
"""pytest's exit codes after Ctrl-C, for a usage error, and when no test was collected."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument(
    "words", nargs=-1, type=click.UNPROCESSED, metavar="[FOLDER]... [PYTEST OPTIONS]..."
)
def test(words: tuple[str, ...]) -> None:
    """Run all tests, or those of the named folders of tests/.

    \b
      ./careapp test                    all that this machine can run; skipped tests give the reason
      ./careapp test unit ops           two folders
      ./careapp test ops -k doctor -x   with options of pytest
      ./careapp test ops -n 4           in four processes

    Each folder has as many processes as the machine has processors, or one if there are options of pytest.
    With CI=true a skipped test is a failure.

    Exit code 0: all passed. 1: a test failed. 5: no test was selected. 130: interrupted.
    """
    folders = [word for word in words if word in FOLDERS]
    rest = [word for word in words if word not in FOLDERS]
    if not folders and not any(Path(word.partition("::")[0]).exists() for word in rest):
        folders = FOLDERS
    if OF_THE_ENGINE & set(folders):
        find_or_get()  # here its progress is visible
    # Never two folders in a process: the local cloud's patches stay in moto, Pulumi's mocks in its runtime.
    codes: dict[str, int] = {}
    for each in [f"tests/{name}" for name in folders] or [""]:
        codes[each] = pytest(each, rest)
        if codes[each] == STOPPED:
            sys.exit(INTERRUPTED)
        if codes[each] == CALLED_WRONGLY:
            break
    if failed := [each for each, code in codes.items() if code not in (0, NONE_CHOSEN)]:
        print(f"failed: {', '.join(failed)}")
    ended = set(codes.values()) - {NONE_CHOSEN} or {NONE_CHOSEN}
    sys.exit(max(ended))


def pytest(folder: str, options: Sequence[str]) -> int:
    """Run pytest on a folder and return its exit code. Ctrl-C is passed to pytest."""
    several = 1 if options else processes(Path(folder).name)
    shared = ["-n", str(several)] if several > 1 else []
    named = [folder] if folder else []
    print(f"== {folder or 'tests'}", flush=True)
    words = [sys.executable, "-m", "pytest", *named, *shared, *options]
    return run_in_front(words, os.environ, ROOT)


def processes(folder: str) -> int:
    """Return how many processes share a folder's tests, file by file."""
    cores = os.cpu_count() or 1
    wanted = 1 if folder in SHARED else cores + cores // 2 if folder in WAITING else cores
    return min(wanted, MOST)
