"""Compares this project's settings with other tools' defaults, and writes docs/defaults.md.

Run it from the project's folder with ``.venv/bin/python``; at the usual speed it takes seven minutes, nearly all of
it waiting.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from benchmarks.defaults.measure import Seen, measure
from benchmarks.defaults.page import Row, failure, page, verdict
from benchmarks.defaults.profiles import Profile, profiles
from benchmarks.defaults.stage import CRASH, GOOD, NO_PATH, Scenario, cloud
from rehearsal.paths import ROOT
from tests.dataplane.stack import Stack

SPEED = 10.0
"""Half of the rehearsal's speed, so that the start of a process on this machine counts less."""
MINUTES = 60.0
APART = 1.0
"""Real seconds between two services, so that they do not start all tasks at once."""


def compare(stack: Stack, chosen: Mapping[str, Profile], minutes: float) -> dict[str, Row]:
    """Return the result of each profile: the good services one by one, the failing ones at the same time."""
    good = {name: _one(stack, name, each, GOOD, minutes) for name, each in chosen.items()}
    pending = {}
    with ThreadPoolExecutor(2 * len(chosen)) as pool:
        for name, each in chosen.items():
            for scenario in (NO_PATH, CRASH):
                pending[name, scenario] = pool.submit(_one, stack, name, each, scenario, minutes)
                time.sleep(APART)
    bad = {key: future.result() for key, future in pending.items()}
    return {name: Row(good[name], bad[name, NO_PATH], bad[name, CRASH]) for name in chosen}


def _one(stack: Stack, name: str, profile: Profile, scenario: Scenario, minutes: float) -> Seen:
    seen = measure(stack, f"{name}-{scenario.name}", profile, scenario, minutes)
    told = f"steady {seen.steady}" if seen.steady else failure(seen)
    print(f"{name}, {scenario.name}: {told}; {verdict(seen)}", file=sys.stderr, flush=True)
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speed", type=float, default=SPEED)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of AWS's time")
    asked = parser.parse_args()
    chosen = profiles()
    with cloud(asked.speed) as stack:
        rows = compare(stack, chosen, asked.minutes)
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    text = page(chosen, rows, day, asked.speed, asked.minutes)
    (ROOT / "docs" / "defaults.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
