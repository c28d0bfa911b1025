"""The simulated roll-outs as a table, with the limits that each one passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.scale.simulation import Result, simulate
from rehearsal.aws.ecs.launch_rate import BURST
from rehearsal.console import Progress, duration
from stack.database import BYTES_A_CONNECTION, GIB
from stack.deployments import CANARY, ROLLING, STRATEGIES, DeploymentSettings
from webapp.db import POOL_SIZE

SIZES = (1, 2, 5, 10, 50, 100, 200, 500, 1000)

VCPUS_A_TASK = 0.25
"""Of `poc`."""
VCPUS = 6.0
"""Of a new account in a region (AWS General Reference, "Amazon ECS endpoints and quotas")."""
WORKERS = 1
CONNECTIONS_A_WORKER = POOL_SIZE + 2
"""Those of a worker's pool, and two besides it."""
OWN_CONNECTIONS = 2
"""One for `deployCommand`, one for `./careapp db`."""
CONNECTIONS = GIB // BYTES_A_CONNECTION - 5
"""Of db.t4g.micro, which has 1 GiB, without those that RDS keeps."""
TARGETS = 1000
"""Of a load balancer (ELB user guide, "Quotas for your Application Load Balancers")."""


@dataclass(frozen=True)
class Row:
    """One roll-out."""

    tasks: int
    strategy: str
    result: Result

    @property
    def vcpus(self) -> float:
        """Return the vCPUs of all tasks at the peak."""
        return self.result.peak.tasks * VCPUS_A_TASK

    @property
    def connections(self) -> int:
        """Return the database's connections at the peak."""
        return self.result.peak.connected * WORKERS * CONNECTIONS_A_WORKER + OWN_CONNECTIONS

    @property
    def walls(self) -> tuple[str, ...]:
        """Return the limits that the roll-out passes."""
        found = {
            f"{VCPUS:g} vCPUs": self.vcpus > VCPUS,
            f"{CONNECTIONS} connections": self.connections > CONNECTIONS,
            f"{BURST} launches at once": self.tasks > BURST,
            f"{TARGETS} targets": self.result.peak.targets > TARGETS,
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


def rows(sizes: Sequence[int], progress: Progress) -> Iterator[Row]:
    """Yield the roll-outs of each size, rolling and canary, with the settings' defaults."""
    cells = [(tasks, strategy) for tasks in sizes for strategy in (ROLLING, CANARY)]
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
