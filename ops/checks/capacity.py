"""What Fargate may run: the account's quota, and what ECS says when it cannot place a task."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from i18n import Text, t
from ops.checks.case import Case
from ops.findings import Finding, Fix
from ops.snapshot.surroundings import Quota

UNABLE = re.compile(
    r"unable to (place a task|consistently start|stop or start)|being throttled|Capacity is unavailable"
)
QUOTA = re.compile(
    r"reached the limit on the number of (tasks|vCPUs)|vCPU limit|RESOURCE:ENI", re.I
)
ENOUGH = 16
"""vCPUs to ask for where the quota is small or not known."""
UNITS = 1024
"""CPU units of one vCPU."""


def placing(case: Case) -> Iterator[Finding]:
    """ECS says that it cannot place or start tasks."""
    if case.service is None or not case.unsteady:
        return
    since = min((each.created for each in case.mine if each.created), default=None)
    recent = [e.message for e in case.service.events if since is None or e.at >= since]
    recent += [each.reason for each in case.failed]
    limits = [each for each in recent if QUOTA.search(each)]
    unable = [each for each in recent if UNABLE.search(each) and each not in limits]
    if limits:
        yield _over_quota(case, limits)
    elif unable:
        yield Finding(
            id="cannot-place-tasks",
            kind="consequence" if case.failed else "cause",
            title=t("ECS cannot start tasks as it wants to"),
            why=t("It tries again by itself, more and more slowly."),
            fixes=case.tried_again(),
            evidence=tuple(unable[:3]),
        )


def _over_quota(case: Case, limits: list[str]) -> Finding:
    found = case.now.quota.value
    limit = found.limit if found else 0
    return Finding(
        id="fargate-quota",
        title=t("The account may not run more on Fargate"),
        why=t("AWS limits the vCPUs (and network interfaces) that run at once in a region."),
        seen=(t("Fargate's quota is {limit} vCPU.", limit=f"{limit:g}"),) if found else (),
        fixes=(_more(found.code if found else "L-3032A538", max(limit * 2, ENOUGH)),),
        evidence=tuple(limits[:3]),
    )


def quota(case: Case) -> Iterator[Finding]:
    """Whether a roll-out fits into Fargate's quota, beside what else the account runs.

    For a while ECS runs ``maximumPercent`` of the desired tasks, rounded down (ECS developer guide,
    "Amazon ECS deployment configuration"); the service's own tasks are those that it replaces.
    """
    found, main = case.now.quota.value, case.main
    cpu = (main.cpu if main else case.now.settings.service.cpu) / UNITS
    count = max(
        case.service.desired if case.service else case.now.settings.service.desired_count, 1
    )
    if found is None or not cpu:
        return
    most = case.service.maximum if case.service else 200
    needed = found.elsewhere + cpu * max(count * most // 100, count)
    if needed > found.limit:
        yield Finding(
            id="fargate-quota-small",
            kind="cause" if found.elsewhere + cpu * count > found.limit else "warning",
            title=t("Fargate's quota is too small for a roll-out"),
            why=t("A roll-out starts the new tasks beside the old ones."),
            seen=_sum(case, found, needed),
            fixes=(_more(found.code, needed),),
        )


def _sum(case: Case, found: Quota, needed: float) -> tuple[Text, ...]:
    seen = t(
        "{needed} vCPU are needed for a while, {limit} are allowed in {region}.",
        needed=f"{needed:g}",
        limit=f"{found.limit:g}",
        region=case.now.region,
    )
    if not found.elsewhere:
        return (seen,)
    taken = t("Other tasks of the account have {taken} of them.", taken=f"{found.elsewhere:g}")
    return (seen, taken)


def _more(code: str, wanted: float) -> Fix:
    return Fix(
        t("Ask for more, or stop something else:"),
        (
            "aws service-quotas request-service-quota-increase --service-code fargate "
            f"--quota-code {code} --desired-value {math.ceil(wanted)}",
        ),
    )
