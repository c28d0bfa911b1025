"""Runs the command line."""

import gc
import os
import sys
from pathlib import Path

from careapp import IN_CHECKOUT, ROOT
from careapp.cli import main
from careapp.command_line import run

NOT_OF_A_PROJECT = ("new", "--help", "-h", "--version", "-V")


def start() -> None:
    """Run the command that was typed, with the version of careapp that the project's lock names."""
    if not IN_CHECKOUT and sys.argv[1:2] and sys.argv[1] not in NOT_OF_A_PROJECT:
        hand_over()
    # The garbage collector would take 0.2 s to scan botocore's models, which are never freed.
    gc.set_threshold(500_000)
    run(main)


def hand_over() -> None:
    """Go on in the project's own `careapp`, which makes its .venv from its lock, unless this is that one."""
    launcher, venv = ROOT / "careapp", ROOT / ".venv"
    lock, installed = ROOT / "requirements-dev.txt", venv / "careapp.lock"
    making = sys.argv[1] == "lock" and not lock.exists()
    same = installed.exists() and lock.exists() and lock.read_bytes() == installed.read_bytes()
    own = Path(sys.prefix).resolve() == venv.resolve()
    if launcher.is_file() and not (own and (same or making)):
        os.execv(launcher, [str(launcher), *sys.argv[1:]])  # noqa: S606 - the project's own file


if __name__ == "__main__":
    start()
