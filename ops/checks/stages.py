"""What stage the stack is in: nothing, stage 1 without ECS, or stage 2."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import Text, t
from ops.checks.case import Case
from ops.findings import Finding, Fix

NOTHING, FIRST, SECOND, UNKNOWN = "nothing", "stage1", "stage2", "unknown"


def stage(case: Case) -> str:
    """Which stage AWS shows."""
    now = case.now
    if now.service.value is not None:
        return SECOND
    basics = (now.balancer, now.group, now.database)
    if now.service.problem and not any(each.value for each in basics):
        return UNKNOWN
    if all(each.absent for each in basics):
        return NOTHING
    if now.service.problem or all(each.problem for each in basics):
        return UNKNOWN
    return FIRST


STAGES = {
    NOTHING: t("nothing is there"),
    FIRST: t("stage 1: network, database, image and load balancer; ECS is off"),
    SECOND: t("stage 2: the app on ECS"),
    UNKNOWN: t("unknown"),
}


def described(case: Case) -> Text:
    """The stage in words."""
    return STAGES[stage(case)]


def missing(case: Case) -> Iterator[Finding]:
    """No stack, or a stage that should be there and is not."""
    now = stage(case)
    if now == NOTHING:
        yield _no_stack(case)
    elif now == FIRST and case.now.settings.ecs_enabled:
        yield _no_service(case)
    elif now == FIRST:
        yield _off(case)


def _no_stack(case: Case) -> Finding:
    names, region = case.now.names, case.now.region
    elsewhere = t(
        "Or look in another region or account: aws:region and aws:profile in the stack file."
    )
    return Finding(
        id="stack-missing",
        title=t("There is no stack {prefix} in {region}", prefix=names.prefix, region=region),
        why=t("Neither its load balancer nor its target group nor its database exists."),
        fixes=(Fix(t("Make it:"), (f"pulumi up -s {names.stack}",)), Fix(elsewhere)),
    )


def _no_service(case: Case) -> Finding:
    names = case.now.names
    return Finding(
        id="service-missing",
        title=t("The service {name} does not exist", name=names.service),
        why=t("ecsEnabled is true in the stack file, and ECS has no such service."),
        seen=(t("Cluster {cluster} holds no service of that name.", cluster=names.cluster),),
        fixes=(case.refreshed(t("Make it:")),),
    )


def _off(case: Case) -> Finding:
    name = case.now.names.stack
    commands = (
        f"./careapp preflight -s {name}",
        f"pulumi config set ecsEnabled true -s {name}",
        f"pulumi up -s {name}",
    )
    return Finding(
        id="ecs-off",
        kind="note",
        title=t("ECS is off: the load balancer answers 503 and says so"),
        why=t("ecsEnabled is false in the stack file. That is stage 1."),
        fixes=(Fix(t("Check first, then turn it on:"), commands),),
    )
