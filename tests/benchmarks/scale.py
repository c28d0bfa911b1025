"""Simulates roll-outs of 1 to 1,000 tasks and prints what they take: ``python -m tests.benchmarks.scale [TASKS…]``.

The rehearsal's scheduler, targets and launch rates run without processes, networks and waiting. Simulated are the
clock, a task that answers a constant time after it was created, and its address. The service is declared by the API's
calls, as the program declares it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, cast

from moto import mock_aws

from ecs_gate.facts.fargate import CPU_UNITS
from local_cloud.aws import hooks
from local_cloud.aws.ecs.api import EcsApi
from local_cloud.aws.ecs.network import TaskNetwork
from local_cloud.aws.ecs.placement import Placement
from local_cloud.aws.ecs.runner import Runner
from local_cloud.aws.ecs.scheduler import Scheduler
from local_cloud.aws.ecs.state import Service
from local_cloud.aws.elb.targets import Check, Targets
from local_cloud.aws.hooks import Hooking
from local_cloud.clock import Clock
from local_cloud.console import Progress, duration
from local_cloud.paths import ROOT
from local_cloud.tests.dataplane.declarations import REGION, Declarations
from stack import sizes
from stack.settings import Settings
from stack.shifting import CANARY, ROLLING, SHIFT_PERCENT, STRATEGIES, DeploymentSettings

SIZES = (1, 2, 5, 10, 50, 100, 200, 500, 1000)
POC = Settings.read("poc", ROOT).sizes
"""The size of a task, its connections and the class of the database."""
START = 60.0
"""AWS seconds from a task's creation until it answers health checks. Measured on AWS: 53 to 62 s to its start, for an
image of 413 MB (elasticscale.com, 2024)."""
CHECK = Check(interval=10.0, healthy_threshold=2, unhealthy_threshold=3)
"""The health check of the settings' defaults."""
TICK = 1.0
"""AWS seconds between two steps."""
WAITING_TICK = 10.0
"""The same while all tasks of both versions are healthy, in the waits of a canary deployment."""
LONGEST = 3600.0
"""AWS seconds after which a roll-out has failed."""
FREE = ("DEPROVISIONING", "STOPPED")
ROLE = f"arn:aws:iam::{hooks.ACCOUNT}:role/unused"
CONNECTED = ("RUNNING", "DEACTIVATING", "STOPPING")


class SimulatedClock(Clock):
    """A clock that stands still until it is set."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Immediately(Executor):
    """Runs what is submitted at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class SimulatedTasks:
    """Places without a network, and containers without a process: what TaskNetwork and Runner are to the scheduler."""

    def __init__(self) -> None:
        self.on_exit = self.on_health = lambda _: None
        self._placements: dict[str, Placement] = {}
        self._next = IPv4Address("10.0.0.1")

    def give(
        self, task: str, service: Any, _configuration: object, definition: Any, _status: object
    ) -> Placement:
        """Return a placement with the next address."""
        self._next += 1
        address = str(self._next)
        interface = SimpleNamespace(
            id=f"eni-{task[:17]}",
            mac_address="02:00:00:00:00:00",
            private_ip_address=address,
            subnet=SimpleNamespace(id="subnet-0"),
            availability_zone=f"{REGION}a",
            ec2_backend=SimpleNamespace(region_name=REGION),
            owner_id=hooks.ACCOUNT,
        )
        placement = self._placements[address] = Placement(
            task=task,
            cluster=service.cluster_name,
            service=service.name,
            definition=definition,
            interface=interface,
            address=address,
        )
        return placement

    def find(self, address: str) -> Placement | None:
        return self._placements.get(address)

    def release(self, placement: Placement) -> None:
        self._placements.pop(placement.private_address, None)

    def nothing(self, *_: object) -> None:
        """Do nothing: there are no listeners and no containers."""

    refresh = take = start = end = stop = nothing


@dataclass(frozen=True)
class Peak:
    """The most tasks at one time: that hold vCPUs, that hold connections, and that are targets."""

    tasks: int = 0
    connected: int = 0
    targets: int = 0

    def with_more(self, service: Service, targets: int) -> Peak:
        held = sum(task.status not in FREE for task in service.tasks)
        connected = sum(task.status in CONNECTED for task in service.tasks)
        return Peak(
            max(self.tasks, held), max(self.connected, connected), max(self.targets, targets)
        )


@dataclass(frozen=True)
class Result:
    """A roll-out: AWS seconds until the service is steady, and the peak of its tasks."""

    seconds: float
    peak: Peak


@dataclass
class Simulation:
    """A service with so many tasks, and the steps of its scheduler on the simulated clock."""

    count: int
    strategy: Mapping[str, Any]
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    peak: Peak = field(default_factory=Peak)

    def __post_init__(self) -> None:
        self.targets, tasks = Targets(self.clock), SimulatedTasks()
        self.scheduler = Scheduler(
            self.clock,
            self.targets,
            cast("TaskNetwork", tasks),
            cast("Runner", tasks),
            Immediately(),
        )
        self._tasks = tasks
        self._declared = Declarations(cast("Any", None), self.clock, cast("Any", None), {})

    @property
    def service(self) -> Service:
        [managed] = self.scheduler.services.values()
        return managed.service

    def roll_out(self) -> Result:
        """Deploy a first version, then a second one, whose roll-out is the result."""
        self._declare()
        self.until_steady()
        self.peak, begun = Peak(), self.clock.seconds
        second = self._declared.task_definition("v2")
        self._declared.ecs.update_service(cluster="main", service="web", taskDefinition=second)
        self.until_steady()
        return Result(self.clock.seconds - begun, self.peak)

    def until_steady(self) -> None:
        """Take steps until the service is steady. Raises TimeoutError."""
        end = self.clock.seconds + LONGEST
        while not self.service.steady:
            if self.clock.seconds > end:
                raise TimeoutError(f"{self.count} tasks are not steady after {LONGEST} s")
            self.step()

    def step(self) -> None:
        """Let time pass: health checks, then the scheduler."""
        groups = [self._declared.ids[each] for each in ("tg", "tg2")]
        known = [target for group in groups for target in self.targets.of(group)]
        waits = all(each.health.state == "healthy" and not each.draining_until for each in known)
        self.clock.seconds += WAITING_TICK if waits and len(known) > self.count else TICK
        for target in known:
            self._check(target)
        # DescribeTasks is not called, so the tasks' records are not kept up: that would take most of the time.
        for managed in self.scheduler.services.values():
            managed.shown.clear()
        self.scheduler.turn(0)
        self.peak = self.peak.with_more(self.service, len(known))

    def _check(self, target: Any) -> None:
        since = self.clock.seconds - target.registered_at
        if target.health.state != "initial" or since % CHECK.interval:
            return
        placement = self._tasks.find(target.id)
        task = self.service.task(placement.task) if placement else None
        if task is not None and self.clock.seconds - task.created_at >= START:
            self.targets.check(target, target.health.after(None, CHECK))

    def _declare(self) -> None:
        cloud = self._declared
        cloud.network()
        cloud.load_balancer()
        cloud.ecs.create_cluster(clusterName="main")
        # No task uses its own roles here.
        cloud.ids |= dict.fromkeys(("execution-role", "task-role"), ROLE)
        cloud.shifting_service(self.strategy, self.count)


@contextmanager
def account() -> Iterator[None]:
    """Yield with an empty account in this process's memory."""
    hooks.install()
    with mock_aws():
        yield


def simulate(count: int, strategy: Mapping[str, Any]) -> Result:
    """Return the roll-out of a new version of so many tasks by a strategy in the API's form."""
    with account():
        simulation, hooking = Simulation(count, strategy), Hooking()
        EcsApi(simulation.scheduler).start(hooking)
        try:
            return simulation.roll_out()
        finally:
            hooking.remove()


@dataclass(frozen=True)
class Row:
    """One roll-out."""

    tasks: int
    strategy: str
    result: Result

    @property
    def vcpus(self) -> float:
        return self.result.peak.tasks * POC.cpu / CPU_UNITS

    @property
    def connections(self) -> int:
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
    canary = {"canaryPercent": float(SHIFT_PERCENT), "canaryBakeTimeInMinutes": settings.bake}
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


def main() -> None:
    """Print the table on standard output, and the progress on standard error."""
    found = [line(each) for each in rows([*map(int, sys.argv[1:])] or SIZES, Progress(every=10))]
    print(HEAD, *found, sep="\n")


if __name__ == "__main__":
    main()
