"""Request rates of the app against a bare WSGI app on the same server, and the app's tail latency.

python -m benchmarks.webapp.rates [--rounds N] [--seconds S] [--connections C] [--kinds laned,gthread,...]

The app and the bare app take turns in short rounds, so that other work on the machine disturbs
both alike; a ratio is the median of the rounds' ratios. The same is said in CPU time for each
request, which does not depend on how many CPUs were free. Needs wrk, and
for the kind `waitress`, which is not in the list by default, that package on PYTHONPATH.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.webapp.stage import Running, Stage, app_command, serving, stage, wait_for

WRK = ["wrk", "-t1"]
PACED = str(Path(__file__).with_name("paced.lua"))
PACED_CONNECTIONS = 64
GUNICORN = [sys.executable, "-m", "gunicorn"]
BARE = "benchmarks.webapp.bare:app"
WAITRESS = [sys.executable, "-m", "waitress", "--listen=127.0.0.1:{port}", "--threads=16"]
QUIET = ["--keep-alive", "75", "--no-control-socket", "--log-level", "warning"]
KINDS = {
    "laned": ["--worker-class", "webapp.server.LanedWorker", "--threads", "16"],
    "gthread": ["--worker-class", "gthread", "--threads", "16"],
    "sync": ["--worker-class", "sync", "--threads", "1"],
}


@dataclass(frozen=True)
class Sample:
    """What one round measured: requests a second, and microseconds of CPU for each."""

    rate: float
    cpu: float


def sample(server: Running, path: str, seconds: int, connections: int) -> Sample:
    """One round with wrk, which keeps its connections open. Raises if a request failed."""
    before = server.cpu_seconds()
    said = subprocess.run(
        [*WRK, f"-c{connections}", f"-d{seconds}s", server.url(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in said:
        raise RuntimeError(said)
    requests = int(re.findall(r"(\d+) requests in", said)[0])
    rate = float(re.findall(r"Requests/sec:\s+([0-9.]+)", said)[0])
    return Sample(rate, (server.cpu_seconds() - before) / requests * 1e6)


def paced(server: Running, path: str, rate: float) -> dict[str, float]:
    """Latencies in ms at about this many requests a second, which come at random moments."""
    mean = PACED_CONNECTIONS / rate * 1000
    said = subprocess.run(
        [*WRK, f"-c{PACED_CONNECTIONS}", "-d10s", "--latency", "-s", PACED, server.url(path)],
        env={**os.environ, "MEAN_MS": f"{mean:.0f}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = {"rate": float(re.findall(r"Requests/sec:\s+([0-9.]+)", said)[0])}
    for share in ("50", "99"):
        value, unit = re.findall(rf"{share}%\s+([0-9.]+)(us|ms|s)\n", said)[0]
        found[f"p{share}_ms"] = round(float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit], 2)
    return found


def servers(kind: str, scene: Stage, stack: ExitStack) -> tuple[Running, Running]:
    """The app and the bare app on the same kind of server."""
    commands = (
        ([*WAITRESS, "--call", "webapp:create_app"], [*WAITRESS, BARE])
        if kind == "waitress"
        else (
            app_command(*KINDS[kind]),
            [*GUNICORN, *KINDS[kind], *QUIET, "--bind", "127.0.0.1:{port}", BARE],
        )
    )
    app, bare = (
        stack.enter_context(serving(command, scene.variables, scene.folder)) for command in commands
    )
    for server in (app, bare):
        wait_for(server, "/")
    return app, bare


def compare(kind: str, scene: Stage, given: argparse.Namespace) -> dict[str, object]:
    """All numbers of one kind of server."""
    with ExitStack() as stack:
        app, bare = servers(kind, scene, stack)
        rounds = [
            {
                "bare": sample(bare, "/", given.seconds, given.connections),
                "/health": sample(app, "/health", given.seconds, given.connections),
                "/": sample(app, "/", given.seconds, given.connections),
            }
            for _ in range(given.rounds)
        ]
        peak = max(one["/"].rate for one in rounds)
        tail, health = paced(app, "/", peak / 2), paced(app, "/health", peak / 2)
        memory = {name: round(mb, 1) for name, mb in app.memory().items()}
    return {
        "rate": {name: median([one[name].rate for one in rounds]) for name in rounds[0]},
        "cpu_us": {name: median([one[name].cpu for one in rounds]) for name in rounds[0]},
        "rate_ratio": {
            name: median([one[name].rate / one["bare"].rate for one in rounds], 2)
            for name in ("/health", "/")
        },
        "cpu_ratio": {
            name: median([one["bare"].cpu / one[name].cpu for one in rounds], 2)
            for name in ("/health", "/")
        },
        "at_half_peak": {"/": tail, "/health": health},
        "memory_mb": memory,
    }


def median(values: list[float], digits: int = 0) -> float:
    """The median, rounded."""
    return round(statistics.median(values), digits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--kinds", default=",".join(KINDS))
    given = parser.parse_args()
    with stage() as scene:
        found = {kind: compare(kind, scene, given) for kind in given.kinds.split(",")}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
