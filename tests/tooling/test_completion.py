"""What the Tab key completes after ./careapp, asked of bash itself."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from rehearsal.paths import ROOT

ASK = """
eval "$(./careapp completion bash)"
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_careapp ./careapp
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(*words):
    script = ASK.format(words=shlex.join(["./careapp", *words]))
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["reh"], ["rehearse"]),
        (["rehearse", "--br"], ["--break"]),
        (["rehearse", "--break", "no-"], ["no-nat", "no-tls"]),
        (["cloud", "sta"], ["start", "status"]),
        (["doctor", "--lang", ""], ["en", "ja"]),
        (["test", "web"], ["webapp"]),
        (["nothing", "-"], []),
    ],
)
def test_bash_completes_commands_options_and_their_values(words, expected):
    assert completed(*words) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_take_their_script(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    file = ROOT / "completion" / f"careapp.{shell}"
    done = subprocess.run([shell, "-n", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_shell_that_is_not_known_is_refused_with_those_that_are():
    done = subprocess.run(
        ["./careapp", "completion", "tcsh"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'bash, zsh or fish; not "tcsh"' in done.stderr
