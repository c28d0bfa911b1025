"""Colours only on a terminal, and none with NO_COLOR."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from rehearsal.console import Progress
from rehearsal.paths import ROOT


def shown_on_a_terminal(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    folder: Path | None = None,
    check: bool = True,
) -> str:
    """What a command writes to a terminal, errors included; its standard input is empty."""
    ours, theirs = pty.openpty()
    subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        check=check,
    )
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 4096):
            text += piece
    except OSError:  # Linux says EIO where a terminal has no other end any more
        pass
    os.close(ours)
    return text.decode()


CALLS = ["status --nonsense", "status --stack nope", "cloud status", "doctor --help"]


def on_a_terminal(words, home, **more):
    """What a command writes to a terminal, errors included."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "CAREAPP_HOME": str(home / "rehearsal")}
    return shown_on_a_terminal(
        ["./careapp", *words.split()],
        {**env, "TERM": "xterm", **more},
        folder=ROOT,
        check=False,
    )


def test_an_error_is_red_on_a_terminal(tmp_path):
    assert "\x1b[1;31mcareapp:\x1b[0m" in on_a_terminal("status --nonsense", tmp_path)


@pytest.mark.parametrize("words", CALLS)
@pytest.mark.parametrize("no", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_says_no_gets_none(words, no, tmp_path):
    shown = on_a_terminal(words, tmp_path, **no)
    assert shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("words", CALLS)
def test_what_is_piped_has_none(words, tmp_path):
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "xterm"}
    env["CAREAPP_HOME"] = str(tmp_path / "rehearsal")
    done = subprocess.run(
        ["./careapp", *words.split()], cwd=ROOT, env=env, capture_output=True, check=False
    )
    assert done.stdout + done.stderr
    assert b"\x1b" not in done.stdout + done.stderr


def test_a_line_does_not_move_on_a_terminal_that_cannot(monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setenv("TERM", "xterm")
        assert Progress(stream).live
        monkeypatch.setenv("TERM", "dumb")
        assert not Progress(stream).live
    os.close(ours)


def test_the_json_of_a_terminal_is_json(tmp_path):
    shown = on_a_terminal("cloud status --json", tmp_path, NO_COLOR="1")
    assert json.loads(shown) == {"running": False}
