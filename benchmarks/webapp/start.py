"""Measures the time from the server's start to the first 200 on /health, with one CPU and with 0.25.

python -m benchmarks.webapp.start [--runs N]
"""

import argparse
import json
import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.webapp.stage import Stage, app_command, serving, stage, wait_for

CGROUPS = Path("/sys/fs/cgroup")
PERIOD = 100_000  # microseconds, the kernel's default and Fargate's


@contextmanager
def cpu_share(share: float) -> Iterator[Path | None]:
    """Create a control group with this share of one CPU; None where that is not possible."""
    second = (CGROUPS / "cgroup.controllers").exists()
    group = (CGROUPS if second else CGROUPS / "cpu") / f"careapp-benchmark-{os.getpid()}"
    quota = int(share * PERIOD)
    try:
        group.mkdir()
        if second:
            (group / "cpu.max").write_text(f"{quota} {PERIOD}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(quota))
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


def measure(scene: Stage, group: Path | None) -> float:
    """Return the seconds of one start."""
    command = app_command()
    if group:
        join = f'echo $$ > {group}/cgroup.procs && exec "$@"'
        command = ["sh", "-c", join, "sh", *command]
    with serving(command, scene.variables, scene.folder) as server:
        return wait_for(server, "/health", 60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with stage() as scene:
        free = [measure(scene, None) for _ in range(runs)]
        with cpu_share(0.25) as group:
            slow = [measure(scene, group) for _ in range(runs)] if group else []
    print(json.dumps({"free_core": summary(free), "quarter_cpu": summary(slow)}, indent=1))


def summary(seconds: list[float]) -> dict[str, float] | str:
    """Return minimum and median; other load affects the minimum least."""
    if not seconds:
        return "not measured: no control group can be made here"
    return {"min": round(min(seconds), 2), "median": round(statistics.median(seconds), 2)}


if __name__ == "__main__":
    main()
