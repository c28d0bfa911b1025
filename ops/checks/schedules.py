"""A service at zero that has hours: whether it is to run now."""

from __future__ import annotations

from datetime import timedelta

from i18n import t
from ops.checks.case import Case
from ops.findings import Finding, Fix

STARTED_WITHIN = timedelta(minutes=5)
"""Scheduled actions may come late, and ECS needs its time."""


def at_zero(case: Case, hours: str) -> Finding:
    """No task is wanted: outside the hours as it should be, within them somebody has done it."""
    zone = case.now.settings.service.scaling.time_zone
    fix = Fix(t("Have a task until the next stop:"), (asked_for(case, wanted(case)),))
    seen = (t("Desired count 0, and a schedule in the stack file."),)
    if within(case):
        return Finding(
            id="scaled-to-zero-in-hours",
            title=t("No task runs within the service's hours, {hours} ({zone})", hours=hours,
                    zone=zone),
            why=t("Somebody has set it to 0; the schedule starts it when the next hours begin."),
            seen=seen,
            fixes=(fix,),
        )  # fmt: skip
    return Finding(
        id="scaled-to-zero-by-schedule",
        kind="warning",
        title=t(
            "The service runs no task outside its hours, {hours} ({zone})", hours=hours, zone=zone
        ),
        why=t("The schedule starts it again by itself."),
        seen=seen,
        fixes=(fix,),
    )


def within(case: Case) -> bool:
    """Whether it is within the hours, and they have not only just begun."""
    now, scaling = case.moment, case.now.settings.service.scaling
    return all(scaling.includes(each) for each in (now, now - STARTED_WITHIN))


def wanted(case: Case) -> str:
    """How many tasks to ask for where none is wanted: at least one."""
    return str(case.now.settings.service.desired_count or 1)


def asked_for(case: Case, count: str) -> str:
    """The command that lets the service want so many tasks."""
    names = case.now.names
    return (
        f"aws ecs update-service --cluster {names.cluster} --service {names.service} "
        f"--desired-count {count}"
    )
