"""The runbook: what follows `$` in its console blocks, run as written."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.rehearsal.conftest import SHELL, UP, Careapp
from tests.rehearsal.terminal import (
    PAIRS,
    RUNBOOK,
    check,
    name_of,
    open_terminal,
    rehearsed,
    runs_here,
)

SWITCH = ("pulumi", "config", "set", "ecsEnabled", "-s", "poc")
TRIES = 5


def kill_while_creating(careapp: Careapp, resource: str, made: Callable[[], bool]) -> None:
    """Kill an `up` of stage 2 that has had ``resource`` created, and does not know.

    ``made`` says whether AWS has it.

    Between the two are some tens of milliseconds; where the engine was quicker it is tried again.
    """
    for _ in range(TRIES):
        for words in ((*SWITCH, "false"), UP, (*SWITCH, "true")):
            careapp.expect(0, *words)
        # One resource at a time, so that no other one is half made.
        words = careapp.command(*SHELL, *UP, "--parallel", "1")
        silent = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
        with subprocess.Popen(words, env=careapp.environment, **silent) as child:
            engine = _engine(careapp, child)
            while resource not in _pending(careapp) and child.poll() is None:
                time.sleep(0.001)
            half_made = False
            with suppress(ProcessLookupError):  # It was quicker, and has ended.
                half_made = _stopped_between(engine, lambda: resource in _pending(careapp), made)
                # One that was quicker goes on to its end: a lock would keep the next try out.
                os.kill(engine, signal.SIGKILL if half_made else signal.SIGCONT)
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


REPEATABLE = tuple(
    f"./careapp {name}"
    for name in ("status", "doctor", "preflight", "events", "logs", "rehearse", "pause", "resume",
                 "db check", "db psql")
)  # fmt: skip
"""What may be typed once more in Japanese, for it leaves all as it was."""
LOCKED = "pulumi cancel"
"""The block with this command is typed after a `pulumi up` that was killed."""
SNAPSHOT = "careapp-poc-before"
"""The snapshot that a block takes with the AWS CLI and two other blocks restore."""
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup::careapp-poc-app"


@pytest.fixture(scope="module")
def terminal(tmp_path_factory):
    with open_terminal(tmp_path_factory.mktemp("runbook")) as terminal:
        yield terminal


@pytest.mark.parametrize("pair", rehearsed(*RUNBOOK), ids=name_of)
def test_every_command_does_and_prints_what_the_page_says(terminal, pair):
    _, english, japanese = pair
    if any(command.words.startswith(LOCKED) for command in english.commands):
        if not all(map(runs_here, english.commands)):
            pytest.skip("the AWS CLI is not installed")
        kill_while_creating(terminal.careapp, LOG_GROUP, terminal.has_log_group)
    if any(SNAPSHOT in command.words for command in english.commands) and not shutil.which("aws"):
        pytest.skip("the AWS CLI is not installed")
    check(terminal, english, japanese)


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
