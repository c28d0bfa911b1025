"""Refuses a change of the health check that the tasks that run do not pass: ECS would stop them before new ones run.

The check belongs to the target group, which old and new tasks share, and changes before the service does.
"""

from collections.abc import Mapping
from typing import Any

import pulumi

from careapp.additions.target import session_of, target_of
from careapp.settings.settings import Settings
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.facts.elb import matches
from ecs_gate.parts import elb, page
from ecs_gate.target import HealthCheck
from ecs_gate.text import Text, t
from ecs_gate.waiting import Changes

GROUP, SERVICE = "aws:lb/targetGroup:TargetGroup", "aws:ecs/service:Service"
WIDEST = range(200, 500)
"""The status codes that an Application Load Balancer can take for healthy (API reference, Matcher)."""


def refuse_outage(settings: Settings, changes: Changes) -> None:
    """Raise RunError where the health check changes, and the version that runs would fail the new one.

    It comes before anything is changed. Where no target is healthy there is nothing to lose. What cannot be found
    out stops no update, as where the load balancer cannot be reached from here, or has no such listener yet.
    """
    health = settings.health
    before, after = _declared(changes.state), HealthCheck(path=health.path, matcher=health.matcher)
    if not settings.ecs_enabled or before in (None, after):
        return
    try:
        status = _answer(settings)
    except AwsProblem as problem:
        status, why = 0, problem.text
    else:
        why = t("it does not answer {path}.", path=health.path)
    if status == 0:
        text = t(
            "healthPath or healthMatcher changes, and it is not known whether the version that runs passes "
            "the new check: {why}",
            why=why,
        )
        pulumi.log.warn(str(text))
    elif before is not None and status is not None and not matches(status, after.matcher):
        raise pulumi.RunError(str(_refusal(before, after, status)))


def _declared(state: Mapping[str, Mapping[str, Any]]) -> HealthCheck | None:
    """Return the check before this update; None where no service ran."""
    if not any(resource["type"] == SERVICE for resource in state.values()):
        return None
    for resource in state.values():
        if resource["type"] == GROUP and (check := resource["outputs"].get("healthCheck")):
            return HealthCheck(path=check["path"], matcher=check["matcher"])
    return None


def _answer(settings: Settings) -> int | None:
    """Return the status with which the version that runs answers the new path: 0 for none, None without a version."""
    session, names = session_of(settings), settings.names
    balancer = elb.balancer(session, names.balancer, rules=False)
    groups = [elb.target_group(session, names.target_group)]
    if settings.service.deployment.shifts:
        groups.append(elb.target_group(session, names.alternate_group))
    arns = [group.arn for group in groups if group]
    if balancer is None or not arns:
        return None
    if all(target.state != "healthy" for target in elb.targets(session, *arns)):
        return None
    return page.status(balancer, target_of(settings), settings.health.path)


def _refusal(before: HealthCheck, after: HealthCheck, status: int) -> Text:
    if status not in WIDEST:
        way_out = t(
            "First release a version that answers both {old} and {path}, then change the health check.",
            path=after.path,
            old=before.path,
        )
    elif after.path == before.path:
        way_out = t(
            "Two updates do it without an outage, the first of them with the version that answers {path} with "
            "{matcher}:{commands}",
            path=after.path,
            matcher=after.matcher,
            commands=_commands(before, after, status),
        )
    else:
        way_out = t(
            "Three updates do it without an outage, the first of them before any other change:{commands}",
            commands=_commands(before, after, status),
        )
    return t(
        "{change} is refused: the version that runs answers {path} with {status}, so ECS would stop its tasks before "
        "new ones run. Nothing was changed. {way_out}",
        change=_change(before, after),
        path=after.path,
        status=status,
        way_out=way_out,
    )


def _commands(before: HealthCheck, after: HealthCheck, status: int) -> str:
    """Return the commands of the updates that change the check without an outage, a line each."""
    # The first of the updates must leave the tasks of now healthy on the old path, too.
    wide = ",".join(dict.fromkeys((before.matcher, after.matcher, str(status))))
    moves = after.path != before.path
    lines = (
        *([f"config set healthPath {before.path}"] if moves else []),
        *(f"config set healthMatcher {wide}", "up"),
        *([f"config set healthPath {after.path}", "up"] if moves else []),
        *(f"config set healthMatcher {after.matcher}", "up"),
    )
    return "".join(f"\n  pulumi {line}" for line in lines)


def _change(before: HealthCheck, after: HealthCheck) -> str:
    """Return the settings that change, as the stack file has them."""
    keys = {
        "healthPath": (before.path, after.path),
        "healthMatcher": (before.matcher, after.matcher),
    }
    return ", ".join(f"{key}: {new}" for key, (old, new) in keys.items() if new != old)
