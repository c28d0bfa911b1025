"""The entry script: what it understands, where it runs things, how it hands over."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.terminal import shown_on_a_terminal

ROOT = Path(__file__).parents[2]
SHELLS = [shell for shell in ("/bin/sh", "dash", "bash", "busybox") if shutil.which(shell)]
TELLING = """\
import json, os, sys, time
print(json.dumps([sys.argv[1:], os.getcwd(), os.getpid(), sys.flags.safe_path]), flush=True)
if sys.argv[1:] == ["cloud", "wait"]: time.sleep(60)
sys.exit(7 if sys.argv[1:] == ["cloud", "fail"] else 0)
"""

COMMANDS = (
    "rehearse, shell, cloud, dev, test, doctor, status, preflight, logs, events, cost, db, pause, "
    "resume, retry, delivery"
)


def lay_out(folder: Path) -> Path:
    """A small careapp: the real script, lock files without a package, packages that tell."""
    folder.mkdir(parents=True)
    for name in ("careapp", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in ("requirements.txt", "requirements-dev.txt"):
        (folder / name).write_text(f"# {name}: nothing\n")
    for name in ("rehearsal", "tests"):
        (folder / name).mkdir()
        (folder / name / "__main__.py").write_text(TELLING)
    (folder / "rehearsal" / "__init__.py").touch()
    return folder


def interpreter() -> str:
    return getattr(sys, "_base_executable", sys.executable)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.Popen]:
    """Starts commands of a small careapp whose .venv is made, its folder having a space."""
    base = tmp_path_factory.mktemp("ready")
    tree, home = lay_out(base / "my careapp"), base / "home"
    home.mkdir()
    env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHON": interpreter()}

    def start(
        *args: str,
        shell: str = "/bin/sh",
        cwd: Path = tree,
        script: Path | None = None,
        **more: str,
    ) -> subprocess.Popen:
        shells = ["busybox", "sh"] if shell == "busybox" else [shell]
        command = [*shells, str(script or tree / "careapp"), *args]
        return subprocess.Popen(
            command,
            cwd=cwd,
            env={**env, **more},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    start.tree = tree  # type: ignore[attr-defined]
    first = start("test", CAREAPP_INSTALLER="pip")
    out, err = first.communicate(timeout=120)
    assert first.returncode == 0, out + err
    return start


@pytest.fixture
def call(ready) -> Callable[..., tuple[int, str, str]]:
    def run(*args: str, **options: object) -> tuple[int, str, str]:
        process = ready(*args, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return run


def test_the_script_is_sound_posix_shell():
    checker = shutil.which("shellcheck")
    if not checker:
        pytest.skip("shellcheck is not installed")
    files = [str(ROOT / name) for name in ("careapp", ".ci/run", "completion/careapp.bash")]
    done = subprocess.run([checker, "--severity=style", *files], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_hands_over_the_very_arguments_in_the_callers_folder(call, tmp_path, shell):
    arguments = ["rehearse", "--json", "a b", "", "*", "$HOME", "-- x"]
    code, out, err = call(*arguments, shell=shell, cwd=tmp_path)
    told, folder, _, safe = json.loads(out)
    assert (code, err, told, folder, safe) == (0, "", arguments, str(tmp_path), True)


def test_it_works_through_a_chain_of_links_and_by_its_bare_name(ready, call, tmp_path):
    (tmp_path / "one").symlink_to(ready.tree / "careapp")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "two").symlink_to("../one")
    for script in (tmp_path / "sub" / "two", Path("two")):
        code, out, err = call("cloud", "status", script=script, cwd=tmp_path / "sub")
        assert (code, err, json.loads(out)[0]) == (0, "", ["cloud", "status"])
    on_path = {"PATH": f"{tmp_path}/sub:/usr/bin:/bin", "script": Path("-c")}
    found = call("two cloud status", **on_path)
    assert json.loads(found[1])[0] == ["cloud", "status"]


def test_a_package_of_the_same_name_where_the_caller_is_does_not_come_first(call, tmp_path):
    (tmp_path / "rehearsal").mkdir()
    (tmp_path / "rehearsal" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    code, _, err = call("rehearse", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (code, err) == (0, "")


def test_the_tests_run_in_the_projects_folder_without_the_commands_name(ready, call, tmp_path):
    code, out, err = call("test", "unit", "--", "-x", cwd=tmp_path)
    told, folder, *_ = json.loads(out)
    assert (code, err, told, folder) == (0, "", ["unit", "--", "-x"], str(ready.tree))


def test_compiled_modules_are_kept_inside_the_venv_whatever_the_caller_prefers(ready, call):
    kept = ready.tree / ".venv" / ".careapp" / "bytecode"
    shutil.rmtree(kept, ignore_errors=True)
    assert call("cloud", "status", PYTHONDONTWRITEBYTECODE="1")[0] == 0
    assert "__init__" in [path.name.split(".")[0] for path in kept.rglob("rehearsal/*.pyc")]
    assert not [path for path in ready.tree.rglob("__pycache__") if ".venv" not in path.parts]


def test_the_exit_code_is_that_of_the_command(call):
    assert call("cloud", "fail")[0] == 7


def test_signals_reach_the_command_since_it_takes_the_scripts_place(ready):
    process = ready("cloud", "wait")
    assert json.loads(process.stdout.readline())[2] == process.pid
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rehears", "rehearse"),
        ("rehearsal", "rehearse"),
        ("tset", "test"),
        ("shel", "shell"),
        ("clod", "cloud"),
        ("tests", "test"),
    ],
)
def test_a_mistyped_command_is_told_the_nearest(call, typed, meant):
    assert call(typed) == (
        2,
        "",
        f'careapp: there is no command "{typed}". Did you mean "{meant}"?\n'
        f"  Commands: {COMMANDS}. ./careapp --help explains them.\n",
    )


@pytest.mark.parametrize("typed", ["xyzzy", "deploy", "-q", "rehearse test"])
def test_a_command_that_is_like_none_is_told_all(call, typed):
    assert call(typed) == (
        2,
        "",
        f'careapp: there is no command "{typed}".\n'
        f"  Commands: {COMMANDS}. ./careapp --help explains them.\n",
    )


def test_help_teaches_both_commands_and_both_stages_and_needs_no_venv(tmp_path):
    tree = lay_out(tmp_path / "fresh")
    env = {"PATH": "/usr/bin:/bin"}
    answers = {
        subprocess.run(
            [tree / "careapp", *words], env=env, capture_output=True, text=True, check=True
        ).stdout
        for words in ([], ["--help"], ["-h"], ["help"])
    }
    (text,) = answers
    commands = [
        "./careapp rehearse",
        "./careapp test",
        "pulumi up -s poc",
        "pulumi config set ecsEnabled true",
        "pulumi destroy -s poc",
        "README.md",
    ]
    assert [words for words in commands if words not in text] == []
    assert "\x1b" not in text
    assert not (tree / ".venv").exists()


def test_help_with_a_command_is_that_command_s_own(call):
    assert json.loads(call("help", "cloud", "start")[1])[0] == ["cloud", "start", "--help"]
    assert 'there is no command "nope"' in call("help", "nope")[2]


def test_help_names_the_variable_of_the_local_cloud_s_folder(call):
    assert re.search(r"^  CAREAPP_HOME +where the local cloud", call("help")[1], re.MULTILINE)


def test_colours_are_for_a_terminal_whose_user_did_not_say_no():
    env, command = {"PATH": "/usr/bin:/bin", "TERM": "xterm"}, [str(ROOT / "careapp"), "--help"]
    assert "\x1b[1m./careapp rehearse\x1b[0m" in shown_on_a_terminal(command, env)
    assert "\x1b" not in shown_on_a_terminal(command, {**env, "NO_COLOR": "1"})
    assert "\x1b" not in shown_on_a_terminal(command, {**env, "TERM": "dumb"})


def test_the_version_is_pyprojects_and_the_commit_that_of_its_own_repository(tmp_path):
    tree, env = lay_out(tmp_path / "outer" / "careapp"), {**os.environ, "HOME": str(tmp_path)}
    text = (tree / "pyproject.toml").read_text()
    (tree / "pyproject.toml").write_text(text.replace('version = "0.1.0"', 'version = "8.7.6"'))

    def version() -> str:
        return subprocess.check_output([tree / "careapp", "--version"], text=True, env=env)

    def commit(folder: Path) -> str:
        git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.com"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
            subprocess.run([*git, *words], check=True, env=env)
        return subprocess.check_output(
            [*git, "rev-parse", "--short", "HEAD"], text=True, env=env
        ).strip()

    assert version() == "careapp 8.7.6\n"
    commit(tree.parent)
    assert version() == "careapp 8.7.6\n"
    assert version() != (own := f"careapp 8.7.6 ({commit(tree)})\n")
    assert version() == own


def test_a_second_command_starts_at_once_and_says_nothing_of_its_own(call):
    began = time.monotonic()
    assert call("cloud", "status")[2] == ""
    assert time.monotonic() - began < 5
