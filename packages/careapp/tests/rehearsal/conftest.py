"""The commands as a user types them, each test run in a folder of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from careapp import IMPORTED, ROOT
from local_cloud.engine.find import find_or_get
from local_cloud.engine.language import Hosts, Language
from local_cloud.paths import Home
from local_cloud.run.client import find, require
from local_cloud.run.project import current_project

LONGEST = ("test_workflows", "test_faults", "test_long_run", "test_any_service")
"""The files that begin, so that no process is left alone with one of them at the end."""
SHELL = ("shell", "--tasks", "process", "--port", "0", "--")
UP = ("pulumi", "up", "-s", "poc", "--yes", "--skip-preview")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    items.sort(key=lambda item: (*LONGEST, item.path.stem).index(item.path.stem))


def background(words: Sequence[str], **more: Any) -> subprocess.Popen[str]:
    """A process in a process group of its own, as a terminal would start it; its outputs are one."""
    # A test run in the background of a shell ignores SIGINT, and so would its children.
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(words, start_new_session=True, **pipes, **heard, **more)


class Careapp:
    """``./careapp`` of a project without its set-up of the venv, which tests/tooling tests."""

    def __init__(self, folder: Path, project: Path = ROOT) -> None:
        self.home, self.project = Home(folder / "home"), project
        self.environment = {**os.environ, "CAREAPP_HOME": str(self.home.folder)}
        if project != ROOT:  # Its .venv leads to the packages of ROOT.
            folders = (project / folder.relative_to(ROOT) for folder in IMPORTED)
            self.environment["PYTHONPATH"] = os.pathsep.join(map(str, folders))
        self._inside: tuple[object, dict[str, str]] = (None, {})

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "careapp.cli", *words]

    def run(self, *words: str, **more: object) -> subprocess.CompletedProcess[str]:
        settings = {"capture_output": True, "text": True, "timeout": 300, **more}
        return subprocess.run(
            self.command(*words), cwd=self.project, env=self.environment, **settings
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        return background(self.command(*words), cwd=self.project, env=self.environment)

    def shell_command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``./careapp shell -- WORDS``."""
        return self.run(*SHELL, *words)

    def shell(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type words in an open ``./careapp shell``; without a local cloud, or of another project, start one."""
        if find(self.home) is None or self.project != ROOT:
            return self.shell_command(*words)
        how = {"capture_output": True, "text": True, "timeout": 300}
        return subprocess.run(words, cwd=self.home.project, env=self.inside(), **how)

    def inside(self) -> dict[str, str]:
        """The variables in an open shell, as the command itself gives them; it is asked once."""
        current_project(self.home, running=True).link()  # as each start of a shell does
        key = (self.facts()["pid"], dict(self.environment))
        if self._inside[0] != key:
            told = self.shell_command("env", "-0").stdout.split("\0")[:-1]
            self._inside = (key, dict(setting.split("=", 1) for setting in told))
        return self._inside[1]

    def facts(self) -> dict:
        """What ``./careapp cloud status --json`` prints (test_operating)."""
        return require(self.home).shown

    def tool(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Type ``./careapp WORDS`` in an open shell; it ends with this exit code."""
        return self.expect(code, sys.executable, "-m", "careapp.cli", *words)

    def python(self, *words: str) -> str:
        return self.expect(0, sys.executable, "-c", *words).stdout

    def expect(self, code: int, *words: str) -> subprocess.CompletedProcess[str]:
        done = self.shell(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.shell(*UP)

    def start_inside(self, *words: str) -> subprocess.Popen[str]:
        """In the background, a command of an open shell."""
        return self.start(*SHELL, *words)

    def interrupt(self, beginning: str, *words: str) -> str:
        """What ``./careapp WORDS`` says that gets a Ctrl-C at the first line that begins so."""
        with self.start_inside(sys.executable, "-m", "careapp.cli", *words) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if re.match(beginning, line):
                    break
            os.killpg(child.pid, signal.SIGINT)
            said = child.communicate(timeout=60)[0]
        assert child.returncode == 130, said
        return str(said)

    def page(self, path: str = "/") -> tuple[int, str]:
        [listener] = self.facts()["state"]["listeners"]
        try:
            with urllib.request.urlopen(listener["url"] + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, ""


@pytest.fixture
def careapp(tmp_path: Path) -> Iterator[Careapp]:
    careapp = Careapp(tmp_path)
    yield careapp
    if find(careapp.home):
        careapp.run("cloud", "stop")


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Careapp]:
    """A copy of these files under another name, in a folder of another name."""
    folder = tmp_path / "a folder"
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    files = subprocess.check_output(listed, cwd=ROOT, text=True).split("\0")[:-1]
    for name in (file for file in files if (ROOT / file).exists()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    project = folder / "Pulumi.yaml"
    project.write_text(project.read_text().replace("name: careapp\n", "name: acme\n", 1))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    # A cure may be one of its commands, and the script itself would make this .venv anew for that folder.
    (folder / "careapp").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m careapp.cli "$@"\n')
    careapp = Careapp(tmp_path, folder)
    yield careapp
    if find(careapp.home):
        careapp.run("cloud", "stop")


def new_project(template: Path, folder: Path, home: Path) -> None:
    """Run ``pulumi new``; its language host is the rehearsal's, as everywhere here."""
    hosts = Hosts(Language(os.environ, {}), {})
    hosts.start()
    own = {"PULUMI_HOME": str(home / "pulumi"), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    names = ("--name", "acme", "--description", "A shop", "--dir", str(folder))
    words = [find_or_get(), "new", str(template), *names, "--generate-only", "--yes", "--offline"]
    environment = {**os.environ, **hosts.environment, **own}
    try:
        subprocess.run(words, env=environment, check=True, stdin=subprocess.DEVNULL)
    finally:
        hosts.stop()


@contextmanager
def deployed(folder: Path, *commands: tuple[str, ...]) -> Iterator[Careapp]:
    """Yield a local cloud with the stack poc, on which these commands were run."""
    careapp = Careapp(folder)
    try:
        for words in (("pulumi", "stack", "init", "poc"), *commands):
            careapp.expect(0, *words)
        yield careapp
    finally:
        careapp.run("cloud", "stop")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Careapp]:
    """A local cloud with both stages up; one after the other: test_runbook."""
    on = ("pulumi", "config", "set", "ecsEnabled", "true")
    with deployed(tmp_path_factory.mktemp("running"), on, UP) as careapp:
        yield careapp
