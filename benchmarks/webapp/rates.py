"""Measures the app's request rates, as the image serves it and with gunicorn's gthread worker.

python -m benchmarks.webapp.rates [--rounds N] [--seconds S] [--connections C]

Both servers run the same Flask app. They take turns in short rounds, so that other work on the
machine disturbs both alike; a ratio is the median of the rounds' ratios. The ratio of CPU time for
each request is given, too: it does not depend on how much CPU was free. Needs wrk.
"""

import argparse
import json
import re
import statistics
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.webapp.stage import Running, Stage, app_command, serving, stage, wait_for

PATHS = ("/", "/health")
THREADED = ("--worker-class", "gthread", "--threads", "16", "webapp:create_app()")


@dataclass(frozen=True)
class Sample:
    """The results of one round: requests a second, and microseconds of CPU for each."""

    rate: float
    cpu: float


def sample(server: Running, path: str, seconds: int, connections: int) -> Sample:
    """Run wrk once with keep-alive connections. Raises if a request failed."""
    before = server.cpu_seconds()
    said = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", server.url(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in said:
        raise RuntimeError(said)
    requests = int(re.findall(r"(\d+) requests in", said)[0])
    rate = float(re.findall(r"Requests/sec:\s+([0-9.]+)", said)[0])
    return Sample(rate, (server.cpu_seconds() - before) / requests * 1e6)


def compare(scene: Stage, given: argparse.Namespace) -> dict[str, object]:
    """Return all numbers."""
    with ExitStack() as stack:
        ours, threaded = (
            stack.enter_context(serving(command, scene.variables, scene.folder))
            for command in (app_command(), app_command(*THREADED))
        )
        for server in (ours, threaded):
            wait_for(server, "/")
        found: dict[str, object] = {}
        for path in PATHS:
            rounds = [
                [sample(each, path, given.seconds, given.connections) for each in (ours, threaded)]
                for _ in range(given.rounds)
            ]
            found[path] = {
                "rate": [median([each[at].rate for each in rounds]) for at in (0, 1)],
                "rate_ratio": median([one.rate / two.rate for one, two in rounds], 2),
                "cpu_us": [median([each[at].cpu for each in rounds]) for at in (0, 1)],
                "cpu_ratio": median([two.cpu / one.cpu for one, two in rounds], 2),
            }
        memory = [each.memory()["rss"] for each in (ours, threaded)]
    return found | {"memory_mb": [round(each) for each in memory]}


def median(values: list[float], digits: int = 0) -> float:
    """Return the rounded median."""
    return round(statistics.median(values), digits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    given = parser.parse_args()
    with stage() as scene:
        print(json.dumps(compare(scene, given), indent=1))


if __name__ == "__main__":
    main()
