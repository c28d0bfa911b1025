"""Fake executables, a loopback web server and other small things that stand in for the world."""

import io
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from careapp import ROOT
from local_cloud.console import Progress

LOCKS = (
    *(
        "requirements.txt",
        "packages/local-cloud/requirements-local-cloud.txt",
        "requirements-dev.txt",
    ),
    *("webapp/requirements.txt", "packages/local-cloud/local_cloud/gomod/requirements.txt"),
)
PYTHON = getattr(sys, "_base_executable", sys.executable)


def lay_out(folder: Path, program: str) -> Path:
    """A small careapp: the real script, lock files without a package, and `program` as its commands."""
    folder.mkdir(parents=True)
    for name in ("careapp", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "packages" / "local-cloud").mkdir(parents=True)
    for name in LOCKS[:3]:
        (folder / name).write_text(f"# {name}: nothing\n")
    commands(folder).parent.mkdir(parents=True)
    commands(folder).write_text(program)
    return folder


def commands(folder: Path) -> Path:
    """The file of a small careapp's commands."""
    return folder / "packages" / "careapp" / "careapp" / "cli.py"


FAKE_UV = Path(__file__).with_name("uv.sh").read_text()


class Script:
    """Writes executables into one folder, which then is all of PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def __call__(self, name: str, body: str) -> Path:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path


class Tree:
    """A small careapp with a fake uv, in which the script can be called; its folder has a space."""

    def __init__(self, base: Path, program: str) -> None:
        self.base, self.folder = base, lay_out(base / "my careapp", program)
        self.executable = Script(base / "bin")
        self.executable("uv", FAKE_UV)
        path = f"{self.executable.folder}:/usr/bin:/bin"
        self.env = {"PATH": path, "HOME": str(base), "NOTES": str(base), "PYTHON": PYTHON}

    def start(
        self,
        *args: str,
        by: tuple[str, ...] = (),
        script: str | Path = "",
        cwd: Path | None = None,
        **env: str,
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*by, str(script or self.folder / "careapp"), *args],
            cwd=cwd,
            env={**self.env, **env},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=interruptible,
        )

    def call(self, *args: str, **options: Any) -> tuple[int, str, str]:
        process = self.start(*args, **options)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path / "bin")


@pytest.fixture
def environ(script: Script, tmp_path: Path) -> dict[str, str]:
    """A user with an empty home folder, only fake executables on PATH, and no package index."""
    (tmp_path / "home").mkdir()
    return {"PATH": str(script.folder), "HOME": str(tmp_path / "home"), "PIP_NO_INDEX": "1"}


class Told(Progress):
    """A progress display whose lines can be read afterwards."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())

    @property
    def lines(self) -> list[str]:
        assert isinstance(self.stream, io.StringIO)
        return self.stream.getvalue().splitlines()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """A proxy that refuses every connection, here and in the processes of ``environ``."""
    environ["https_proxy"] = "http://127.0.0.1:9"
    monkeypatch.setenv("https_proxy", environ["https_proxy"])
    # It keeps the proxies of the process's first request.
    monkeypatch.setattr(urllib.request, "_opener", None)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def interruptible() -> None:
    """For a child's start: Ctrl-C works in it even where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
