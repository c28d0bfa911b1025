"""The single parts, as AWS's console would show each on a page of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from i18n import Text, t
from ops.chain import chain, target_of
from ops.checks.case import Case
from ops.findings import Diagnosis
from ops.moments import of_day
from ops.render.status import plain
from ops.snapshot.entrance import Rule
from ops.snapshot.records import Task
from ops.timeline import short

STOPPED_SHOWN = 5


def links(case: Case, diagnosis: Diagnosis, lang: str) -> dict[str, Any]:
    """Every place of the chain: state and reason."""
    return {
        name: {"state": each.state, "reason": each.reason.to(lang)}
        for name, each in chain(case, diagnosis).items()
    }


def tasks(case: Case, lang: str) -> dict[str, Any]:
    """Tasks that run, each with what the load balancer says of it, and the last ones that ended."""
    found = case.now.tasks.value or ()
    ended = [each for each in found if each.over]
    return {
        "running": [_running(case, each, lang) for each in found if not each.over],
        "ended": [_ended(each, case.now.at) for each in ended[:STOPPED_SHOWN]],
    }


def _running(case: Case, task: Task, lang: str) -> dict[str, Any]:
    target = target_of(case, task)
    return {
        "id": task.short,
        "status": task.status,
        "health": task.health,
        "revision": task.revision,
        "address": task.address,
        "target": {"state": target.state, "reason": target.reason.to(lang)},
    }


def _ended(task: Task, now: datetime) -> dict[str, Any]:
    codes = [str(each.exit_code) for each in task.containers if each.exit_code is not None]
    return {
        "id": task.short,
        "at": of_day(task.stopped, now) if task.stopped else "",
        "reason": short(task.reason) or task.status,
        "codes": ", ".join(codes),
        "revision": task.revision,
    }


def balancer(case: Case, lang: str) -> dict[str, Any] | None:
    """The load balancer with its listeners and rules."""
    found = case.now.balancer.value
    if found is None:
        return None
    return {
        "name": found.name,
        "dns": found.dns,
        "scheme": found.scheme,
        "state": found.state,
        "listeners": [
            {
                "name": f"{each.protocol} {each.port}",
                "rules": [_rule(rule, lang) for rule in each.rules],
            }
            for each in found.listeners
        ],
    }


def _rule(rule: Rule, lang: str) -> dict[str, Any]:
    groups = ", ".join(each.split("/")[1] for each in rule.groups)
    return {
        "priority": rule.priority,
        "when": ", ".join(rule.paths) or t("everything else").to(lang),
        "then": f"{rule.action} → {groups}" if groups else rule.action,
    }


def group(case: Case, lang: str) -> dict[str, Any] | None:
    """The target group: how it checks, and what it says of each target."""
    found = case.now.group.value
    if found is None:
        return None
    return {
        "name": found.name,
        "check": _check(case).to(lang),
        "targets": plain(case.now.targets.value) or [],
    }


def _check(case: Case) -> Text:
    check = case.check
    if check is None or not check.enabled:
        return t("No health check.")
    return t(
        "{protocol} {path}, wants {matcher}; every {interval} s, at most {timeout} s; "
        "healthy after {healthy}, unhealthy after {unhealthy}",
        protocol=check.protocol,
        path=check.path,
        matcher=check.matcher,
        interval=check.interval,
        timeout=check.timeout,
        healthy=check.healthy,
        unhealthy=check.unhealthy,
    )


def database(case: Case) -> dict[str, Any] | None:
    """The DB instance; of its secret nothing but the name."""
    found = case.now.database.value
    if found is None:
        return None
    return {
        "id": found.id,
        "status": found.status,
        "version": found.version,
        "kind": found.kind,
        "multi_az": found.multi_az,
        "storage": found.storage_gb,
        "address": f"{found.address}:{found.port}" if found.address else "",
        "tls": found.force_ssl,
    }


def stores(case: Case) -> dict[str, Any]:
    """What a task is started from: image, names of secrets, log group."""
    image, held, log = case.now.image.value, case.now.secrets.value, case.now.logs.value
    return {
        "image": plain(image) if image else None,
        "secrets": [arn.rpartition(":")[2] for arn in held or ()],
        "log": {"group": log.group, "exists": log.exists} if log else None,
    }


def alarms(case: Case) -> dict[str, Any] | None:
    """How many alarms there are, and those that ring."""
    found = case.now.alarms.value
    if found is None:
        return None
    return {
        "count": len(found),
        "ringing": [
            {"name": each.name, "reason": each.reason} for each in found if each.state == "ALARM"
        ],
    }
