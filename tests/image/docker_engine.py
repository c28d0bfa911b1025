"""Find a Docker engine, or start a private one that leaves the machine's network alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
START_SECONDS = 30
STOP_SECONDS = 20
PREFIX = "careapp-docker-"
IN_MEMORY = 6e9
"""Free bytes of /dev/shm from which the engine keeps its data there; this folder's images and containers take 2e9."""


class DockerUnavailable(Exception):
    """No engine answers and none can be started; the message says what is missing."""


class DockerFailed(Exception):
    """A docker command failed; the message is what it printed."""


@dataclass(frozen=True)
class Engine:
    """An engine that answers, and the `docker` command that talks to it."""

    client: str
    host: str | None = None  # None: where the user's own docker context leads

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a docker command runs with; values that must not be in argv go in by `extra`."""
        chosen = {"DOCKER_HOST": self.host} if self.host else {}
        return {**os.environ, **chosen, **(extra or {})}

    def attempt(
        self, *args: str, env: Mapping[str, str] | None = None, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run one docker command and hand back what it did, whatever that was.

        Raises subprocess.TimeoutExpired after `seconds`.
        """
        return subprocess.run(
            [self.client, *args],
            env=self.environment(env),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def run(self, *args: str, env: Mapping[str, str] | None = None, seconds: float = 60) -> str:
        """Run one docker command and return its stdout; raise DockerFailed unless it exits 0."""
        done = self.attempt(*args, env=env, seconds=seconds)
        if done.returncode:
            raise DockerFailed(f"docker {args[0]} exited {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        """The engine's own record of an `image` or a `container`."""
        record: dict[str, Any] = json.loads(self.run(kind, "inspect", name))[0]
        return record

    def builders(self) -> dict[str, Engine]:
        """The builders at hand, `classic` or `buildkit`, each with a client that can use it.

        BuildKit is inside clients before 23 and is the buildx plug-in of later ones.
        """
        found: dict[str, Engine] = {}
        for client in _clients():
            engine = Engine(client, self.host)
            version = engine.attempt("version", "--format", "{{.Client.Version}}").stdout
            built_in = version.split(".")[0].isdigit() and int(version.split(".")[0]) < 23
            if built_in or engine.attempt("buildx", "version").returncode == 0:
                found.setdefault("buildkit", engine)
            found.setdefault("classic", engine)
        return found


def _clients() -> list[str]:
    folders = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part]
    names = (folder / "docker" for folder in folders)
    return list(dict.fromkeys(str(name) for name in names if os.access(name, os.X_OK)))


def find() -> Engine | None:
    """The engine to which the user's docker command leads, if it answers within 10 s."""
    for client in _clients()[:1]:
        try:
            if Engine(client).attempt("version", "--format", "ok", seconds=10).returncode == 0:
                return Engine(client)
        except subprocess.TimeoutExpired:
            return None
    return None


@contextmanager
def running() -> Iterator[Engine]:
    """An engine for as long as the block runs: the user's, else a private one that ends with it.

    Raises DockerUnavailable if neither can be had.
    """
    if engine := find():
        yield engine
    else:
        with _private() as engine:
            yield engine


def _needs() -> tuple[str, str]:
    """Paths of the docker command and of dockerd; raise DockerUnavailable for what is missing."""
    clients = _clients()
    path = f"{os.environ.get('PATH', '')}{os.pathsep}{SYSTEM_FOLDERS}"
    daemon = shutil.which("dockerd", path=path)
    if not clients or not daemon or not all(map(shutil.which, ("setpriv", "unshare"))):
        raise DockerUnavailable(
            "No Docker engine answers, and docker, dockerd or util-linux is not installed: start"
            " your engine, or install one (on Debian: apt-get install docker.io)."
        )
    if os.geteuid() != 0:
        raise DockerUnavailable(
            "No Docker engine answers, and only root can start one: start your engine."
        )
    return clients[0], daemon


@contextmanager
def _private() -> Iterator[Engine]:
    client, daemon = _needs()
    home = _new_folder()
    engine = Engine(client, f"unix://{home}/docker.sock")
    with (home / "log").open("w") as log:
        process = subprocess.Popen(_command(daemon, home), stdout=log, stderr=log, process_group=0)
    try:
        _wait_until_ready(engine, process, home / "log")
        yield engine
    finally:
        _end(process)
        shutil.rmtree(home, ignore_errors=True)


def _new_folder() -> Path:
    """Make the folder for the engine's data: in memory, where an image is unpacked and deleted in a third of the time.

    Folders of tests that were killed are deleted.
    """
    memory = Path("/dev/shm")  # noqa: S108
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > IN_MEMORY
    within = memory if roomy else Path("/var/tmp")  # noqa: S108
    for left in within.glob(f"{PREFIX}*"):
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=within))


def _command(daemon: str, home: Path) -> list[str]:
    """Own socket, folders and mounts, no bridge, no firewall rule; it ends with this process."""
    bound = ["setpriv", "--pdeathsig", "TERM", "--", "unshare", "--mount", "--"]
    folders = ["--data-root", f"{home}/data", "--exec-root", f"{home}/exec"]
    files = ["--host", f"unix://{home}/docker.sock", "--pidfile", f"{home}/docker.pid"]
    network = ["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]
    return [*bound, daemon, *files, *folders, *network]


def _wait_until_ready(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if engine.attempt("version", "--format", "ok").returncode == 0:
            return
        time.sleep(0.1)
    last = "\n".join(log.read_text().splitlines()[-5:])
    raise DockerUnavailable(f"dockerd did not come up within {START_SECONDS} s:\n{last}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
