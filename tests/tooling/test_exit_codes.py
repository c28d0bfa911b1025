"""Exit codes, error texts and colours."""

import os
import pty
import socket
import subprocess
import sys
from unittest.mock import patch

import pytest

from careapp import ROOT
from careapp.cli import main
from careapp.command_line import run
from tests.documents.commands import exit_codes

CALLS = sorted(set(exit_codes()) - {"test"})  # pytest's own
OF_A_STACK = [
    *("doctor", "preflight", "status", "logs", "events", "pause", "resume", "retry", "rollback"),
    *("cost", "rehearse", "db check", "db psql", "db tunnel"),
]
ASKING_AWS = [call for call in OF_A_STACK if call not in ("cost", "rehearse")]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs a command line as somebody would who has set nothing up; its exit code and both outputs."""
    nobody = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CAREAPP_HOME": str(tmp_path / "rehearsal"),
        "CAREAPP_PULUMI": "/nowhere/pulumi",
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    def call(words, **more):
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        monkeypatch.setattr(sys, "argv", ["./careapp", *words.split()])
        with patch.dict(os.environ, nobody | more, clear=True), pytest.raises(SystemExit) as ended:
            run(main)
        return ended.value.code, *capsys.readouterr()

    return call


def first(complaint):
    """The first line that is no progress."""
    return next(line for line in complaint.splitlines() if line.startswith("careapp: "))


@pytest.mark.parametrize("command", CALLS)
def test_an_option_that_is_not_there(call, command):
    code, shown, complaint = call(f"{command} --nonsense")
    assert (code, shown) == (2, "")
    assert len(complaint.splitlines()) == 1
    assert "--nonsense" in first(complaint)
    assert first(complaint).endswith(f"./careapp {command} --help explains it.")


@pytest.mark.parametrize("command", ["cloud", "db"])
def test_a_group_without_its_command(call, command):
    code, shown, complaint = call(command)
    assert (code, shown) == (2, "")
    assert first(complaint).startswith(f"careapp: ./careapp {command} expects one of: ")


@pytest.mark.parametrize("command", OF_A_STACK)
def test_a_stack_that_is_not_there(call, command):
    assert call(f"{command} --stack nope") == (
        2,
        "",
        'careapp: There is no stack "nope": Pulumi.nope.yaml does not exist. Existing stacks: poc, prod. '
        "Choose one with --stack.\n",
    )


@pytest.mark.parametrize("command", ASKING_AWS)
def test_credentials_that_are_not_there(call, command):
    more = " --yes" if command == "pause" else " -c x" if command == "db psql" else ""
    assert call(command + more) == (
        2,
        "",
        "careapp: There are no usable AWS credentials. Log in again (`aws sso login`), or name a "
        "profile: aws:profile in the stack file, or AWS_PROFILE.\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("dev", "--port"),
        ("cloud start --tasks process", "--port"),
        ("cloud start --tasks process", "--watch-port"),
    ],
)
def test_a_port_that_is_taken(call, command, option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, shown, complaint = call(f"{command} {option} {port}")
    assert (code, shown) == (1, "")
    assert f"port {port}" in first(complaint)
    assert option in first(complaint).partition(f"port {port}")[2]


@pytest.mark.parametrize("command", ["rehearse", "shell"])
def test_an_engine_that_is_not_there(call, command):
    code, _, complaint = call(command)
    assert code == 1
    assert first(complaint).startswith("careapp: CAREAPP_PULUMI: /nowhere/pulumi does not run: ")
    assert complaint.endswith("; correct it or unset it\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("logs --since yesterday", "'yesterday' is not a time like 90s, 10m, 2h or 1d."),
        ("rehearse --config natStrategy", "'natStrategy' is not KEY=VALUE"),
        ("rehearse --mend", "--mend fixes the mistake of --break NAME"),
        ("dev --port 70000", "70000 is not in the range 1<=x<=65535."),
        ("db tunnel --port abc", "Invalid value for '--port': abc is not in the range 0<=x<=65535"),
        ("rehearse --speed nan", "Invalid value for '--speed': nan is not in the range 1<=x<=200."),
        ("doctor --lang fr", "'fr' is not one of 'en', 'ja'."),
        ("doctor --lang", "'--lang' requires an argument."),
        ("cost -c natStrategy", "'natStrategy' is not KEY=VALUE"),
        ("status --watch --json", "--watch and --json exclude each other."),
        (
            "logs --previous --follow",
            "--previous can be combined only with --task, --worker and --lines",
        ),
    ],
)
def test_a_value_that_is_wrong(call, words, told):
    code, shown, complaint = call(words)
    assert (code, shown) == (2, "")
    assert told in first(complaint)


def test_no_local_cloud_is_an_answer_and_no_error(call):
    assert call("cloud status") == (
        1,
        "no local cloud runs here: ./careapp cloud start starts one\n",
        "",
    )
    assert call("cloud status --json")[:2] == (1, '{\n  "running": false\n}\n')


def test_the_same_in_japanese(call):
    code, shown, complaint = call("status --stack nope", LANG="ja_JP.UTF-8")
    assert (code, shown) == (2, "")
    assert "スタック「nope」はありません" in complaint
    assert call("--lang ja status --nonsense")[2] == (
        "careapp: '--nonsense' というオプションはありません。 "
        "説明は ./careapp status --help で表示します。\n"
    )


@pytest.mark.parametrize(
    ("more", "red"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_an_error_is_red_on_a_terminal_that_shows_it(tmp_path, more, red):
    ours, theirs = pty.openpty()
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "xterm"}
    command = ["./careapp", "status", "--nonsense"]
    subprocess.run(command, cwd=ROOT, env=home | more, stdout=theirs, stderr=theirs, check=False)
    shown = os.read(ours, 4096).decode()
    os.close(theirs)
    os.close(ours)
    assert "--nonsense" in shown
    assert ("\x1b[1;31mcareapp:\x1b[0m" in shown, "\x1b" in shown) == (red, red)
