"""The command ``./careapp test``: pytest on the folders of tests/."""

from __future__ import annotations

import os
import sys

import click

from rehearsal.engine import find_or_get
from rehearsal.paths import ROOT

FOLDERS = sorted(each.name for each in (ROOT / "tests").iterdir() if any(each.glob("test_*.py")))
OF_THE_ENGINE = {"engine", "rehearsal", "browser"}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument(
    "words", nargs=-1, type=click.UNPROCESSED, metavar="[FOLDER]... [PYTEST OPTIONS]..."
)
def test(words: tuple[str, ...]) -> None:
    """Run the tests: all, or those of the folders of tests/ that are named.

    \b
      ./careapp test                    all that this machine can run; what is skipped says why
      ./careapp test unit ops           two folders
      ./careapp test ops -k doctor -x   with pytest's own options
      ./careapp test -n 2               in two processes; Ctrl-C then leaves local clouds behind

    With CI=true two processes share the tests, and one that is skipped is a failure.

    Exit code 0: all passed. 1: one failed. 5: none was chosen.
    """
    chosen = {word for word in words if word in FOLDERS}
    if OF_THE_ENGINE & (chosen or set(FOLDERS)):
        find_or_get()  # here its progress can be seen
    shared = ["-n", "2", "--dist", "loadgroup"] if os.environ.get("CI") == "true" else []
    named = [f"tests/{word}" if word in FOLDERS else word for word in words]
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *shared, *named])  # noqa: S606
