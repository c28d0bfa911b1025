"""All checks: pure functions from a case to findings; causes turn what they explain into consequences."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ecs_gate.checks import (
    answered_checks,
    assets,
    capacity,
    connections,
    containers,
    databases,
    inputs,
    load_balancer,
    logged,
    login,
    network_path,
    outbound,
    permissions,
    registration,
    rollouts,
    running,
    unanswered_checks,
)
from ecs_gate.diagnosis.case import Case
from ecs_gate.diagnosis.findings import Finding, Fix, Unread, as_line, from_line, ranked
from ecs_gate.owner import Check
from ecs_gate.parts.records import read_part
from ecs_gate.text import t

ROLL_OUT: tuple[Check, ...] = (
    rollouts.not_deployed,
    rollouts.deregistered,
    rollouts.deployed_after,
    rollouts.rolled_back,
    rollouts.in_progress,
    capacity.tasks_died,
    containers.killed_at_stop,
    capacity.too_few_tasks,
)
"""What is asked of any service, with a load balancer or without."""

CHECKS: tuple[Check, ...] = (
    rollouts.missing,
    rollouts.draining,
    rollouts.scaled_down,
    capacity.cannot_place,
    capacity.quota,
    outbound.vpc_dns,
    outbound.task_to_aws,
    permissions.execution_role,
    permissions.repository,
    permissions.decryption,
    permissions.task_role,
    inputs.image,
    inputs.secrets,
    outbound.planned_secrets,
    inputs.log_group,
    load_balancer.balancer,
    load_balancer.zones,
    load_balancer.target_group,
    load_balancer.listener,
    load_balancer.forwarding,
    load_balancer.unused,
    registration.deregistered,
    load_balancer.certificate,
    load_balancer.protocol,
    load_balancer.declared_port,
    load_balancer.health_check_drift,
    login.cut_off,
    login.client,
    login.redirect,
    login.not_asked,
    network_path.balancer_to_task,
    network_path.task_to_database,
    network_path.internet_to_balancer,
    databases.status,
    databases.secret,
    databases.address,
    connections.open_connections,
    containers.memory,
    containers.crash,
    containers.workers_end,
    logged.named,
    running.database,
    running.new_connections,
    running.migrations,
    running.failed_requests,
    containers.unexplained,
    answered_checks.codes,
    answered_checks.timeouts,
    running.page_fails,
    assets.fail,
    unanswered_checks.refused,
    rollouts.deploy_command,
    *ROLL_OUT,
)


def run(case: Case) -> tuple[tuple[Finding, ...], tuple[Unread, ...]]:
    """Return the findings of all checks, the root cause first, and the checks that failed themselves."""
    owner = case.now.owner
    parts = {
        check: read_part(lambda check=check: [*check(case)]) for check in (*CHECKS, *owner.checks())
    }
    all_ = [finding for part in parts.values() for finding in part.value or ()]
    findings = ranked([finding for one in all_ for finding in owner.review(case, one)])
    causes = [finding for finding in findings if finding.kind == "cause"]
    left = (case.worded(finding) for one in findings for finding in _shown(one, causes))
    shown = [finding.at(case.now.place) for finding in left]
    failed = (
        Unread(t("the check {name}", name=getattr(check, "func", check).__name__), part.problem)
        for check, part in parts.items()
        if part.problem
    )
    return ranked([_tried(finding, case) for finding in shown]), tuple(failed)


def _tried(finding: Finding, case: Case) -> Finding:
    """Return a cause with what is left to do, where the deployment before ended for it and proposed the same."""
    if finding.kind != "cause" or not finding.fixes or TRIED in finding.seen:
        return finding
    now = from_line(as_line(finding), finding.facts)
    for verdict in (each.now.tried.value or "" for each in (case, *case.workers)):
        before = from_line(verdict, finding.facts)
        if not (now and before and now.fixes[0] in before.fixes):
            continue
        # Of what ECS has forgotten the end of the roll-out stands before the title.
        if str(now.title).endswith(str(before.title)):
            return replace(
                finding,
                seen=(TRIED, *finding.seen),
                fixes=(*finding.fixes, _else(case)),
            )
    return finding


TRIED = t("The deployment before ended for this cause, too, and proposed the same.")


def _else(case: Case) -> Fix:
    return Fix(
        t(
            "If you did that before this deployment, it is not in what was deployed, or something took it back. See "
            "what your program would change, and what happened:"
        ),
        (*case.remedies.preview(), *case.remedies.events()),
    )


def _shown(finding: Finding, causes: Iterable[Finding]) -> Iterator[Finding]:
    """Return a finding as the causes leave it: as it is, as their consequence, or not at all."""
    causes = [cause for cause in causes if cause.process in ("", finding.process)]
    if not any(cause.facts.explains(finding.facts) for cause in causes):
        yield finding
    elif not finding.facts.repeats:
        yield replace(finding, kind="consequence") if finding.kind == "cause" else finding
