"""What the linters and the type checker say of the whole project: nothing."""

import subprocess
import sys

import pytest

from rehearsal.paths import ROOT

CHECKS = ("ruff check .", "ruff format --check .", "mypy", "tests.workflows")
SLOW = dict.fromkeys(("mypy", "tests.workflows"), pytest.mark.slow)
"""At its first run the one reads everything, and the other builds actionlint."""


@pytest.mark.parametrize("check", [pytest.param(each, marks=SLOW.get(each, ())) for each in CHECKS])
def test_the_checker_has_nothing_to_say(check):
    done = subprocess.run(
        [sys.executable, "-m", *check.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
