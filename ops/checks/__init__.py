"""All checks: pure functions from a case to findings, and how findings explain one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import replace

from ops.checks import (
    capacity,
    containers,
    databases,
    doors,
    hands,
    health,
    hops,
    inputs,
    listeners,
    numbers,
    outbound,
    pages,
    pauses,
    planning,
    refusals,
    rights,
    rollouts,
    running,
    stages,
)
from ops.checks.case import Case
from ops.findings import Finding, ranked

CheckOf = Callable[[Case], Iterable[Finding]]

CHECKS: tuple[CheckOf, ...] = (
    pauses.paused,
    stages.missing,
    rollouts.draining,
    rollouts.scaled_down,
    capacity.placing,
    capacity.quota,
    planning.room,
    outbound.task_to_aws,
    planning.way_out,
    rights.execution_role,
    rights.task_role,
    inputs.image,
    inputs.secrets,
    planning.secret,
    inputs.log_group,
    doors.balancer,
    doors.attached,
    listeners.forwarding,
    listeners.shadowed,
    hands.deregistered,
    listeners.certificate,
    doors.protocol,
    doors.declared_port,
    doors.drifted,
    hops.balancer_to_task,
    hops.task_to_database,
    hops.internet_to_balancer,
    databases.status,
    databases.secret,
    databases.variables,
    databases.address,
    databases.tls,
    databases.authority,
    containers.memory,
    containers.crash,
    running.database,
    running.migrations,
    running.failures,
    containers.unexplained,
    health.codes,
    health.timeouts,
    pages.failing,
    refusals.refusals,
    hands.stopped,
    rollouts.rolled_back,
    rollouts.going_on,
    numbers.deaths,
    numbers.interrupted,
    numbers.ill,
    numbers.short,
)


def run(case: Case) -> tuple[Finding, ...]:
    """What all checks find, the root cause first."""
    all_ = [each for check in CHECKS for each in check(case)]
    found = ranked([each for each in all_ if not pauses.meant(each, case)])
    causes = {each.id for each in found if each.kind == "cause"}
    shown = [each.at(case.now.place) for one in found for each in _shown(one, causes)]
    return ranked(shown)


def _shown(finding: Finding, causes: Set[str]) -> Iterator[Finding]:
    """Return a finding as the causes leave it: as it is, as their consequence, or not at all."""
    if causes.isdisjoint(finding.row.explained_by):
        yield finding
    elif not finding.row.repeats:
        yield replace(finding, kind="consequence") if finding.kind == "cause" else finding
