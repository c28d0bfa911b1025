"""Strategies that shift requests between two target groups: canary, linear, blue/green.

The new tasks start in the target group without requests. When all are healthy, ECS changes the weights
of the listener rule step by step, waits the bake time, and stops the old tasks (ECS developer guide,
"Amazon ECS canary deployments", "How canary deployments work"; likewise linear and blue/green).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rehearsal.aws import hooks
from rehearsal.aws.ecs.state import Deployment, Revision, Service, Step, Task, Weigh
from rehearsal.aws.ecs.tasks import Turn, healthy, start
from rehearsal.aws.iam import refusal

MINUTE = 60.0
ALL = 100
BREAKS = ("ROLLING", "BLUE_GREEN")
"""The strategies for which the deployment circuit breaker is documented (ECS developer guide,
"Deployment failure detection"). The page does not name the others, so here it is off with them."""


def steps_of(declared: Mapping[str, Any]) -> tuple[Step, ...]:
    """Return the steps of a deployment configuration in the API's form; none of a rolling one."""
    last = Step(ALL, MINUTE * int(declared.get("bakeTimeInMinutes") or 0))
    match declared.get("strategy"):
        case "CANARY":
            given = declared["canaryConfiguration"]
            wait = MINUTE * int(given["canaryBakeTimeInMinutes"])
            return (Step(round(given["canaryPercent"]), wait), last)
        case "LINEAR":
            given = declared["linearConfiguration"]
            percent, wait = given["stepPercent"], MINUTE * int(given["stepBakeTimeInMinutes"])
            count = math.ceil(ALL / percent) - 1
            return (*(Step(round(percent * each), wait) for each in range(1, count + 1)), last)
        case "BLUE_GREEN":
            return (last,)
    return ()


def advanced(revision: Revision) -> Mapping[str, Any]:
    """Return the revision's alternate target group, rule and role in the API's form, or {}."""
    found = (each.get("advancedConfiguration") for each in revision.load_balancers)
    return next(filter(None, found), {})


def place(service: Service, revision: Revision) -> Revision:
    """Return the revision with the target group for its tasks: the one of the two without requests."""
    if not service.settings.steps or not advanced(revision):
        return revision
    [first] = replace(revision, group="").ports
    pair = (first, str(advanced(revision)["alternateTargetGroupArn"]))
    busy = service.completed.revision.ports if service.completed else {pair[1]: 0}
    return replace(revision, group=next(each for each in pair if each not in busy))


def source(service: Service) -> Deployment | None:
    """Return the deployment that a deployment in progress replaces and that ECS may go back to."""
    last, primary = service.completed, service.primary
    shifting = service.settings.steps and primary.rollout == "IN_PROGRESS"
    return last if shifting and last is not primary else None


def kept(service: Service) -> list[Task]:
    """Return the old tasks that are not to be stopped yet."""
    old = source(service)
    if old is None or service.primary.stage == "CLEAN_UP":
        return []
    return [task for task in service.alive() if task.deployment == old.id]


def share(service: Service) -> int:
    """Return the percentage of requests that the primary deployment gets."""
    primary = service.primary
    if source(service) is None:
        return 0 if primary.rollout == "FAILED" and service.completed else ALL
    return service.settings.steps[primary.step].percent if primary.step >= 0 else 0


def shift(turn: Turn) -> None:
    """Take the next step when it is due, and set the weights of the rule."""
    service, primary = turn.service, turn.service.primary
    if not service.settings.steps or service.status != "ACTIVE" or not advanced(primary.revision):
        return
    if (old := source(service)) is not None:
        _replace_dead(turn, old)
        _advance(turn)
    rest = ALL - share(service)
    [group] = primary.revision.ports
    weights = {group: share(service)}
    if service.completed:
        [other] = service.completed.revision.ports
        weights = {other: rest, **weights} if other != group else {group: ALL}
    _weigh(turn, weights)


def _replace_dead(turn: Turn, old: Deployment) -> None:
    """Replace old tasks that have died by tasks of their own revision, as ECS has since November 2025."""
    missing = turn.service.settings.desired - len(kept(turn.service))
    if turn.service.primary.stage != "CLEAN_UP" and missing > 0:
        start(turn, old, missing)


def _advance(turn: Turn) -> None:
    service, primary = turn.service, turn.service.primary
    steps = service.settings.steps
    if primary.step < 0:
        primary.stage = "SCALE_UP"
        due = _ready(turn)
    else:
        due = turn.now - primary.step_at >= steps[primary.step].wait
    if not due:
        return
    if primary.step + 1 < len(steps):
        primary.step, primary.step_at = primary.step + 1, turn.now
        last = primary.step + 1 == len(steps)
        primary.stage = "BAKE_TIME" if last else "PRODUCTION_TRAFFIC_SHIFT"
    else:
        primary.stage = "CLEAN_UP"
    primary.updated_at = turn.now


def _ready(turn: Turn) -> bool:
    """Return whether every new task is healthy, and no task of a third deployment is left."""
    service, primary = turn.service, turn.service.primary
    known = {primary.id, *(task.deployment for task in kept(service))}
    current = [task for task in service.alive() if task.deployment == primary.id]
    others = [task for task in service.tasks if task.alive and task.deployment not in known]
    whole = len(current) >= service.settings.desired and not others
    return whole and all(healthy(turn, task) for task in current)


def _weigh(turn: Turn, weights: Mapping[str, int]) -> None:
    """Set the weights if they are others than those set last; the second target group is in the rule, too."""
    revision = turn.service.primary.revision
    [first] = replace(revision, group="").ports
    given = advanced(revision)
    pair = (first, str(given["alternateTargetGroupArn"]))
    complete = {group: weights.get(group, 0) for group in pair}
    if complete != turn.service.weights:
        turn.service.weights = complete
        turn.actions.append(Weigh(str(given["productionListenerRule"]), complete))


def set_weights(action: Weigh) -> None:
    """Change the rule as ModifyRule does."""
    groups = [
        {"TargetGroupArn": group, "Weight": weight} for group, weight in action.weights.items()
    ]
    forward = {"Type": "forward", "Order": 1, "ForwardConfig": {"TargetGroups": groups}}
    with hooks.LOCK:
        hooks.backend("elbv2").modify_rule(rule_arn=action.rule, conditions=[], actions=[forward])


PROPAGATION = 15.0
"""AWS's seconds in which ECS does not know a new role: between the 2 s and the 29 s of pulumi/pulumi-awsx#927."""


def check(params: hooks.Params, speed: float) -> None:
    """Refuse a strategy without what it needs: two used target groups, and a role that may change the rule.

    ``speed`` is that of AWS's clock.
    """
    strategy = (params.get("deploymentConfiguration") or {}).get("strategy", "ROLLING")
    for each in params.get("loadBalancers") or []:
        given = each.get("advancedConfiguration")
        if strategy != "ROLLING" and not given:
            words = "advancedConfiguration is required for the load balancer with the deployment strategy "
            raise hooks.Refused("InvalidParameterException", f"{words}{strategy}.")
        if given:
            _check_advanced(str(each["targetGroupArn"]), given)
            _check_age(str(given["roleArn"]), speed)


def _check_age(role: str, speed: float) -> None:
    """Refuse a role that IAM has not made known to ECS yet.

    AWS refuses later, when ECS registers the first tasks: it rolls the deployment back with this reason (ECS
    developer guide, "Troubleshooting Amazon ECS blue/green deployments").
    """
    for each in hooks.backend("iam").roles.values():
        age = datetime.now(UTC) - each.create_date.replace(tzinfo=UTC)
        if each.arn == role and age.total_seconds() * speed < PROPAGATION:
            words = "ECS was unable to manage the ELB resources due to missing permissions on ECS Infrastructure "
            raise hooks.Refused("InvalidParameterException", f"{words}Role '{role}'.")


def _check_advanced(group: str, given: Mapping[str, Any]) -> None:
    role, rule = str(given["roleArn"]), str(given["productionListenerRule"])
    both = (group, str(given["alternateTargetGroupArn"]))
    groups = hooks.backend("elbv2").target_groups
    for arn in both:
        if arn not in groups or not groups[arn].load_balancer_arns:
            words = f"The target group with targetGroupArn {arn} does not have an associated load balancer."
            raise hooks.Refused("InvalidParameterException", words)
    needed = [("elasticloadbalancing:ModifyRule", rule)]
    needed += [("elasticloadbalancing:RegisterTargets", arn) for arn in both]
    for action, arn in needed:
        if problem := refusal(role, "ecs-service-scheduler", action, arn):
            raise hooks.Refused("InvalidParameterException", problem)
