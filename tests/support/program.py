"""A Pulumi program that is none of careapp's, with a virtual environment and a local cloud of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from careapp.rehearsal.app_page import Page
from local_cloud.engine.find import find_or_get
from local_cloud.paths import Home
from local_cloud.run.client import RunningCloud, find

LIMIT = 300
"""Seconds for one command: ten times what an update takes."""
UP = ("up", "--yes", "--skip-preview")
COMMAND = (sys.executable, "-P", "-m", "local_cloud")


class Program:
    """A program with a virtual environment and a local cloud of its own, and what its user types in its folder."""

    def __init__(self, folder: Path, venv: Path, command: tuple[str, ...] = COMMAND) -> None:
        self.folder, self.venv, self.home = folder, venv, Home(folder.parent / "home")
        self.command = command
        # The engine is careapp's, as another one would be built here.
        own = {"LOCAL_CLOUD_HOME": str(self.home.folder), "LOCAL_CLOUD_PULUMI": str(find_or_get())}
        others = {name: value for name, value in os.environ.items() if "CAREAPP" not in name}
        self.environment = others | own | {"LANG": "C"}

    def make_venv(self) -> Path:
        """Make a virtual environment without packages, and return where they go."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.venv], check=True)
        [packages] = self.venv.glob("lib/python*/site-packages")
        return packages

    def type(self, *words: str, code: int = 0) -> str:
        """Run a command of the local cloud, which ends with this exit code; return its output."""
        done, told = self.ended(*words)
        assert done == code, told
        return told

    def ended(self, *words: str) -> tuple[int, str]:
        """Run a command of the local cloud; return its exit code and its output. It has LIMIT to end."""
        try:
            done = subprocess.run(
                [*self.command, *words],
                cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            told = (late.output or b"").decode(errors="replace")
            pytest.fail(
                f"`{' '.join(words)}` had not ended after {LIMIT} s; it had printed: {told}"
            )
        return done.returncode, done.stdout

    def pulumi(self, *words: str, code: int = 0) -> str:
        return self.type("shell", "--", "pulumi", *words, code=code)

    def page(self) -> tuple[int, str]:
        """Return the status and the text of the page, as a browser gets it."""
        found = Page.of(self.facts.state["listeners"])
        assert found
        return found.get()[:2]

    @property
    def facts(self) -> RunningCloud:
        found = find(self.home)
        assert found
        return found


def stopped(program: Program) -> Iterator[Program]:
    """Stop its local cloud after the test."""
    yield program
    if find(program.home):
        program.type("stop")
