"""Find a Docker engine, or start a private one that leaves the machine's network alone; give it python:3.13-slim.

The image is pulled, or a stand-in where none can be pulled (stand_in.sh).
"""

import hashlib
import json
import os
import platform
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cloud.paths import cache

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
    """An engine to which the `docker` command talks; no host: that of the user's context."""

    host: str | None = None

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return what a docker command runs with; values that must not be in argv are in `extra`."""
        chosen = {"DOCKER_HOST": self.host} if self.host else {}
        return {**os.environ, **chosen, **(extra or {})}

    def attempt(
        self, *args: str, env: Mapping[str, str] | None = None, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a docker command. Raises subprocess.TimeoutExpired."""
        return subprocess.run(
            ["docker", *args],
            env=self.environment(env),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def run(self, *args: str, env: Mapping[str, str] | None = None, seconds: float = 60) -> str:
        """Run a docker command and return its output. Raises DockerFailed unless it exits 0."""
        done = self.attempt(*args, env=env, seconds=seconds)
        if done.returncode:
            raise DockerFailed(f"docker {args[0]} exited {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        """Return the engine's record of an `image` or a `container`."""
        record: dict[str, Any] = json.loads(self.run(kind, "inspect", name))[0]
        return record

    def answers(self) -> bool:
        """Say whether the engine answers within 10 s."""
        try:
            return self.attempt("version", "--format", "ok", seconds=10).returncode == 0
        except subprocess.TimeoutExpired:
            return False


@contextmanager
def running() -> Iterator[Engine]:
    """Yield the user's engine, or a private one that ends with the block. Raises DockerUnavailable."""
    client = shutil.which("docker")
    if client and Engine().answers():
        yield Engine()
        return
    daemon = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
    if not (client and daemon and shutil.which("unshare") and os.geteuid() == 0):
        raise DockerUnavailable(
            "No Docker engine answers: start yours, or as root install one (Debian: apt-get install docker.io)."
        )
    home = new_folder()
    engine = Engine(f"unix://{home}/docker.sock")
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command(daemon, home), stdout=log, stderr=log, process_group=0)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not engine.answers():
            if time.monotonic() > deadline or process.poll() is not None:
                last = "\n".join((home / "log").read_text().splitlines()[-5:])
                raise DockerUnavailable(f"dockerd did not come up:\n{last}")
            time.sleep(0.1)
        yield engine
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home, ignore_errors=True)


def new_folder() -> Path:
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


def command(daemon: str, home: Path) -> list[str]:
    """Return dockerd's command: own socket, folders and mounts, no bridge, no firewall; it ends with this process."""
    bound = ["setpriv", "--pdeathsig", "TERM", "--", "unshare", "--mount", "--"]
    folders = ["--data-root", f"{home}/data", "--exec-root", f"{home}/exec"]
    files = ["--host", f"unix://{home}/docker.sock", "--pidfile", f"{home}/docker.pid"]
    network = ["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]
    return [*bound, daemon, *files, *folders, *network]


TAG = "python:3.13-slim"
PULL_SECONDS = 120
MAKE_SECONDS = 900
RECIPE = Path(__file__).with_name("stand_in.sh")

Say = Callable[[str], None]


def ensure(engine: Engine, say: Say) -> str:
    """Give the engine TAG and return how: "present", "pulled" or "stand-in". Raises DockerUnavailable."""
    if engine.attempt("image", "inspect", TAG).returncode == 0:
        return "present"
    say(f"Pulling {TAG} …")
    try:
        if engine.attempt("pull", "--quiet", TAG, seconds=PULL_SECONDS).returncode == 0:
            return "pulled"
    except subprocess.TimeoutExpired:
        pass
    say(f"{TAG} cannot be pulled; a stand-in is used.")
    engine.run("import", str(stand_in(say)), TAG, seconds=300)
    return "stand-in"


def stand_in(say: Say) -> Path:
    """Return the stand-in's root file system as a tarball in the user's cache, made on first use."""
    missing = [tool for tool in ("debootstrap", "unshare", "tar") if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        lack = f"install {', '.join(missing)}" if missing else "run as root"
        raise DockerUnavailable(f"To make a stand-in for {TAG}: {lack}; or pull {TAG} yourself.")
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or ""
    trusted = Path(bundle).read_bytes() if bundle else b""
    recipe = RECIPE.read_bytes() + trusted + platform.machine().encode()
    folder = cache()
    archive = folder / f"python-3.13-slim-{hashlib.sha256(recipe).hexdigest()[:16]}.tar"
    if not archive.exists():
        say("Making it from Debian by debootstrap (about a minute, once) …")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="base-image-") as work:
            # With mounts of its own, so that none is left behind.
            done = subprocess.run(
                ["unshare", "--mount", "sh", str(RECIPE), work, bundle],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=MAKE_SECONDS,
                check=False,
            )
            if done.returncode:
                last = "\n".join(done.stdout.splitlines()[-8:])
                raise DockerUnavailable(f"{RECIPE.name} exited {done.returncode}:\n{last}")
            (Path(work) / "root.tar").replace(archive)
    return archive
