"""All checks: pure functions from a case to findings, and how findings explain one another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
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

START = r"task-cannot-reach-aws|task-https-closed|execution-role-.*|secret-.*|database-secret|log-group-.*|image-.*"
DATABASE = r"task-cannot-reach-database|database-.*"
EXPLAINED = (
    (r"app-.*|crash-(database|host|no-tls|pg-hba|certificate|wrong|too-many|variable).*", DATABASE),
    (r"app-(database-away|requests-fail)", r"app-.*|page-.*"),
    (r"(app|crash)-(wrong-password|database-away)", r"task-role-cannot-read-secret"),
    (r"crash-exec-format", r"image-architecture"),
    (
        r"page-.*",
        rf"{DATABASE}|app-.*|rule-in-the-way|no-rule-forwards|target-protocol|task-role-.*",
    ),
    (r"rolled-back|roll-out-failed|tasks-die", r".*"),
)
"""Findings that are consequences where one of the causes at their right was found."""

NEEDLESS = (
    (r"task-cannot-start|cannot-place-tasks", START),
    (r"too-few-tasks", r".*"),
    (r"health-slow", r"balancer-cannot-reach-task"),
    (
        r"slow-start.*",
        r"balancer-cannot-reach-task|crash.*|out-of-memory|port-mismatch|wrong-address",
    ),
)
"""Findings that say again, or wrongly, what a cause at their right says: they go."""


def run(case: Case) -> tuple[Finding, ...]:
    """What all checks find, the root cause first."""
    all_ = [each for check in CHECKS for each in check(case)]
    found = ranked([each for each in all_ if not pauses.meant(each, case)])
    kept = [each for each in found if not _due_to(each, found, NEEDLESS)]
    return ranked([_explained(each, found).at(case.now.place) for each in kept])


def _explained(finding: Finding, found: tuple[Finding, ...]) -> Finding:
    if finding.kind == "cause" and _due_to(finding, found, EXPLAINED):
        return replace(finding, kind="consequence")
    return finding


def _due_to(finding: Finding, found: tuple[Finding, ...], table: Iterable[tuple[str, str]]) -> bool:
    """Whether a cause that lies deeper accounts for this one."""
    deeper = [
        each.id
        for each in found
        if each.kind == "cause" and each.id != finding.id and each.rank < finding.rank
    ]
    return any(
        re.fullmatch(mine, finding.id) and any(re.fullmatch(others, each) for each in deeper)
        for mine, others in table
    )
