"""Measures the rehearsal's times and the local cloud's memory: ``python -m tests.benchmarks.rehearsal [RUNS]``.

Run it from the project's folder with ``.venv/bin/python`` on an idle machine, after a first
``./careapp rehearse --exit`` has filled the caches.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOW = ("--tasks", "process", "--port", "0")
LIMITS = {
    "rehearse --exit, all of it": 60.0,
    "stage 1": 20.0,
    "stage 2 until the page answers": 15.0,
    "pulumi up without changes": 6.0,
    "local cloud, resident MB": 350.0,
}


def careapp(*words: str) -> str:
    done = subprocess.run(["./careapp", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def timed(*words: str) -> float:
    begun = time.monotonic()
    careapp(*words)
    return time.monotonic() - begun


def inside(command: tuple[str, ...]) -> float:
    """Return the seconds that a command takes in `./careapp shell`, without the start of the shell."""
    clock = "import subprocess, sys, time; begun = time.monotonic(); "
    clock += "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
    clock += "print(time.monotonic() - begun)"
    return float(careapp("shell", "--", sys.executable, "-c", clock, *command))


def rehearse(seen: dict[str, list[float]]) -> None:
    """Run one rehearsal and return its times."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        whole = timed("rehearse", "--exit", *HOW, "--json", str(file))
        report = json.loads(file.read_text())
    seen["rehearse --exit, all of it"].append(whole)
    seen["stage 1"].append(report["stages"][0]["seconds"])
    seen["stage 2 until the page answers"].append(report["page"]["seconds_to_healthy"])


def stay_up(seen: dict[str, list[float]], runs: int) -> None:
    """Return the time of an update without changes in stage 2, and the local cloud's memory."""
    up = ("pulumi", "up", "-s", "poc", "--yes", "--skip-preview")
    try:
        careapp("shell", *HOW, "--", "pulumi", "stack", "init", "poc")
        careapp("shell", "--", *up)
        careapp("shell", "--", "pulumi", "config", "set", "ecsEnabled", "true")
        careapp("shell", "--", *up)
        for _ in range(runs):
            seen["pulumi up without changes"].append(inside(up))
        pid = json.loads(careapp("cloud", "status", "--json"))["pid"]
        seen["local cloud, resident MB"].append(resident(pid))
    finally:
        careapp("cloud", "stop")


def resident(pid: int) -> float:
    """Return the resident MB of one process; the app's tasks and PostgreSQL have their own processes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"process {pid} has no VmRSS")


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    seen: dict[str, list[float]] = {name: [] for name in LIMITS}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CAREAPP_HOME"] = folder
        for _ in range(runs):
            rehearse(seen)
        stay_up(seen, runs)
    missed = 0
    print(f"| what ({runs} runs) | min | median | max | at most |\n|---|---|---|---|---|")
    for name, values in seen.items():
        middle = statistics.median(values)
        missed += middle > LIMITS[name]
        numbers = " | ".join(f"{value:.1f}" for value in (min(values), middle, max(values)))
        print(f"| {name} | {numbers} | {LIMITS[name]:.0f} |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
