"""The runbook: what follows `$` in its console blocks, run as written."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal.calls import Calls
from rehearsal.paths import ROOT
from rehearsal.run.client import require
from tests.documents.console import Command, Console, consoles, printed_as
from tests.documents.markdown import Page
from tests.rehearsal.conftest import Careapp

UP = ("pulumi", "up", "-s", "poc", "--yes", "--skip-preview")
SWITCH = ("pulumi", "config", "set", "ecsEnabled", "-s", "poc")
TRIES = 5


def kill_while_creating(careapp: Careapp, resource: str, made: Callable[[], bool]) -> None:
    """Kill an `up` of stage 2 that has had ``resource`` created, and does not know.

    ``made`` says whether AWS has it.

    Between the two are some tens of milliseconds; where the engine was quicker it is tried again.
    """
    for _ in range(TRIES):
        for words in ((*SWITCH, "false"), UP, (*SWITCH, "true")):
            done = careapp.shell(*words)
            assert done.returncode == 0, done.stdout + done.stderr
        # One resource at a time, so that no other one is half made.
        how = ("shell", "--tasks", "process", "--port", "0", "--")
        with subprocess.Popen(
            careapp.command(*how, *UP, "--parallel", "1"),
            env=careapp.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as child:
            engine = _engine(careapp, child)
            while resource not in _pending(careapp) and child.poll() is None:
                time.sleep(0.001)
            half_made = _stopped_between(engine, lambda: resource in _pending(careapp), made)
            os.kill(engine, signal.SIGKILL)
        if half_made:
            return
    pytest.fail(f"the engine was quicker {TRIES} times")


def _stopped_between(engine: int, pending: Callable[[], bool], made: Callable[[], bool]) -> bool:
    """Whether the engine stands still where AWS has what it still calls pending."""
    os.kill(engine, signal.SIGSTOP)
    while pending():
        for _ in range(20):
            if made():
                return pending()
            time.sleep(0.1)
        # It has not even asked: let it go on for a moment.
        os.kill(engine, signal.SIGCONT)
        time.sleep(0.005)
        os.kill(engine, signal.SIGSTOP)
    return False


def _engine(careapp: Careapp, child: subprocess.Popen[bytes]) -> int:
    """The process of `pulumi up`, which the shell has started."""
    while child.poll() is None:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                ours = str(careapp.home.folder).encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
            if ours and words[:2] == [b"pulumi", b"up"]:
                return int(folder.name)
        time.sleep(0.01)
    raise AssertionError("pulumi up has not started")


def _pending(careapp: Careapp) -> str:
    """What the state says is being created."""
    file = careapp.home.state / ".pulumi" / "stacks" / "careapp" / "poc.json"
    try:
        latest = json.loads(file.read_text())["checkpoint"]["latest"]
    except (FileNotFoundError, ValueError):
        return ""
    return json.dumps([each["resource"]["urn"] for each in latest.get("pending_operations") or []])


PAGES = ("README", "docs/runbook")
PAIRS = [
    (page, *both)
    for page in PAGES
    for both in zip(
        consoles(Page(ROOT / f"{page}.md")), consoles(Page(ROOT / f"{page}.ja.md")), strict=True
    )
]
"""A page's name, and each of its blocks in both languages."""
OF_THIS_MACHINE = ("./careapp dev", "./careapp rehearse")
"""Commands that have a local cloud of their own, or none."""
REPEATABLE = tuple(
    f"./careapp {name}"
    for name in (
        "status",
        "doctor",
        "preflight",
        "events",
        "logs",
        "db",
        "rehearse",
        "pause",
        "resume",
    )
)
"""What may be typed once more in Japanese, for it leaves all as it was."""
NOT_REHEARSED = {
    "docker build": "a Docker engine",
    "./careapp delivery login": "a Docker engine",
    "git revert": "the reader's repository",
    "aws elbv2 describe-rules": "a rule made by hand",
    "aws iam create-service-linked-role": "an account without RDS's role",
    "pulumi up -s poc": "PostgreSQL 18",
    "aws rds restore-db-instance-from-db-snapshot": "data in a snapshot",
    "export SECRET=": "data in a snapshot",
}
"""The first commands of the blocks that may be left out, each with what the rehearsal lacks."""

LOCKED = "pulumi cancel"
"""The block with this command is typed after a `pulumi up` that was killed."""
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup::careapp-poc-app"

PATIENCE = 240
"""Seconds until a command that Ctrl-C ends must have printed its lines."""


class Terminal:
    """Types the page's commands: in the local cloud's shell, or where the reader sits before it."""

    def __init__(self, folder: Path) -> None:
        self.careapp = Careapp(folder / "shell")
        self.alone = Careapp(folder / "alone")

    def type(self, command: Command, locale: str) -> tuple[int, str]:
        """The exit code and all that is printed. Ctrl-C comes when the page's lines are there."""
        words = self._words(command.words, locale)
        with subprocess.Popen(
            words,
            cwd=ROOT,
            env=self._environment(command.words, locale),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A test run in the background of a shell ignores SIGINT, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            if command.interrupted:
                return 0, self._held(process, command)
            output, _ = process.communicate(timeout=300)
            return process.returncode, output

    def _words(self, words: str, locale: str) -> list[str]:
        if words.startswith(OF_THIS_MACHINE):
            return ["sh", "-c", words]
        settings = [f"LC_ALL={locale}", "PULUMI_SKIP_CONFIRMATIONS=true"]
        shell = self.careapp.command("shell", "--tasks", "process", "--port", "0", "--")
        return [*shell, "env", *settings, "sh", "-c", words]

    def _environment(self, words: str, locale: str) -> dict[str, str]:
        where = self.alone if words.startswith(OF_THIS_MACHINE) else self.careapp
        return {**where.environment, "LC_ALL": locale}

    def has_log_group(self) -> bool:
        """Whether AWS has the app's log group."""
        facts = require(self.careapp.home)
        groups = Calls(facts.endpoint, facts.options.region)("logs", "describe_log_groups", {})
        return "/ecs/careapp-poc" in [each["logGroupName"] for each in groups["logGroups"]]

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
        os.killpg(process.pid, signal.SIGINT)
        reader.join(60)
        return seen


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    terminal = Terminal(tmp_path_factory.mktemp("runbook"))
    yield terminal
    for each in (terminal.careapp, terminal.alone):
        each.run("cloud", "stop")


def runs_here(command: Command) -> bool:
    """AWS's own CLI is no part of the project; where CI lacks it, its commands fail."""
    return "aws " not in command.words or bool(shutil.which("aws")) or "CI" in os.environ


def name_of(pair: tuple[str, Console, Console]) -> str:
    return f"{pair[0]}, line {pair[1].line}: {pair[1].commands[0].words.splitlines()[0][:40]}"


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if not pair[1].reason], ids=name_of)
def test_every_command_does_and_prints_what_the_page_says(terminal, pair):
    _, english, japanese = pair
    if any(command.words.startswith(LOCKED) for command in english.commands):
        if not all(map(runs_here, english.commands)):
            pytest.skip("the AWS CLI is not installed")
        kill_while_creating(terminal.careapp, LOG_GROUP, terminal.has_log_group)
    for command, other in zip(english.commands, japanese.commands, strict=True):
        if not runs_here(command):
            continue
        code, output = terminal.type(command, "C.UTF-8")
        assert code == 0, f"$ {command.words}\n{output}"
        assert printed_as(command.output, output), f"$ {command.words}\n{output}"
        if other.output != command.output:
            _, output = terminal.type(other, "ja_JP.UTF-8")
            assert printed_as(other.output, output), f"$ {other.words}\n{output}"


def test_what_is_not_run_is_what_only_aws_or_the_reader_has():
    left_out = [(one, other) for _, one, other in PAIRS if one.reason or other.reason]
    assert all(english.reason and japanese.reason for english, japanese in left_out)
    first = [english.commands[0].words for english, _ in left_out]
    allowed = tuple(NOT_REHEARSED)
    assert [words for words in first if not words.startswith(allowed)] == []
    assert len(first) == len(NOT_REHEARSED)


def test_only_what_changes_nothing_has_another_output_in_japanese():
    wrong = [
        command.words
        for _, english, japanese in PAIRS
        for command, other in zip(english.commands, japanese.commands, strict=True)
        if command.output != other.output and not changes_nothing(command.words)
    ]
    assert wrong == []


def changes_nothing(words: str) -> bool:
    parts = (part.strip() for part in re.split(r";|\|\||\b(?:while|until|do|done)\b", words))
    return all(part.startswith((*REPEATABLE, "sleep ", "echo ")) for part in parts if part)
