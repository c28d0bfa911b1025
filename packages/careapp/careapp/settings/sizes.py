"""What a roll-out takes at its peak, and the limits that it must fit into."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from careapp.settings import database, image, scaling, service, shifting
from careapp.settings.file import Reader
from careapp.settings.jobs import JOBS
from careapp.settings.rules import Invalid, Key
from careapp.settings.workers import WORKERS
from ecs_gate.facts.fargate import CPU_UNITS
from ecs_gate.facts.rds import MOST_CONNECTIONS, RESERVED_CONNECTIONS, max_connections
from ecs_gate.text import Text, t

TARGETS = 1000
"""Targets of a load balancer (ELB user guide, "Quotas for your Application Load Balancers")."""
LAUNCHES_A_MINUTE = 500
"""Tasks that ECS launches for one service on Fargate in a minute; cannot be raised (the same page)."""
LAUNCHED_AT_ONCE = 100
"""Tasks that Fargate launches at once (ECS developer guide, "AWS Fargate throttling quotas")."""
OWN_CONNECTIONS = 2
"""One for `deployCommand`, one for `./careapp db`. The alarms and the doctor open none."""
SPARE_CONNECTIONS = 2
"""Connections that a worker of webapp/ opens besides its pool (webapp/db.py; a test compares it)."""
NEAR = 80
"""Percent of a limit above which a warning is shown. RDS allows fewer connections than its formula gives."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The largest roll-out that the settings allow. `wait` and `limit` are minutes."""

    tasks: int
    """The most tasks that are wanted at once."""
    least: int
    scaled: bool
    """Whether `maxCount` gives the number of tasks, not `desiredCount`."""
    cpu: int
    workers: int
    pool: int
    spare: int
    instance_class: str
    wait: int
    """What ECS waits while all tasks are healthy."""
    limit: int
    """`rolloutTimeoutMinutes`; 0: as many as the roll-out needs."""
    others: tuple[tuple[int, int], ...] = ()
    """Number and CPU units of the tasks of each worker and job."""

    @property
    def key(self) -> Key[int]:
        """The setting of the number of tasks."""
        return scaling.MAX_COUNT if self.scaled else service.DESIRED_COUNT

    @property
    def peak(self) -> int:
        """The most tasks, and targets, of a roll-out: old and new ones."""
        return self._most(self.tasks)

    @property
    def other_vcpus(self) -> float:
        """The vCPUs of workers and jobs."""
        return sum(self._most(count) * cpu for count, cpu in self.others) / CPU_UNITS

    @property
    def connections_a_task(self) -> int:
        """The most connections of one task."""
        return self.workers * (self.pool + self.spare)

    @property
    def connections(self) -> int:
        """The most connections of these tasks and all others."""
        return self.peak * self.connections_a_task + self.other_connections

    @property
    def other_connections(self) -> int:
        """The most connections of the commands, the workers and the jobs, whose processes are counted as the web's."""
        tasks = sum(self._most(count) * max(1, cpu // CPU_UNITS) for count, cpu in self.others)
        return tasks * (self.pool + self.spare) + OWN_CONNECTIONS

    def _most(self, tasks: int) -> int:
        return tasks * shifting.MAXIMUM_PERCENT // 100

    @property
    def allowed(self) -> int:
        """The connections that RDS leaves for them; of a class whose memory is unknown, the most of any."""
        try:
            most = max_connections(self.instance_class)
        except ValueError:
            most = MOST_CONNECTIONS
        return most - RESERVED_CONNECTIONS

    @property
    def launch(self) -> int:
        """The minutes until ECS has launched the new tasks, beyond those that start at once."""
        return math.ceil(max(0, self.tasks - LAUNCHED_AT_ONCE) / LAUNCHES_A_MINUTE)

    @property
    def minutes(self) -> int:
        """The least minutes of a roll-out, as far as waits and the number of tasks make it longer; else 0."""
        longer = self.launch + self.wait
        return longer + shifting.START_MINUTES if longer else 0

    @property
    def fits(self) -> bool:
        """Whether targets and connections are within their limits."""
        return self.peak <= TARGETS and self.connections <= self.allowed

    def most_tasks(self) -> int:
        """Return the largest number of tasks that fits; 0 if none does."""
        numbers = range(scaling.MOST, 0, -1)
        return next((number for number in numbers if replace(self, tasks=number).fits), 0)


def check(read: Reader, sizes: Sizes) -> None:
    """Refuse what does not fit: a problem of the number of tasks, and one of `rolloutTimeoutMinutes`."""
    read.check(
        lambda: check_peak(sizes),
        *(sizes.key, scaling.MIN_COUNT, image.APP_CONNECTIONS, image.APP_FOLDER),
        *(service.TASK_CPU, database.DATABASE_INSTANCE_CLASS, WORKERS, JOBS),
    )
    short = t(
        "{limit} is too short: ECS waits {wait} minutes (deployStrategy, bakeMinutes) and "
        "launches {rate} of the {tasks} tasks a minute, and {start} minutes are for their start; set {least} "
        "or more, or 0, which is always enough",
        limit=sizes.limit,
        wait=sizes.wait,
        rate=LAUNCHES_A_MINUTE,
        tasks=sizes.tasks,
        start=shifting.START_MINUTES,
        least=sizes.minutes,
    )
    keys = (shifting.ROLLOUT_TIMEOUT, sizes.key, shifting.DEPLOY_STRATEGY, shifting.BAKE_MINUTES)
    read.refuse(0 < sizes.limit < sizes.minutes, short, *keys)


def check_peak(sizes: Sizes) -> None:
    """Raise ValueError where they do not fit, with the numbers and the nearest choices that do."""
    if sizes.fits:
        return
    *others, last = choices(sizes)
    these = ", ".join(map(str, others))
    options = t("{these} or {last}", these=these, last=last) if others else last
    if sizes.peak > TARGETS:
        raise Invalid(
            "{tasks} is too many: up to {peak} tasks during a roll-out are targets of one load "
            "balancer, which has at most {limit}; choose {choices}",
            tasks=sizes.tasks,
            peak=sizes.peak,
            limit=TARGETS,
            choices=options,
        )
    raise Invalid(
        "{tasks} is too many: up to {peak} tasks during a roll-out can open {needed} connections "
        "({workers} x {each} each, and {own} of workers, jobs and commands, which count, too), and {kind} "
        "allows at most {allowed}; choose {choices}",
        tasks=sizes.tasks,
        needed=sizes.connections,
        peak=sizes.peak,
        workers=sizes.workers,
        each=sizes.pool + sizes.spare,
        own=sizes.other_connections,
        kind=sizes.instance_class,
        allowed=sizes.allowed,
        choices=options,
    )


def choices(sizes: Sizes) -> Iterator[Text | str]:
    """Yield the nearest settings that fit, each by itself.

    Where none does, and beyond the targets, also the most tasks that any class allows.
    """
    # Without scaling `least` is the number of tasks itself.
    least = sizes.least if sizes.scaled else 1
    nearest: tuple[tuple[str, Key[Any], Iterable[Any]], ...] = (
        ("tasks", sizes.key, range(scaling.MOST, least - 1, -1)),
        ("pool", image.APP_CONNECTIONS, range(sizes.pool - 1, 0, -1)),
        (
            "instance_class",
            database.DATABASE_INSTANCE_CLASS,
            database.larger_classes(sizes.instance_class),
        ),
    )
    single = []
    for name, key, values in nearest:
        fitting = (value for value in values if replace(sizes, **{name: value}).fits)
        single += [f"{key.name} {size}" for size in islice(fitting, 1)]
    yield from single
    if sizes.others:
        yield t("fewer workers and jobs")
    together = " + ".join(_together(sizes))
    if not (single or sizes.others) or (sizes.peak > TARGETS and together not in single):
        yield together


def _together(sizes: Sizes) -> Iterator[str]:
    """Yield the settings to change at once: fewer tasks, with the smallest class that allows the most."""

    def most(kind: str) -> int:
        return replace(sizes, instance_class=kind).most_tasks()

    kinds = (sizes.instance_class, *database.larger_classes(sizes.instance_class))
    kind = max(kinds, key=most)
    if sizes.scaled and most(kind) < sizes.least:
        yield f"{scaling.MIN_COUNT.name} {most(kind)}"
    yield f"{sizes.key.name} {most(kind)}"
    if kind != sizes.instance_class:
        yield f"{database.DATABASE_INSTANCE_CLASS.name} {kind}"


def warnings(sizes: Sizes) -> Iterator[Text]:
    """Yield what is near a limit: above NEAR percent of it."""
    if _near(sizes.peak, TARGETS):
        yield t(
            "{key} {tasks}: up to {peak} tasks during a roll-out are targets of one load balancer, "
            "which has at most {limit}. Another load balancer needs another stack (docs/scale.md).",
            key=sizes.key.name,
            tasks=sizes.tasks,
            peak=sizes.peak,
            limit=TARGETS,
        )
    if _near(sizes.connections, sizes.allowed):
        yield t(
            "{key} {tasks}: up to {peak} tasks during a roll-out can open {needed} connections. {kind} "
            "allows at most {allowed}, and RDS may allow fewer. Lower appConnections, or choose a "
            "larger databaseInstanceClass.",
            key=sizes.key.name,
            tasks=sizes.tasks,
            peak=sizes.peak,
            needed=sizes.connections,
            allowed=sizes.allowed,
            kind=sizes.instance_class,
        )


def _near(value: int, limit: int) -> bool:
    return value * 100 > limit * NEAR
