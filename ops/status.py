"""How a stack stands: stage, service, tasks, targets, database, alarms, address."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ops.aws import Session
from ops.snapshot import Snapshot, balancing, compute, looked, others
from ops.snapshot.records import Part
from stack.names import StackNames
from stack.settings import Settings


def overview(names: StackNames, session: Session, settings: Settings) -> Snapshot:
    """What a glance needs; what it does not ask for stays empty."""
    with ThreadPoolExecutor(6) as pool:
        service = pool.submit(looked, compute.service, session, names)
        tasks = pool.submit(looked, compute.tasks, session, names)
        group = pool.submit(looked, balancing.target_group, session, names.target_group)
        balancer = pool.submit(looked, balancing.balancer, session, names.balancer, False)
        database = pool.submit(looked, others.database, session, names.database, False)
        alarms = pool.submit(looked, others.alarms, session, names.prefix)
        found = group.result()
        targets = (
            pool.submit(looked, balancing.targets, session, found.value.arn)
            if found.value
            else None
        )
    running = service.result().value
    primary = running.primary if running else None
    return Snapshot(
        names=names,
        place=session.place,
        settings=settings,
        wanted=primary.definition if primary else None,
        service=service.result(),
        tasks=tasks.result(),
        group=found,
        balancer=balancer.result(),
        targets=targets.result() if targets else Part(problem=found.problem),
        database=database.result(),
        alarms=alarms.result(),
    )
