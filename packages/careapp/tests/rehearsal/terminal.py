"""A terminal that types what follows `$` in a page's console blocks, in both languages."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from careapp import ROOT
from local_cloud.calls import Calls
from local_cloud.run.client import find, require
from tests.documents.console import Command, Console, consoles, printed_as
from tests.documents.markdown import Page
from tests.rehearsal.conftest import Careapp, background

RUNBOOK = ("docs/first-deploy", "docs/repair", "docs/operate")
"""The pages of the runbook as they are typed: the last one ends with `pulumi destroy`."""
PAIRS = [
    (page, *both)
    for page in ("README", *RUNBOOK)
    for both in zip(
        consoles(Page(ROOT / f"{page}.md")), consoles(Page(ROOT / f"{page}.ja.md")), strict=True
    )
]
"""A page's name, and each of its blocks in both languages."""
OF_THIS_MACHINE = ("./careapp dev", "./careapp rehearse")
"""Commands that have a local cloud of their own, or none."""
ENGLISH, JAPANESE = "C.UTF-8", "ja_JP.UTF-8"
PATIENCE = 240
"""Seconds until a command that Ctrl-C ends must have printed its lines."""


class Terminal:
    """Types the page's commands: in the local cloud's shell, or where the reader sits before it."""

    def __init__(self, folder: Path) -> None:
        self.careapp = Careapp(folder / "shell")
        self.alone = Careapp(folder / "alone")
        self.meanwhile: Callable[[], None] = lambda: None
        self.said = ""

    def type(self, command: Command, locale: str) -> tuple[int, str]:
        """The exit code and all that is printed. Ctrl-C comes after the page's lines, and what is done meanwhile."""
        where = self._where(command.words, locale)
        with background(["sh", "-c", command.words], **where) as process:
            if command.interrupted:
                return 0, self._held(process, command)
            output, _ = process.communicate(timeout=300)
            return process.returncode, output

    def _where(self, words: str, locale: str) -> dict[str, Any]:
        """The folder and the variables of a command; the first one in the shell starts the local cloud."""
        if words.startswith(OF_THIS_MACHINE):
            return {"cwd": ROOT, "env": {**self.alone.environment, "LC_ALL": locale}}
        if find(self.careapp.home) is None:
            self.careapp.shell_command("true")
        settings = {"LC_ALL": locale, "PULUMI_SKIP_CONFIRMATIONS": "true"}
        return {"cwd": self.careapp.home.project, "env": self.careapp.inside() | settings}

    def has_log_group(self) -> bool:
        """Whether AWS has the app's log group."""
        facts = require(self.careapp.home)
        groups = Calls(facts.access)("logs", "describe_log_groups", {})
        return "/ecs/careapp-poc" in [group["logGroupName"] for group in groups["logGroups"]]

    def _held(self, process: subprocess.Popen[str], command: Command) -> str:
        """What is printed until it is what the page says, or for as long as a reader would wait."""
        lines: list[str] = []
        assert process.stdout
        reader = threading.Thread(target=lines.extend, args=(process.stdout,))
        reader.start()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            if lines and printed_as(command.output, "".join(lines)):
                break
            time.sleep(0.2)
        seen = "".join(lines)
        try:
            self.meanwhile()
        finally:
            os.killpg(process.pid, signal.SIGINT)
            reader.join(60)
            self.said = "".join(lines)
        return seen


@contextmanager
def open_terminal(folder: Path) -> Iterator[Terminal]:
    """A terminal; at the end its local clouds are stopped."""
    terminal = Terminal(folder)
    yield terminal
    for each in (terminal.careapp, terminal.alone):
        each.run("cloud", "stop")


def runs_here(command: Command) -> bool:
    """AWS's own CLI is no part of the project; where CI lacks it, its commands fail."""
    return "aws " not in command.words or bool(shutil.which("aws")) or "CI" in os.environ


def name_of(pair: tuple[str, Console, Console]) -> str:
    return f"{pair[0]}, line {pair[1].line}: {pair[1].commands[0].words.splitlines()[0][:40]}"


def rehearsed(*names: str) -> list[tuple[str, Console, Console]]:
    """Return the blocks of pages in both languages."""
    return [pair for pair in PAIRS if pair[0] in names]


def check_command(terminal: Terminal, command: Command, locale: str) -> None:
    """Type a command; it ends well, and prints what the page in that language shows."""
    code, output = terminal.type(command, locale)
    assert code == 0, f"$ {command.words}\n{output}"
    assert printed_as(command.output, output), f"$ {command.words}\n{output}"
    assert output or not command.interrupted, f"$ {command.words} prints nothing until Ctrl-C"


def check(terminal: Terminal, english: Console, japanese: Console) -> None:
    """Type a block's commands; what they print is what the page in either language shows."""
    for command, other in zip(english.commands, japanese.commands, strict=True):
        if not runs_here(command):
            continue
        check_command(terminal, command, ENGLISH)
        if other.output != command.output:
            check_command(terminal, other, JAPANESE)
