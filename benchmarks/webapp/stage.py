"""The set-up of the app's benchmarks: a PostgreSQL, a server process, its CPU time and memory."""

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.webapp.dependencies import HOST, Authority, Postgres, free_port, running

ROOT = Path(__file__).resolve().parents[2]
PYTHONPATH = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Stage:
    """A database and the app's variables for it."""

    postgres: Postgres
    variables: dict[str, str]
    folder: Path
    rotations: list[Callable[[str], None]] = field(default_factory=list)

    def rotate(self, password: str) -> None:
        """Pass the new password to every listener."""
        for listener in self.rotations:
            listener(password)


@contextmanager
def stage() -> Iterator[Stage]:
    """Run a database for the block."""
    with tempfile.TemporaryDirectory(prefix="careapp-benchmark-") as name:
        folder = Path(name)
        authority = Authority(folder)
        with running(authority) as postgres:
            variables = {
                "PATH": os.environ["PATH"],
                "BIND_HOST": "127.0.0.1",
                "DB_HOST": HOST,
                "DB_PORT": str(postgres.port),
                "DB_NAME": "careapp",
                "DB_USER": "postgres",
                "DB_PASSWORD": postgres.password,
                "DB_SSLROOTCERT": str(authority.certificate),
                "PGHOSTADDR": postgres.address,
                "APP_VERSION": "benchmark",
            }
            yield Stage(postgres, variables, folder)


@dataclass
class Running:
    """A server process with its port."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def pids(self) -> list[int]:
        """Return the ids of the main process and its workers."""
        first = self.process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes in seconds."""
        total = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def memory(self) -> dict[str, float]:
        """Return the resident MB: `rss` counts shared pages for each process, `pss` counts them once."""
        found = {"rss": 0.0, "pss": 0.0}
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name.lower() in found:
                    found[name.lower()] += int(rest.split()[0]) / 1024
        return found


@contextmanager
def serving(command: list[str], variables: dict[str, str], folder: Path) -> Iterator[Running]:
    """Run a server that `command` starts, for the block."""
    port = free_port()
    environ = {**variables, "PORT": str(port), "PYTHONPATH": PYTHONPATH}
    output = folder / f"{port}.log"
    given = [part.replace("{port}", str(port)) for part in command]
    with output.open("wb") as file:
        process = subprocess.Popen(
            given, cwd=ROOT, env=environ, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield Running(process, port, output)
    finally:
        process.terminate()
        try:
            process.wait(35)
        except subprocess.TimeoutExpired:
            process.kill()


def app_command(*more: str) -> list[str]:
    """Return the command that the image starts the app with, and more options."""
    gunicorn = [sys.executable, "-m", "gunicorn"]
    return [*gunicorn, "--config", "webapp/gunicorn.conf.py", *more]


def wait_for(server: Running, path: str, within: float = 20) -> float:
    """Return the seconds until the path answers 200."""
    began = time.monotonic()
    while time.monotonic() - began < within:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return time.monotonic() - began
        except OSError:
            time.sleep(0.005)
        finally:
            connection.close()
    raise RuntimeError(f"{path} not answered: {server.output.read_text()[-2000:]}")
