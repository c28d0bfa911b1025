"""Starts a task's containers, runs their health checks, and stops them."""

import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any

from local_cloud import starter
from local_cloud.aws.cloudwatch import logs
from local_cloud.aws.ecs import starts
from local_cloud.aws.ecs.containers import CannotRun, DockerContainer, ProcessGroup, Running
from local_cloud.aws.ecs.file_system import container_binds, docker_volumes, resolver_binds
from local_cloud.aws.ecs.placement import ContainerState, Placement
from local_cloud.aws.ecs.plans import Plan, prepare, trust_mounts
from local_cloud.aws.ecs.start_checks import CannotStart
from local_cloud.aws.rds.database import database_names
from local_cloud.building.builder import LocalImage
from local_cloud.clock import Clock
from local_cloud.machine.guardian import Guardian
from local_cloud.machine.processes import unprivileged_account

SHORTEST_CHECK = 5.0
"""Minimum of real seconds for a check, ECS's usual limit: it starts a program on a machine that others load."""
SHORTEST_PAUSE = 1.0
"""Minimum of real seconds between two checks: each one starts a program, which takes its own time."""


def command_of(check: Mapping[str, Any]) -> list[str] | None:
    """Return the program of a check: CMD runs it directly, CMD-SHELL in a shell, NONE disables it."""
    kind, *rest = [str(word) for word in check["command"]]
    if kind == "NONE":
        return None
    if kind == "CMD-SHELL":
        return ["/bin/sh", "-c", " ".join(rest)]
    return rest if kind == "CMD" else [kind, *rest]


def watch(
    running: Running,
    check: Mapping[str, Any],
    clock: Clock,
    over: threading.Event,
    tell: Callable[[str], None],
) -> None:
    """Run the check until ``over`` is set; calls ``tell`` with HEALTHY or UNHEALTHY after a change.

    Numbers as in the API reference, HealthCheck: failures in the start period do not count.
    """
    argv = command_of(check)
    if argv is None:
        return
    interval, timeout = float(check.get("interval", 30)), float(check.get("timeout", 5))
    retries, start_period = int(check.get("retries", 3)), float(check.get("startPeriod", 0))
    limit = min(timeout, max(clock.wall(timeout), SHORTEST_CHECK))
    began, failures, known = clock.monotonic(), 0, "UNKNOWN"
    while not _pause(clock, interval, over):
        passed = running.check(argv, limit) == 0
        if over.is_set():
            return
        if passed:
            failures, found = 0, "HEALTHY"
        elif clock.monotonic() - began < start_period and known == "UNKNOWN":
            continue
        else:
            failures += 1
            found = "UNHEALTHY" if failures >= retries else known
        if found != known:
            known = found
            tell(found)


def _pause(clock: Clock, interval: float, over: threading.Event) -> bool:
    """Wait for the next check and return whether ``over`` is set."""
    end = clock.monotonic() + interval
    return over.wait(SHORTEST_PAUSE) or clock.sleep(end - clock.monotonic(), over)


SHORTEST_STOP = 5.0
"""Minimum of real seconds for a container to stop, since its own work is not faster on the clock."""


@dataclass(eq=False)
class _Run:
    placement: Placement
    folder: Path
    beginning: threading.Lock = field(default_factory=threading.Lock)
    """Held while the containers begin: what ends them waits for those that are on their way."""
    over: threading.Event = field(default_factory=threading.Event)
    parts: list[tuple[ContainerState, Plan, Running, threading.Thread]] = field(
        default_factory=list
    )


class Runner:
    """Runs tasks. Calls ``on_exit`` when an essential container ends, ``on_health`` after a check's change."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        guardian: Guardian,
        images: Callable[[str], LocalImage],
        authority: Path,
    ) -> None:
        self._folder, self._clock, self._guardian = folder, clock, guardian
        self._images, self._authority = images, authority
        self._runs: dict[str, _Run] = {}
        self.on_exit: Callable[[str], None] = lambda _: None
        self.on_health: Callable[[str], None] = lambda _: None

    def take(self, placement: Placement) -> None:
        """Know of a task that ``start`` is to start: from now on ``end`` ends it, however far it has come."""
        folder = self._folder / f"task-{placement.task}"
        self._runs[placement.task] = _Run(placement, folder)

    def start(self, placement: Placement) -> None:
        """Check, pull, resolve secrets and start the containers. Raises CannotStart with ECS's stopped reason.

        A task that was ended since it was taken starts none.
        """
        run = self._runs.get(placement.task)
        if run is None:
            return
        definitions = placement.definition.container_definitions
        placement.containers = [ContainerState.declared(definition) for definition in definitions]
        try:
            with run.beginning:
                self._begin_all(run, definitions)
        except BaseException:
            self.end(placement.task)
            raise
        starts.follow(self._clock, run.over, list(_starting(run)))

    def _begin_all(self, run: _Run, definitions: Sequence[Mapping[str, Any]]) -> None:
        placement = run.placement
        plans = prepare(placement, run.folder, self._images, self._authority)
        for state, plan, definition in zip(placement.containers, plans, definitions, strict=True):
            if run.over.is_set():
                return
            try:
                self._begin(run, state, plan, definition)
            except CannotRun as problem:
                state.reason = str(problem)
                raise CannotStart(str(problem)) from None

    def roots(self, task: str) -> list[int]:
        """Return the first process of each container of a running task, if it is known."""
        run = self._runs.get(task)
        found = [running.root() for _, _, running, _ in run.parts] if run else []
        return [process for process in found if process is not None]

    def end(self, task: str) -> None:
        """Send SIGTERM to all containers, SIGKILL after the stop timeout, and wait until they have ended."""
        run = self._runs.pop(task, None)
        if run is None:
            return
        run.over.set()
        with run.beginning:
            parts = list(run.parts)
        for _, plan, running, _ in parts:
            running.signal(stop_signal(plan.image.stop_signal))
        for _, plan, running, thread in parts:
            wall = self._clock.wall(plan.stop_timeout)
            thread.join(max(wall, min(plan.stop_timeout, SHORTEST_STOP)))
            if thread.is_alive():
                running.signal(signal.SIGKILL)
                thread.join(5)
        rmtree(run.folder, ignore_errors=True)

    def stop(self) -> None:
        for task, run in list(self._runs.items()):
            for _, _, running, _ in run.parts:
                running.signal(signal.SIGKILL)
            self.end(task)

    def _begin(
        self, run: _Run, state: ContainerState, plan: Plan, definition: Mapping[str, Any]
    ) -> None:
        running = self._run(run, plan)
        state.pid, state.status = running.pid, "RUNNING"
        thread = threading.Thread(
            target=self._follow,
            args=(run, state, plan, running),
            daemon=True,
            name="rehearsal-task",
        )
        run.parts.append((state, plan, running, thread))
        thread.start()
        check = definition.get("healthCheck")
        if check:
            state.checked = True
            threading.Thread(
                target=watch,
                args=(running, check, self._clock, run.over, self._teller(run, state)),
                daemon=True,
                name="rehearsal-container-check",
            ).start()

    def _run(self, run: _Run, plan: Plan) -> Running:
        memory = plan.memory or int(run.placement.definition.memory or 0) or None
        if plan.image.docker:
            name = f"{starter.current().name}-rehearsal-{run.placement.task}-{plan.name}"
            return DockerContainer(plan, self._guardian, name, self._limits(run, plan, memory))
        run.folder.mkdir(parents=True, exist_ok=True)
        if account := unprivileged_account():
            account.own(run.folder)
        binds = []
        if run.placement.mounts:
            names = dict.fromkeys(database_names(), run.placement.platform)
            binds = [*container_binds(plan, run.folder), *resolver_binds(run.folder, names)]
        return ProcessGroup(plan, self._guardian, memory, run.placement.namespace, binds)

    def _limits(self, run: _Run, plan: Plan, memory: int | None) -> list[str]:
        limits = docker_volumes(plan)
        for name in database_names():
            limits += ["--add-host", f"{name}:{run.placement.platform}"]
        for mount in trust_mounts(plan.image, self._authority):
            limits += ["--volume", mount]
        limits += ["--read-only"] if plan.read_only else []
        limits += ["--user", plan.user] if plan.user else []
        # Without the second one a container may use as much swap as memory (Docker's documentation, "Resource
        # constraints"); on Fargate there is no swap.
        limits += ["--memory", f"{memory}m", "--memory-swap", f"{memory}m"] if memory else []
        cpu = int(run.placement.definition.cpu or 0)
        return limits + (["--cpus", str(cpu / 1024)] if cpu else [])

    def _follow(self, run: _Run, state: ContainerState, plan: Plan, running: Running) -> None:
        reader = threading.Thread(
            target=logs.pump,
            args=(
                running.output,
                plan.log_group,
                plan.log_stream,
                self._clock,
                as_on_aws(run.placement, plan),
            ),
            daemon=True,
            name="rehearsal-task-log",
        )
        reader.start()
        code = running.wait()
        reader.join(2)
        state.exit_code, state.status, state.reason = code, "STOPPED", running.reason
        if plan.essential and not run.over.is_set():
            self.on_exit(run.placement.task)

    def _teller(self, run: _Run, state: ContainerState) -> Callable[[str], None]:
        def tell(health: str) -> None:
            state.health = health
            self.on_health(run.placement.task)

        return tell


def as_on_aws(placement: Placement, plan: Plan) -> Callable[[str], str]:
    """Return the function that changes the text of a container's log to the text on AWS.

    Paths in a traceback are those of the image (/app/pages.py), not of the local copies. An app that was
    passed the task's loopback address as BIND_HOST listens on all addresses there: where a port follows it.
    """
    if plan.environment.get("BIND_HOST") != placement.address:
        return plan.image.inside
    passed = re.compile(rf"(?<![\d.]){re.escape(placement.address)}(?=:\d)")
    return lambda text: passed.sub("0.0.0.0", plan.image.inside(text))  # noqa: S104 - only a text


def stop_signal(name: str) -> int:
    """Return the signal of an image's STOPSIGNAL, by name or number. ECS sends it (API reference, StopTask)."""
    return int(name) if name.isdigit() else signal.Signals[f"SIG{name.removeprefix('SIG')}"].value


def _starting(run: _Run) -> Iterator[starts.Container]:
    parts = zip(run.placement.definition.container_definitions, run.parts, strict=True)
    for definition, (_, _, running, _) in parts:
        ports = [int(mapping["containerPort"]) for mapping in definition.get("portMappings") or ()]
        if ports:
            placement = run.placement
            yield starts.Container(running.root, placement.address, ports, placement.namespace)
