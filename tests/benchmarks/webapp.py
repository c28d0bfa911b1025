"""Measures the app as its image serves it, with a PostgreSQL with TLS: ``python -m tests.benchmarks.webapp NAME``.

rates     requests a second and CPU time for each, against gunicorn's gthread worker; needs wrk
start     seconds from the server's start to the first 200 on /health, with one CPU and with 0.25
upheaval  failed requests during a database restart, a password rotation and a rolling replacement
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import secrets
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.webapp.conftest import variables_for
from tests.webapp.dependencies import Postgres, open_vault, running
from tests.webapp.serving import Server, serving
from tools.local_cloud.machine.authority import Authority

PATHS = ("/", "/health")
THREADED = ("--worker-class", "gthread", "--threads", "16", "webapp:create_app()")
CGROUPS = Path("/sys/fs/cgroup")
PERIOD = 100_000
"""Microseconds, the kernel's default and Fargate's."""
LANES = 8
"""Requests to one path that can be under way at the same time."""
RECOVERY = 5.0
"""Seconds after the database is available again in which / may still fail."""


@dataclass(frozen=True)
class Stage:
    """A database and the app's variables for it."""

    postgres: Postgres
    variables: dict[str, str]
    folder: Path

    def serving(self, *options: str, wait: bool = True) -> AbstractContextManager[Server]:
        """Run a server with these options of gunicorn for the block."""
        return serving(self.variables, self.folder, wait, options)


@contextmanager
def stage() -> Iterator[Stage]:
    """Run a database for the block."""
    with tempfile.TemporaryDirectory(prefix="careapp-benchmark-") as name:
        authority = Authority(Path(name))
        with running(authority) as postgres:
            yield Stage(postgres, variables_for(postgres, authority), Path(name))


@dataclass(frozen=True)
class Sample:
    """The results of one round: requests a second, and microseconds of CPU for each."""

    rate: float
    cpu: float


def sample(server: Server, path: str, seconds: int) -> Sample:
    """Run wrk once with 32 keep-alive connections. Raises if a request failed."""
    before = server.cpu_seconds()
    said = subprocess.run(
        ["wrk", "-t1", "-c32", f"-d{seconds}s", f"http://127.0.0.1:{server.port}{path}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in said:
        raise RuntimeError(said)
    requests = int(re.findall(r"(\d+) requests in", said)[0])
    rate = float(re.findall(r"Requests/sec:\s+([0-9.]+)", said)[0])
    return Sample(rate, (server.cpu_seconds() - before) / requests * 1e6)


def rates(scene: Stage, asked: argparse.Namespace) -> dict[str, object]:
    """Let both servers take turns in short rounds, so that other work on the machine disturbs both alike.

    A ratio is the median of the rounds' ratios.
    """
    found: dict[str, object] = {}
    with scene.serving() as ours, scene.serving(*THREADED) as threaded:
        servers = (ours, threaded)
        for server in servers:
            server.wait_for("/", 200)
        for path in PATHS:
            rounds = [[sample(s, path, asked.seconds) for s in servers] for _ in range(asked.runs)]
            found[path] = {
                "rate": [median([each[at].rate for each in rounds]) for at in (0, 1)],
                "rate_ratio": median([one.rate / two.rate for one, two in rounds], 2),
                "cpu_us": [median([each[at].cpu for each in rounds]) for at in (0, 1)],
                "cpu_ratio": median([two.cpu / one.cpu for one, two in rounds], 2),
            }
        found["memory_mb"] = [round(server.resident_megabytes()) for server in servers]
    return found


def median(values: list[float], digits: int = 0) -> float:
    """Return the rounded median."""
    return round(statistics.median(values), digits)


@contextmanager
def cpu_share(share: float) -> Iterator[Path]:
    """Create a control group with this share of one CPU. Raises OSError where that is not possible."""
    second = (CGROUPS / "cgroup.controllers").exists()
    group = (CGROUPS if second else CGROUPS / "cpu") / f"careapp-benchmark-{os.getpid()}"
    quota = int(share * PERIOD)
    group.mkdir()
    try:
        if second:
            (group / "cpu.max").write_text(f"{quota} {PERIOD}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        yield group
    finally:
        group.rmdir()


def start(scene: Stage, asked: argparse.Namespace) -> dict[str, object]:
    """Start the server again and again; other load affects the minimum least."""

    def measure(group: Path | None) -> float:
        with scene.serving(wait=False) as server:
            if group:
                (group / "cgroup.procs").write_text(str(server.process.pid))
            return server.wait_for("/health", 200, 60)

    free = [measure(None) for _ in range(asked.runs)]
    with cpu_share(0.25) as group:
        slow = [measure(group) for _ in range(asked.runs)]
    return {
        name: {"min": round(min(times), 2), "median": median(times, 2)}
        for name, times in (("free_core", free), ("quarter_cpu", slow))
    }


@dataclass
class Load:
    """The results: latencies in seconds, and the time and kind of each failure."""

    latencies: list[float] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)

    def ask(self, server: Server, path: str, due: float) -> None:
        """Send one request; its latency counts from the time at which it was due."""
        try:
            status = server.get(path).status
        except (OSError, http.client.HTTPException) as error:
            self.failures.append((time.monotonic(), type(error).__name__))
            return
        if status == 200:
            self.latencies.append(time.monotonic() - due)
        else:
            self.failures.append((time.monotonic(), str(status)))


@dataclass
class Targets:
    """Two tasks behind a balancer, used in turn, and the times of the events on the monotonic clock."""

    servers: list[Server]
    turn: int = 0
    away_from: float = 0.0
    back_at: float = 0.0
    stopped: list[int] = field(default_factory=list)

    def ask(self, path: str, rate: float, seconds: float) -> Load:
        """Send `rate` requests a second, whether the servers keep up or not."""
        load, begun = Load(), time.monotonic()

        def lane(number: int) -> None:
            due = begun + number / rate
            while due < begun + seconds:
                time.sleep(max(0.0, due - time.monotonic()))
                self.turn += 1
                load.ask(self.servers[self.turn % len(self.servers)], path, due)
                due += LANES / rate

        with ThreadPoolExecutor(LANES) as pool:
            list(pool.map(lane, range(LANES)))
        return load

    def happen(
        self, scene: Stage, rotate: Callable[[str], None], stack: ExitStack, seconds: float
    ) -> None:
        """Restart the database, rotate the password, and replace both tasks, one after the other."""
        time.sleep(seconds * 0.15)
        self.away_from = time.monotonic()
        scene.postgres.stop()
        time.sleep(2)
        scene.postgres.start()
        self.back_at = time.monotonic()
        time.sleep(seconds * 0.25)
        scene.postgres.set_password(secrets.token_hex(12))
        rotate(scene.postgres.password)
        scene.postgres.hang_up()  # so that the new password is needed at once
        time.sleep(seconds * 0.15)
        for old in list(self.servers):
            new = stack.enter_context(scene.serving())
            new.wait_for("/", 200)
            # As when a balancer drains: no new requests from now on, those under way go on.
            self.servers = [*(each for each in self.servers if each is not old), new]
            old.terminate()
            self.stopped.append(old.wait())


def upheaval(scene: Stage, asked: argparse.Namespace) -> dict[str, object]:
    """Return the failures on /health, of which there must be none, and on /, which needs the database."""
    with open_vault() as vault, ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        arn = vault.store_login(scene.postgres.password)
        scene.variables.update(vault.variables, DB_SECRET_ARN=arn)
        targets = Targets([stack.enter_context(scene.serving()) for _ in range(2)])
        for server in targets.servers:
            server.wait_for("/", 200)
        first = targets.servers
        asking = [
            pool.submit(targets.ask, path, rate, asked.seconds)
            for path, rate in (("/", asked.rate), ("/health", asked.rate / 2))
        ]
        targets.happen(scene, partial(vault.rotate, arn), stack, asked.seconds)
        pages, health = (each.result() for each in asking)
        lookups = sum(each.text().count("took the database login") for each in first)
    away = (targets.away_from, targets.back_at + RECOVERY)
    excused = [what for at, what in pages.failures if away[0] <= at <= away[1] and what == "503"]
    late = [at - targets.back_at for at, _ in pages.failures if at > targets.back_at]
    return {
        "health": {
            "answered": len(health.latencies),
            "failed": len(health.failures),
            "max_ms": round(max(health.latencies) * 1000, 1),
        },
        "pages": {
            "answered": len(pages.latencies),
            "failed_while_away": len(excused),
            "failed_otherwise": len(pages.failures) - len(excused),
            "kinds": dict(Counter(what for _, what in pages.failures)),
        },
        "database_away_s": round(targets.back_at - targets.away_from, 1),
        "recovered_after_s": round(max(late, default=0.0), 2),
        "secret_lookups_of_two_tasks": lookups,
        "exit_codes_of_stopped_tasks": targets.stopped,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    measures = {each.__name__: each for each in (rates, start, upheaval)}
    parser.add_argument("name", choices=measures)
    parser.add_argument("--runs", type=int, default=5, help="rounds of rates, or starts")
    parser.add_argument("--seconds", type=int, default=3, help="of a round, or of the upheaval")
    parser.add_argument("--rate", type=float, default=60, help="requests for / a second")
    asked = parser.parse_args()
    with stage() as scene:
        print(json.dumps(measures[asked.name](scene, asked), indent=1))


if __name__ == "__main__":
    main()
