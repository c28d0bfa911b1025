"""Kills `pulumi up` between AWS's creating something and the engine's noting it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

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
