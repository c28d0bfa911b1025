"""The commands of ./careapp."""

import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from careapp import ROOT
from careapp.cli import tests as cli
from tests.tooling.conftest import Tree, lay_out

SHELLS = [shell for shell in ("/bin/sh", "dash", "bash", "busybox") if shutil.which(shell)]
TELLING = """\
import json, os, sys, time
print(json.dumps([sys.argv[1:], os.getcwd(), os.getpid(), sys.flags.safe_path]), flush=True)
if sys.argv[1:] == ["cloud", "wait"]: time.sleep(60)
sys.exit(7 if sys.argv[1:] == ["cloud", "fail"] else 0)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A small careapp whose .venv is made."""
    tree = Tree(tmp_path_factory.mktemp("ready"), f"import other\n{TELLING}")
    (tree.folder / "other.py").touch()
    code, out, err = tree.call("test")
    assert code == 0, out + err
    return tree


def test_the_script_is_sound_posix_shell():
    checker = shutil.which("shellcheck")
    if not checker:
        pytest.skip("shellcheck is not installed")
    files = [str(ROOT / name) for name in ("careapp", ".ci/run", "tests/image/stand_in.sh")]
    done = subprocess.run([checker, "--severity=style", *files], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_hands_over_the_very_arguments_in_the_callers_folder(tree, tmp_path, shell):
    arguments = ["rehearse", "--json", "a b", "", "*", "$HOME", "-- x"]
    shells = ("busybox", "sh") if shell == "busybox" else (shell,)
    code, out, err = tree.call(*arguments, by=shells, cwd=tmp_path)
    told, folder, _, safe = json.loads(out)
    assert (code, err, told, folder, safe) == (0, "", arguments, str(tmp_path), True)


def test_it_works_through_a_chain_of_links_and_by_its_bare_name(tree, tmp_path):
    (tmp_path / "one").symlink_to(tree.folder / "careapp")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "two").symlink_to("../one")
    for script in (tmp_path / "sub" / "two", "two"):
        code, out, err = tree.call(
            "cloud", "status", by=("/bin/sh",), script=script, cwd=tmp_path / "sub"
        )
        assert (code, err, json.loads(out)[0]) == (0, "", ["cloud", "status"])


def test_a_module_of_the_same_name_where_the_caller_is_does_not_come_first(tree, tmp_path):
    (tmp_path / "other.py").write_text("raise SystemExit('the wrong one')")
    code, _, err = tree.call("rehearse", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (code, err) == (0, "")


def test_compiled_modules_are_kept_inside_the_venv_whatever_the_caller_prefers(tree):
    kept = tree.folder / ".venv" / ".careapp" / "bytecode"
    shutil.rmtree(kept, ignore_errors=True)
    assert tree.call("cloud", "status", PYTHONDONTWRITEBYTECODE="1")[0] == 0
    assert "other" in [path.name.split(".")[0] for path in kept.rglob("*.pyc")]
    assert not [path for path in tree.folder.rglob("__pycache__") if ".venv" not in path.parts]


def test_signals_reach_the_command_whose_exit_code_is_the_script_s(tree):
    assert tree.call("cloud", "fail")[0] == 7
    process = tree.start("cloud", "wait")
    assert json.loads(process.stdout.readline())[2] == process.pid
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.slow
def test_a_tab_completes_commands_options_and_values_and_installs_nothing(tmp_path):
    def completed(script, *words):
        env = {**os.environ, "_CAREAPP_COMPLETE": "bash_complete", "COMP_CWORD": str(len(words))}
        env["COMP_WORDS"] = shlex.join(["./careapp", *words])
        done = subprocess.run([script], env=env, capture_output=True, text=True, check=True)
        return done.stdout, done.stderr

    assert completed(ROOT / "careapp", "reh") == ("plain,rehearse\n", "")
    assert completed(ROOT / "careapp", "cloud", "sta") == ("plain,start\nplain,status\n", "")
    assert completed(ROOT / "careapp", "rehearse", "--break", "no-t") == ("plain,no-tls\n", "")
    choices = "plain,natStrategy=none\nplain,natStrategy=single\nplain,natStrategy=onePerAz\n"
    assert completed(ROOT / "careapp", "cost", "-c", "nat") == (choices, "")
    keys, _ = completed(ROOT / "careapp", "rehearse", "-c", "")
    assert "plain,containerPort=\nplain,containerPort=3000\n" in keys
    assert "plain,uploadsEnabled=true\n" in keys
    assert "ecsEnabled" not in keys
    fresh = lay_out(tmp_path / "fresh", "")
    assert completed(fresh / "careapp", "reh") == ("", "")
    assert not (fresh / ".venv").exists()


SKIPPED = "import pytest\ndef test_a(): pytest.skip('no engine')\ndef test_b(): pass\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ci", "code", "said"),
    [("", 0, "1 passed, 1 skipped"), ("true", 1, "skipped, which is a failure in CI: ")],
)
def test_a_skipped_test_says_why_and_is_a_failure_in_ci(tmp_path, ci, code, said):
    (tmp_path / "test_skipping.py").write_text(SKIPPED)
    words = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", str(tmp_path)]
    env = os.environ | {"CI": ci}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stdout) == (code, True)
    assert "no engine" in done.stdout


@pytest.mark.parametrize(
    ("folder", "processors", "wanted"),
    [
        ("unit", 4, 4),
        ("rehearsal", 4, 4),
        ("dataplane", 4, 6),
        ("browser", 4, 1),
        ("rehearsal", 1, 1),
        ("doctor", 64, 8),
    ],
)
def test_a_folder_has_a_process_for_each_processor(monkeypatch, folder, processors, wanted):
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    assert cli.processes([folder]) == wanted


@pytest.mark.parametrize(
    ("processors", "quick", "whole"), [(1, 1, 1), (2, 1, 3), (8, 4, 8), (64, 4, 8)]
)
def test_runs_beside_each_other_share_the_processors_and_slow_ones_wait(
    monkeypatch, processors, quick, whole
):
    def count(run):
        return int(dict(itertools.pairwise(run.command)).get("-n", 1))

    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    folders = ("aws", "unit", "dataplane", "doctor")
    small = {run.title: count(run) for run in cli.tests(folders, (), ())}
    assert [*small] == [
        "packages/local-cloud/tests/dataplane",
        "packages/careapp/tests/aws packages/careapp/tests/doctor",
        "tests/unit",
    ]
    assert {*small.values()} == {quick}
    assert count(cli.tests(folders, ["dataplane"], ())[0]) == whole


def test_the_failed_tests_of_all_runs_are_named_at_the_end(capfd):
    said = ("FAILED a.py::test_a - why\n1 failed", "1 passed")
    runs = [
        cli.TestRun(text[-6:], [sys.executable, "-c", f"print({text!r}); exit({code})"])
        for text, code in zip(said, (1, 0), strict=True)
    ]
    assert cli.side_by_side(runs) == {"failed": 1, "passed": 0}
    assert capfd.readouterr().out.endswith("\nFAILED a.py::test_a - why\n")
