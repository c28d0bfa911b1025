"""Builds the image in a checkout with files that must not be in it, and runs containers of it as Fargate does."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from careapp import ROOT
from tests.image.docker_engine import TAG, Engine
from tests.webapp.dependencies import free_port
from tests.webapp.serving import Client

WEBAPP = ROOT / "webapp"
CANARY = "canary-8f1c2e"
STRAY_FILES = (
    ".env",
    ".git/config",
    "__pycache__/app.cpython-313.pyc",
    "certs/private.key",
    "notes.txt",
    "static/.DS_Store",
    "static/logo.svg.orig",
    "tests/test_app.py",
)


@dataclass(frozen=True)
class Image:
    """An image that was built in the test."""

    engine: Engine
    tag: str
    index: str = field(repr=False)  # The build arguments; they contain credentials.


def checkout(folder: Path) -> Path:
    """Copy webapp/ and add stray files that other users cannot read."""
    copy = folder / "webapp"
    shutil.copytree(WEBAPP, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name in STRAY_FILES:
        stray = copy / name
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_text(f"PASSWORD = '{CANARY}'\n")
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    # Packages are installed after its copy. With a usual checkout's mode a rehearsal's build finds them in the cache.
    (copy / "requirements.txt").chmod(0o644)
    return copy


def package_index(engine: Engine) -> str:
    """Return pip's package index with credentials, which must not be in the image."""
    own = os.environ.get("PIP_INDEX_URL") or ""
    if not own and shutil.which("pip"):
        words = ("pip", "config", "get", "global.index-url")
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        own = done.stdout.strip()
    code = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    parts = urlsplit(own or engine.run("run", "--rm", TAG, "python", "-c", code).strip())
    if parts.username:
        return parts.geturl()
    return urlunsplit(parts._replace(netloc=f"builder:{CANARY}@{parts.netloc}"))


def build(engine: Engine, context: Path, tag: str) -> Image:
    """Build with the engine's own builder; raise DockerFailed with the output."""
    index = package_index(engine)
    network = ("--network", "host", "--build-arg", "PIP_INDEX_URL")
    command = ("build", *network, "--tag", tag, str(context))
    engine.run(*command, env={"PIP_INDEX_URL": index}, seconds=900)
    return Image(engine, tag, index)


@contextmanager
def removing(engine: Engine, tag: str) -> Iterator[None]:
    """Remove the image with this tag and its build stages after the block."""
    before = _dangling(engine)
    try:
        yield
    finally:
        engine.attempt("image", "rm", "--force", tag)
        for stage in _dangling(engine) - before:
            engine.attempt("image", "rm", "--force", stage)


def _dangling(engine: Engine) -> set[str]:
    return set(engine.run("images", "--quiet", "--filter", "dangling=true").split())


LOOPBACK = "127.0.0.1"
USER = "10001:10001"
# As in the task definition: readonlyRootFilesystem with a volume at /tmp, initProcessEnabled,
# user, cpu, memory.
AS_ON_FARGATE = (
    "--init",
    *("--read-only", "--tmpfs", "/tmp", "--user", USER),  # noqa: S108 (inside the container)
    *("--cpus", "0.25", "--memory", "512m", "--network", "host"),
)


@dataclass(frozen=True)
class Container(Client):
    """A running container whose app listens on a loopback port."""

    engine: Engine
    name: str
    port: int

    def stop(self) -> int:
        """Stop it as ECS does, with SIGTERM and then SIGKILL, and return its exit code."""
        self.engine.run("stop", "--time", "30", self.name)
        return int(self.engine.run("wait", self.name))


def start(
    engine: Engine, image: str, variables: Mapping[str, str], options: tuple[str, ...] = ()
) -> Container:
    """Start a container. Variables are passed in the environment, not as arguments."""
    port = free_port()
    given = {"BIND_HOST": LOOPBACK, "PORT": str(port), **variables}
    names = [part for name in given for part in ("--env", name)]
    command = ["run", "--detach", *AS_ON_FARGATE, *options, *names, image]
    name = engine.run(*command, env=given).strip()
    return Container(engine, name, port)


def run_once(engine: Engine, image: str, command: tuple[str, ...]) -> tuple[int, str]:
    """Run one command in a new container of the image; return the exit code and the output."""
    done = engine.attempt("run", "--rm", *AS_ON_FARGATE, image, *command)
    return done.returncode, done.stdout + done.stderr
