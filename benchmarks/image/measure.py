"""Measures the image: its size above its base, its start at 0.25 CPU, its memory.

    python -m benchmarks.image.measure [--starts N] [--json FILE]

Builds the image from webapp/Dockerfile with a Docker engine (an own one as root, where none runs).
The database is away: the start must not depend on it. Exits 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.image import containers
from tests.image.building import build, checkout, removing
from tests.image.surroundings import Database, database_with_tls
from tests.support import base_image, docker_engine
from tests.support.docker_engine import Engine

START_LIMIT = 4.0  # seconds to the first 200 on /health at 0.25 CPU, the median
SIZE_LIMIT = 60e6  # bytes above the base, uncompressed
MEMORY_LIMIT = 130e6  # bytes resident in all of its processes
FREE_CORE = tuple("1" if part == containers.CPUS else part for part in containers.AS_ON_FARGATE)
REQUESTS = 200


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The results in seconds and bytes."""

    base: str
    image_bytes: int
    bytes_above_base: int
    start_seconds: list[float]
    start_seconds_one_cpu: list[float]
    resident_bytes: int
    processes: int

    def misses(self) -> list[str]:
        """Return the missed limits as sentences."""
        start = statistics.median(self.start_seconds)
        limits = [
            (start, START_LIMIT, f"start at {containers.CPUS} CPU: {start:.2f} s"),
            (self.bytes_above_base, SIZE_LIMIT, f"size: {self.bytes_above_base / 1e6:.1f} MB"),
            (self.resident_bytes, MEMORY_LIMIT, f"memory: {self.resident_bytes / 1e6:.1f} MB"),
        ]
        return [f"{words}, limit {limit:g}" for value, limit, words in limits if value > limit]


def start_times(
    engine: Engine, tag: str, given: Mapping[str, str], limits: tuple[str, ...], count: int
) -> list[float]:
    """Return the seconds from `docker run` to the first 200 on /health, for each start."""
    times = []
    for _ in range(count):
        began = time.monotonic()
        container = containers.start(engine, tag, given, limits=limits)
        try:
            container.wait_until_healthy()
            times.append(round(time.monotonic() - began, 3))
        finally:
            containers.remove(container)
    return times


def memory(engine: Engine, tag: str, database: Database) -> tuple[int, int]:
    """Return the resident bytes of a container's processes after some requests, and their number."""
    given = {**database.variables(), "DB_PASSWORD": database.password}
    container = containers.start(engine, tag, given, database.options())
    try:
        container.wait_until_healthy()
        container.wait_for("/", 200)
        for _ in range(REQUESTS):
            assert container.get("/").status == 200, container.logs()
        listing = engine.run("top", container.name, "-o", "pid,rss").split("\n")[1:]
        resident = [int(line.split()[1]) * 1024 for line in listing if line.strip()]
        return sum(resident), len(resident)
    finally:
        containers.remove(container)


def measure(engine: Engine, base: str, starts: int) -> Measurement:
    """Build the image, measure it and remove it."""
    tag = f"careapp-benchmark:{os.getpid()}"
    away = {
        **{"DB_HOST": "database.invalid", "DB_PORT": "5432", "DB_NAME": "careapp"},
        **{"DB_USER": "postgres", "DB_PASSWORD": "none", "APP_VERSION": "0"},
    }
    with tempfile.TemporaryDirectory() as folder, removing(engine, tag), database_with_tls() as db:
        image = build(engine.builders()["classic"], "classic", checkout(Path(folder)), tag)
        base_bytes = int(engine.inspect("image", base_image.TAG)["Size"])
        resident, processes = memory(engine, tag, db)
        return Measurement(
            base=base,
            image_bytes=image.bytes(),
            bytes_above_base=image.bytes() - base_bytes,
            start_seconds=start_times(engine, tag, away, containers.AS_ON_FARGATE, starts),
            start_seconds_one_cpu=start_times(engine, tag, away, FREE_CORE, starts),
            resident_bytes=resident,
            processes=processes,
        )


def report(found: Measurement) -> str:
    """Return the numbers, one a line."""
    quarter, one = found.start_seconds, found.start_seconds_one_cpu
    return "\n".join(
        [
            f"base              {base_image.TAG} ({found.base})",
            f"size              {found.image_bytes / 1e6:.1f} MB",
            f"above the base    {found.bytes_above_base / 1e6:.1f} MB",
            f"start, 0.25 CPU   {statistics.median(quarter):.2f} s (max {max(quarter):.2f})",
            f"start, 1 CPU      {statistics.median(one):.2f} s (max {max(one):.2f})",
            f"resident          {found.resident_bytes / 1e6:.1f} MB in {found.processes} processes",
        ]
    )


def main() -> int:
    """Print the numbers; return 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--starts", type=int, default=5, help="how often it is started")
    parser.add_argument("--json", type=Path, help="a file for the numbers")
    asked = parser.parse_args()
    with docker_engine.running() as engine:
        origin = base_image.ensure(engine, lambda line: print(line, file=sys.stderr, flush=True))
        base = "stand-in" if base_image.is_stand_in(engine) else origin
        found = measure(engine, base, asked.starts)
    print(report(found))
    if asked.json:
        asked.json.write_text(json.dumps(asdict(found), indent=2) + "\n")
    for miss in found.misses():
        print(f"MISSED: {miss}", file=sys.stderr)
    return 1 if found.misses() else 0


if __name__ == "__main__":
    sys.exit(main())
