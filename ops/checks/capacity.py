"""What Fargate may run: the account's quota, and what ECS says when it cannot place a task."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ops.checks.case import Case
from ops.findings import Finding, Fix
from ops.texts import Text, t

UNABLE = re.compile(
    r"unable to (place a task|consistently start|stop or start)|being throttled|Capacity is unavailable"
)
QUOTA = re.compile(
    r"reached the limit on the number of (tasks|vCPUs)|vCPU limit|RESOURCE:ENI", re.I
)
UNITS = 1024
"""CPU units of one vCPU."""


def placing(case: Case) -> Iterator[Finding]:
    """ECS says that it cannot place or start tasks."""
    if case.service is None or case.steady:
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
            rank=72,
            title=t("ECS cannot start tasks as it wants to"),
            why=t("It tries again by itself, more and more slowly."),
            fixes=case.tried_again(),
            evidence=tuple(unable[:3]),
        )


def _over_quota(case: Case, limits: list[str]) -> Finding:
    return Finding(
        id="fargate-quota",
        kind="cause",
        rank=15,
        title=t("The account may not run more on Fargate"),
        why=t("AWS limits the vCPUs (and network interfaces) that run at once in a region."),
        seen=_limit(case),
        fixes=(
            Fix(
                t("Ask for more, or stop something else:"),
                (
                    "aws service-quotas request-service-quota-increase --service-code fargate "
                    "--quota-code L-3032A538 --desired-value 16",
                ),
            ),
        ),
        evidence=tuple(limits[:3]),
    )


def _limit(case: Case) -> tuple[Text, ...]:
    found = case.now.quota.value
    return (t("Fargate's quota is {limit} vCPU.", limit=found.limit),) if found else ()


def quota(case: Case) -> Iterator[Finding]:
    """Whether a roll-out, which doubles the tasks for a while, fits into Fargate's quota."""
    found, main = case.now.quota.value, case.main
    cpu = main.cpu if main else _number(case, "taskCpu")
    count = case.service.desired if case.service else _number(case, "desiredCount")
    if found is None or not cpu:
        return
    needed = cpu / UNITS * max(count, 1) * 2
    if needed > found.limit:
        yield Finding(
            id="fargate-quota-small",
            kind="cause" if cpu / UNITS * max(count, 1) > found.limit else "warning",
            rank=16,
            title=t("Fargate's quota is too small for a roll-out"),
            why=t("A roll-out starts the new tasks beside the old ones."),
            seen=(
                t(
                    "{needed} vCPU are needed for a while, {limit} are allowed in {region}.",
                    needed=f"{needed:g}",
                    limit=f"{found.limit:g}",
                    region=case.now.region,
                ),
            ),
            fixes=(
                Fix(
                    t("Ask for more, or stop something else:"),
                    (
                        "aws service-quotas request-service-quota-increase --service-code fargate "
                        f"--quota-code L-3032A538 --desired-value {int(needed) + 1}",
                    ),
                ),
            ),
        )


def _number(case: Case, key: str) -> int:
    value = case.now.declared.get(key)
    return int(value) if value.isdigit() else 0
