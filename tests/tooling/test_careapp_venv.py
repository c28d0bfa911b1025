"""How the entry script makes .venv: once, again only where something changed, never half."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.tooling.conftest import FAKE_UV, PYTHON, Script, Tree, commands, running
from tests.webapp.serving import eventually

MINOR = sys.version_info[1]
TELLING = "import sys; print(sys.argv[1:], sys.prefix)"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path, TELLING)


VENV, BASE = "venv", "requirements.txt"
CLOUD, DEV = "requirements-local-cloud.txt", "requirements-dev.txt"


def steps(tree: Tree) -> list[str]:
    """What uv did since the last time: made a venv, or installed a lock."""
    notes = tree.base / "uv"
    lines = notes.read_text().splitlines() if notes.exists() else []
    notes.unlink(missing_ok=True)
    return [
        "venv" if line.startswith("venv ") else Path(line.split(" -r ")[1]).name for line in lines
    ]


@pytest.mark.slow
def test_the_first_command_makes_it_of_hashed_wheels_and_the_second_finds_it(tree):
    code, out, err = tree.call("status")
    assert (code, out) == (0, f"['status'] {tree.folder}/.venv\n")
    assert err.splitlines() == [
        f"careapp: making .venv with Python 3.{MINOR} …",
        "careapp: installing requirements.txt …",
    ]
    assert (tree.base / "uv").read_text().splitlines() == [
        f"venv --quiet --seed --allow-existing --python {PYTHON} {tree.folder}/.venv",
        f"pip install --python {tree.folder}/.venv/bin/python --quiet --only-binary :all: "
        f"--require-hashes -r {tree.folder}/requirements.txt",
    ]
    assert steps(tree) == [VENV, BASE]
    assert tree.call("status") == (0, f"['status'] {tree.folder}/.venv\n", "")
    assert steps(tree) == []


@pytest.mark.slow
def test_without_uv_python_and_pip_make_it(tree):
    (tree.executable.folder / "uv").unlink()
    assert tree.call("status")[:2] == (0, f"['status'] {tree.folder}/.venv\n")


@pytest.mark.slow
def test_a_command_brings_the_locks_of_its_part(tree):
    tree.call("status")
    assert steps(tree) == [VENV, BASE]
    tree.call("test", "--help")
    assert steps(tree) == []
    tree.call("rehearse")
    assert steps(tree) == [CLOUD]
    assert tree.call("--lang", "ja", "test")[0] == 0
    assert steps(tree) == [DEV]
    (tree.folder / "packages" / "local-cloud" / CLOUD).write_text("# another\n")
    assert tree.call("--lang=ja", "rehearse")[0] == 0
    assert steps(tree) == [CLOUD]
    for command in ("status", "cloud", "cost", "test"):
        tree.call(command)
    assert steps(tree) == []


@pytest.mark.slow
def test_another_python_or_another_place_means_another_venv(tree):
    tree.call("test")
    steps(tree)
    notes = tree.folder / ".venv" / ".careapp" / "python"
    before = notes.read_text()
    packages = [f"{tree.folder}/packages/{name}" for name in ("careapp", "ecs-gate", "local-cloud")]
    assert before.splitlines() == [f"{MINOR} {tree.folder}", *packages]
    notes.write_text(before.replace(f"{MINOR} ", "10 ", 1))
    tree.call("test")
    assert steps(tree) == [VENV, BASE, CLOUD, DEV]
    tree.folder = tree.folder.rename(tree.base / "moved")
    assert tree.call("status")[1] == f"['status'] {tree.base}/moved/.venv\n"
    assert steps(tree) == [VENV, BASE]
    (tree.folder / ".venv" / "bin" / "python").unlink()  # It was removed from the machine.
    assert tree.call("status")[0] == 0
    assert steps(tree) == [VENV, BASE]


@pytest.mark.slow
def test_a_venv_that_careapp_did_not_make_keeps_its_python_or_stays(tree):
    venv = tree.folder / ".venv"
    venv.mkdir()
    (venv / "pyvenv.cfg").touch()
    own = Script(venv / "bin")
    own("python", "echo 9 /usr/bin/python3.9")
    code, _, err = tree.call("status", PYTHON="")
    assert (code, steps(tree)) == (1, [])
    assert ".venv has another Python, and careapp did not make it." in err
    (venv / ".careapp").mkdir()  # as an interrupt leaves it
    own("python", f"echo {MINOR} {PYTHON}")
    tree.executable("python3.13", "echo 13 /nowhere/python3.13")
    assert tree.call("status", PYTHON="")[1] == f"['status'] {tree.folder}/.venv\n"


@pytest.mark.slow
def test_a_link_s_target_belongs_to_another_and_stays(tree):
    """Else another checkout's environment, to which the link leads, would be emptied."""
    tree.call("status")
    other, venv = tree.folder / "other", tree.folder / ".venv"
    venv.rename(other)
    venv.symlink_to(other)
    (other / ".careapp" / "python").write_text(f"{MINOR} /another/checkout\n")
    before = sorted(other.rglob("*"))
    for lang, says, way in (
        ("en", ".venv is a symbolic link; what it leads to stays as it is.", "Way out: rm "),
        ("ja", ".venv はシンボリックリンクです", "対処: rm "),
    ):
        code, _, err = tree.call("status", CAREAPP_LANG=lang)
        assert (code, says in err, f"  {way}{venv}" in err) == (1, True, True), err
    assert sorted(other.rglob("*")) == before
    venv.unlink()
    assert tree.call("status")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_a_venv_that_was_interrupted_is_never_used(tree, kind):
    process = tree.start("status", SLOW="pip")
    slow = tree.base / "slow"
    eventually(lambda: slow.exists() and slow.read_text().strip(), 60)
    os.killpg(process.pid, kind)  # as a terminal does
    process.communicate(timeout=300)
    assert process.returncode in (130, -kind)
    if kind == signal.SIGINT:  # the killed one may wait for a parent that asks
        assert not running(int(slow.read_text()))
    steps(tree)
    assert tree.call("status")[:2] == (0, f"['status'] {tree.folder}/.venv\n")
    assert steps(tree) == [VENV, BASE]


@pytest.mark.slow
def test_a_failed_install_shows_the_installers_words_and_is_done_again(tree):
    code, out, err = tree.call("status", BREAK="pip")
    log = tree.folder / ".venv" / ".careapp" / "install.log"
    assert (code, out) == (1, "")
    assert err.splitlines()[-3:] == [
        "  | no route to the index",
        f"careapp: installing requirements.txt: failed; above is the end of {log}",
        "  Way out: fix what it says (network, proxy, disk) and run the same command again.",
    ]
    steps(tree)
    assert tree.call("status")[0] == 0
    assert steps(tree) == [VENV, BASE]


@pytest.mark.slow
def test_of_two_at_once_one_makes_it_and_the_other_waits(tree):
    both = [tree.start("status", PAUSE="pip") for _ in range(2)]
    answers = [process.communicate(timeout=300) for process in both]
    assert [out for out, _ in answers] == [f"['status'] {tree.folder}/.venv\n"] * 2
    assert steps(tree) == [VENV, BASE]
    waited = "careapp: another careapp is at work on .venv; waiting for it\n"
    assert sorted(waited in err for _, err in answers) == [False, True]


@pytest.mark.slow
def test_a_command_that_runs_on_does_not_hold_the_lock(tree):
    commands(tree.folder).write_text(
        "import sys, time; print('up', flush=True); sys.argv[1:] == ['shell'] and time.sleep(60)"
    )
    process = tree.start("shell")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    (tree.folder / BASE).write_text("# another\n")
    assert tree.call("status")[:2] == (0, "up\n")
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_shims_that_fail_and_old_pythons_are_passed_over(tree):
    del tree.env["PYTHON"]
    tree.executable("uv", FAKE_UV.replace("$PYTHON", PYTHON))
    own = f'case "$*" in *version_info*) echo {MINOR} "$0" ;; *) exec {PYTHON} "$@" ;; esac'
    tree.executable("python3.13", f'exec {tree.executable("another", own)} "$@"')
    assert tree.call("status", BREAK="pip")[0] == 1, "nobody named it, so it is not chosen again"
    for name in ("python3.13", "python3.14"):
        tree.executable(name, "echo no such version >&2; exit 127")
    tree.executable("python3.12", "exit 1")
    tree.executable("python3.11", "echo 9 /usr/bin/python3.9")
    tree.executable("python3", f'exec {PYTHON} "$@"')
    assert tree.call("status")[0] == 0
    assert f"--python {PYTHON} " in (tree.base / "uv").read_text()


def test_without_a_fitting_python_each_one_found_is_named_with_its_reason(tree):
    for name in ("3.11", "3.12", "3.14", "3", ""):
        tree.executable(f"python{name}", "echo 9 /usr/bin/python3.9")
    del tree.env["PYTHON"]
    tree.executable("python3.13", "exit 127")
    (tree.executable.folder / "uv").unlink()
    no_pip = f'case "$*" in *ensurepip*) exit 1 ;; *) echo 11 {tree.executable.folder}/python3.11 ;; esac'
    tree.executable("python3.11", no_pip)
    assert tree.call("status") == (
        1,
        "",
        "careapp: no Python 3.11 or newer that can make a venv.\n"
        "  Found: python3.13 (does not run), python3.12 (3.9), python3.11 (3.11 without venv and "
        "ensurepip; Debian: apt-get install python3.11-venv), python3.14 (3.9), python3 (3.9), "
        "python (3.9),\n"
        "  Way out: install one (or uv), or name one: PYTHON=/path/to/python3 ./careapp …\n",
    )
    assert not (tree.folder / ".venv").exists()
    assert (
        "venv を作れる Python 3.11 以降がありません。" in tree.call("status", LANG="ja_JP.UTF-8")[2]
    )


def test_a_python_that_is_named_is_used_or_refused_but_never_replaced(tree):
    code, _, err = tree.call("status", PYTHON="/bin/false")
    assert (code, err.splitlines()[1]) == (1, "  Found: /bin/false (does not run),")
    assert steps(tree) == []
