"""Strategies that shift requests between two target groups: canary, linear, blue/green.

The new tasks start in the target group without requests. When all are healthy, ECS leads the test rule's
requests to them, changes the weights of the listener rule step by step, waits the bake time, and stops the old
tasks (ECS developer guide, "Amazon ECS canary deployments", "How canary deployments work"; likewise linear and
blue/green).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.ecs import stages
from local_cloud.aws.ecs.state import Deployment, Revision, Service, Step, Task, Weigh
from local_cloud.aws.ecs.tasks import Tick, healthy, start
from local_cloud.aws.iam import TaskRole

MINUTE = 60.0
ALL = 100
BREAKS = ("ROLLING",)
"""The strategies with which the deployment circuit breaker ends a deployment (ECS API reference,
DeploymentCircuitBreaker). The developer guide, "Deployment failure detection", names blue/green, too: where AWS's pages
differ, nothing is ended here."""


def steps_of(declared: Mapping[str, Any]) -> tuple[Step, ...]:
    """Return the steps of a deployment configuration in the API's form; none of a rolling one.

    The defaults are those of the API reference, CanaryConfiguration and LinearConfiguration.
    """
    last = Step(ALL, MINUTE * int(declared.get("bakeTimeInMinutes") or 0))
    match declared.get("strategy"):
        case "CANARY":
            given = declared["canaryConfiguration"]
            wait = MINUTE * int(given.get("canaryBakeTimeInMinutes", 10))
            return (Step(round(given.get("canaryPercent", 5)), wait), last)
        case "LINEAR":
            given = declared["linearConfiguration"]
            percent = given.get("stepPercent", 10)
            wait = MINUTE * int(given.get("stepBakeTimeInMinutes", 6))
            count = math.ceil(ALL / percent) - 1
            return (*(Step(round(percent * number), wait) for number in range(1, count + 1)), last)
        case "BLUE_GREEN":
            return (last,)
    return ()


def advanced(revision: Revision) -> Mapping[str, Any]:
    """Return the revision's alternate target group, rule and role in the API's form, or {}."""
    found = (balancer.get("advancedConfiguration") for balancer in revision.load_balancers)
    return next(filter(None, found), {})


def place(service: Service, revision: Revision) -> Revision:
    """Return the revision with the target group for its tasks: the one of the two without requests."""
    if not service.settings.steps or not advanced(revision):
        return revision
    [first] = replace(revision, group="").ports
    pair = (first, str(advanced(revision)["alternateTargetGroupArn"]))
    busy = service.completed.revision.ports if service.completed else {pair[1]: 0}
    return replace(revision, group=next(group for group in pair if group not in busy))


def source(service: Service) -> Deployment | None:
    """Return the deployment that a deployment in progress replaces and that ECS may go back to."""
    last, primary = service.completed, service.primary
    shifting = service.settings.steps and primary.rollout == "IN_PROGRESS"
    return last if shifting and last is not primary else None


def kept(service: Service) -> list[Task]:
    """Return the old tasks that are not to be stopped yet."""
    old = source(service)
    if old is None or service.primary.stage == stages.CLEAN_UP:
        return []
    return [task for task in service.alive() if task.deployment == old.id]


def share(service: Service) -> int:
    """Return the percentage of requests that the primary deployment gets."""
    primary = service.primary
    if source(service) is None:
        return 0 if primary.rollout == "FAILED" and service.completed else ALL
    return service.settings.steps[primary.step].percent if primary.step >= 0 else 0


def test_share(service: Service) -> int:
    """Return the percentage of requests to the test rule that the primary deployment gets."""
    if source(service) is None:
        return share(service)
    return ALL if stages.has_come_to(service.primary, stages.TEST) else 0


def holds_back(service: Service) -> bool:
    """Return whether a hook holds the deployment before its first task."""
    return service.primary.stage == stages.STAGES[0]


def is_through(service: Service) -> bool:
    """Return whether a deployment has come through its stages; one without any has."""
    return service.primary.stage in ("", stages.CLEAN_UP) or _goes_back(service.primary)


def _goes_back(deployment: Deployment) -> bool:
    """Return whether a deployment is a rollback. It has no stages here: its tasks run already."""
    return deployment.rolling_back is not None


def shift(tick: Tick) -> None:
    """Enter the stages that are due, and set the weights of the rules."""
    service, primary = tick.service, tick.service.primary
    given = advanced(primary.revision)
    if not service.settings.steps or service.status != "ACTIVE" or not given:
        return
    if (old := source(service)) is not None:
        _replace_dead(tick, old)
    if primary.rollout == "IN_PROGRESS" and not _goes_back(primary):
        stages.advance(tick, lambda: _ready(tick), steps=old is not None)
    _weigh(tick, str(given["productionListenerRule"]), share(service))
    if rule := given.get("testListenerRule"):
        _weigh(tick, str(rule), test_share(service))


def _replace_dead(tick: Tick, old: Deployment) -> None:
    """Replace old tasks that have died by tasks of their own revision, as ECS has since November 2025."""
    missing = tick.service.settings.desired - len(kept(tick.service))
    if tick.service.primary.stage != stages.CLEAN_UP and missing > 0:
        start(tick, old, missing)


def _ready(tick: Tick) -> bool:
    """Return whether every new task is healthy, and no task of a third deployment is left."""
    service, primary = tick.service, tick.service.primary
    known = {primary.id, *(task.deployment for task in kept(service))}
    current = [task for task in service.alive() if task.deployment == primary.id]
    others = [task for task in service.tasks if task.alive and task.deployment not in known]
    whole = len(current) >= service.settings.desired and not others
    return whole and all(healthy(tick, task) for task in current)


def _weigh(tick: Tick, rule: str, share: int) -> None:
    """Let a rule give the primary deployment its share, unless it does; both target groups are in the rule."""
    service, revision = tick.service, tick.service.primary.revision
    [first] = replace(revision, group="").ports
    [group] = revision.ports
    weights = {first: 0, str(advanced(revision)["alternateTargetGroupArn"]): 0, group: share}
    if service.completed:
        [other] = service.completed.revision.ports
        weights |= {other: ALL if other == group else ALL - share}
    if weights != service.weights.get(rule):
        service.weights[rule] = weights
        tick.actions.append(Weigh(rule, weights))


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


def check(params: hooks.Params, speed: float, kept: Mapping[str, Any]) -> None:
    """Refuse a strategy without what it needs: its steps, two used target groups, a role that may change the rule.

    ``speed`` is that of AWS's clock, and ``kept`` the service's own deployment configuration.
    """
    configuration = params.get("deploymentConfiguration") or {}
    strategy = configuration.get("strategy", "ROLLING")
    if strategy != "ROLLING":
        stages.check(configuration)
    steps = f"{strategy.lower()}Configuration"
    if strategy in ("CANARY", "LINEAR") and not {**kept, **configuration}.get(steps):
        words = f"{steps} is required with the deployment strategy {strategy}."
        raise hooks.Refused("InvalidParameterException", words)
    for balancer in params.get("loadBalancers") or []:
        given = balancer.get("advancedConfiguration")
        if strategy != "ROLLING" and not given:
            words = "advancedConfiguration is required for the load balancer with the deployment strategy "
            raise hooks.Refused("InvalidParameterException", f"{words}{strategy}.")
        if given:
            _check_advanced(str(balancer["targetGroupArn"]), given)
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
    rules = [rule, *filter(None, [given.get("testListenerRule")])]
    needed = [("elasticloadbalancing:ModifyRule", str(listener_rule)) for listener_rule in rules]
    needed += [("elasticloadbalancing:RegisterTargets", arn) for arn in both]
    for action, arn in needed:
        if problem := TaskRole(role, "ecs-service-scheduler").refusal(action, arn):
            raise hooks.Refused("InvalidParameterException", problem)
