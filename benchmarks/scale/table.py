"""The simulated roll-outs as a table, with the limits that each one passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.scale.simulation import Result, simulate
from rehearsal.console import Progress, duration
from rehearsal.paths import ROOT
from stack import sizes
from stack.deployments import CANARY, ROLLING, STRATEGIES, DeploymentSettings
from stack.service import CPU_UNITS
from stack.settings import Settings

SIZES = (1, 2, 5, 10, 50, 100, 200, 500, 1000)
POC = Settings.read("poc", ROOT).sizes
"""The size of a task, its connections and the class of the database."""


@dataclass(frozen=True)
class Row:
    """One roll-out."""

    tasks: int
    strategy: str
    result: Result

    @property
    def vcpus(self) -> float:
        """Return the vCPUs of all tasks at the peak."""
        return self.result.peak.tasks * POC.cpu / CPU_UNITS

    @property
    def connections(self) -> int:
        """Return the database's connections at the peak."""
        return self.result.peak.connected * POC.connections_a_task + sizes.OWN_CONNECTIONS

    @property
    def walls(self) -> tuple[str, ...]:
        """Return the limits that the roll-out passes."""
        found = {
            f"{sizes.NEW_ACCOUNT_VCPUS} vCPUs": self.vcpus > sizes.NEW_ACCOUNT_VCPUS,
            f"{POC.allowed} connections": self.connections > POC.allowed,
            f"{sizes.LAUNCHED_AT_ONCE} launches at once": self.tasks > sizes.LAUNCHED_AT_ONCE,
            f"{sizes.TARGETS} targets": self.result.peak.targets > sizes.TARGETS,
        }
        return tuple(name for name, passed in found.items() if passed)


def in_api(settings: DeploymentSettings) -> dict[str, object]:
    """Return the strategy as ECS's API has it; nothing for a rolling one."""
    if settings.strategy != CANARY:
        return {}
    canary = {
        "canaryPercent": float(settings.percent),
        "canaryBakeTimeInMinutes": settings.minutes,
    }
    return {
        "strategy": STRATEGIES[CANARY],
        "bakeTimeInMinutes": settings.bake,
        "canaryConfiguration": canary,
    }


def rows(counts: Sequence[int], progress: Progress) -> Iterator[Row]:
    """Yield the roll-outs of each size, rolling and canary, with the settings' defaults."""
    cells = [(tasks, strategy) for tasks in counts for strategy in (ROLLING, CANARY)]
    with progress.phase("simulating roll-outs", "one to two minutes") as phase:
        for number, (tasks, strategy) in enumerate(cells, 1):
            phase.detail = f"{number} of {len(cells)}: {tasks} tasks, {strategy}"
            settings = DeploymentSettings(strategy=strategy)
            yield Row(tasks, strategy, simulate(tasks, in_api(settings)))


HEAD = (
    "| tasks | strategy | steady after | vCPUs | connections | targets | more than |\n"
    "|---|---|---|---|---|---|---|"
)


def line(row: Row) -> str:
    """Return a row in Markdown."""
    cells = (
        f"{row.tasks:,}",
        row.strategy,
        duration(row.result.seconds),
        f"{row.vcpus:g}",
        f"{row.connections:,}",
        f"{row.result.peak.targets:,}",
        ", ".join(row.walls) or "-",
    )
    return f"| {' | '.join(cells)} |"
