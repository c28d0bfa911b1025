"""Rules for tasks on Fargate and EC2 instances."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.cost.bill import Case, Rule, UnknownUsage, Use
from tools.cost.graph import Graph, Resource
from tools.cost.prices import HOURS
from tools.cost.resources import ADDRESS, HOURLY, public_tasks
from tools.i18n import t

ROOT_GB = 8
"""The root volume of Amazon Linux 2023, where none is declared."""


def service(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield vCPU and memory of a service's tasks, on demand or Spot, and their public addresses."""
    definition = case.graph.needed(resource, "ecs:TaskDefinition")
    hours = tasks(resource, case) * HOURS
    yield from _fargate(definition, hours, capacity_shares(resource))
    if public_tasks(resource) and hours:
        yield Use(what=ADDRESS, group="network", quantity=hours, price="ipv4-hour")


def schedule(resource: Resource, case: Case) -> Iterator[Use]:
    """Yield vCPU and memory of the hours that a schedule's tasks run; none of one that is disabled.

    EventBridge Scheduler's first 14 million invocations a month are free (eventbridge/pricing).
    """
    parameters = resource.get("target", {}).get("ecsParameters")
    if not parameters:
        raise UnknownUsage(t("no price is known for a schedule that runs no ECS task"))
    definition = case.graph.needed(resource, "ecs:TaskDefinition")
    hours = case.assumed.job_hours if resource.get("state", "ENABLED") == "ENABLED" else 0
    yield from _fargate(definition, hours, capacity_shares(Resource(type="", name="")))
    if hours and (parameters.get("networkConfiguration") or {}).get("assignPublicIp"):
        yield Use(what=ADDRESS, group="network", quantity=hours, price="ipv4-hour")


def _fargate(definition: Resource | None, hours: float, shares: dict[str, float]) -> Iterator[Use]:
    """Yield vCPU and memory of a task definition's tasks."""
    if definition is None:
        raise UnknownUsage(t("which task definition it runs is known only after an update"))
    if definition.get("ephemeralStorage"):
        raise UnknownUsage(t("no price is known for more than Fargate's 20 GiB of task storage"))
    chip = definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    vcpu, memory = int(definition.get("cpu")) / 1024, int(definition.get("memory")) / 1024
    for kind, share in shares.items():
        if share:
            yield Use(
                what=t("vCPU hours"),
                group="tasks",
                quantity=hours * share * vcpu,
                price=f"{kind}-vcpu:{chip}",
            )
            yield Use(
                what=t("memory, GB hours"),
                group="tasks",
                quantity=hours * share * memory,
                price=f"{kind}-gb:{chip}",
            )


def tasks(resource: Resource, case: Case) -> float:
    """Return the average number of tasks: the scaling minimum if there is one, times its share of the week."""
    targets = [
        each
        for each in _of([resource], case.graph, "appautoscaling:Target")
        if each.get("serviceNamespace") == "ecs"
    ]
    wanted = int(resource.get("desiredCount", 1))
    if targets:
        wanted = max(int(each.get("minCapacity")) for each in targets)
    return wanted * share_of_week(_of(targets, case.graph, "appautoscaling:ScheduledAction"))


def _of(owners: list[Resource], graph: Graph, short: str) -> list[Resource]:
    """Return the resources of a type that depend on one of the owners; of a single service, all of them."""
    found = graph.all(short)
    if len(graph.all("ecs:Service")) == 1:
        return found
    return [each for each in found if any(owner.urn in each.needs for owner in owners)]


def capacity_shares(resource: Resource) -> dict[str, float]:
    """Return the shares of on-demand and Spot tasks by weight. The base is ignored."""
    strategies = resource.get("capacityProviderStrategies", [])
    if not strategies:
        kind = resource.get("launchType", "FARGATE")
        if kind != "FARGATE":
            raise UnknownUsage(t("no price is known for tasks on {kind}", kind=str(kind)))
        return {"fargate": 1.0}
    weights = {"fargate": 0.0, "spot": 0.0}
    names = {"FARGATE": "fargate", "FARGATE_SPOT": "spot"}
    for strategy in strategies:
        kind = str(strategy.get("capacityProvider"))
        if kind not in names:
            raise UnknownUsage(t("no price is known for tasks on {kind}", kind=kind))
        weights[names[kind]] += float(strategy.get("weight") or 0)
    total = sum(weights.values())
    if not total:
        raise UnknownUsage(t("its capacity providers have no weight"))
    return {kind: weight / total for kind, weight in weights.items()}


def instance(resource: Resource, _: Case) -> Iterator[Use]:
    """Yield an EC2 instance with its root volume."""
    kind = resource.get("instanceType")
    yield Use(what=HOURLY, group="other", quantity=HOURS, price=f"ec2-hour:{kind}")
    volume = resource.get("rootBlockDevice", {})
    size, disk = volume.get("volumeSize") or ROOT_GB, volume.get("volumeType") or "gp3"
    yield Use(what=t("disk, GB"), group="other", quantity=float(size), price=f"ebs-gb:{disk}")
    if resource.get("associatePublicIpAddress", False):
        yield Use(what=ADDRESS, group="network", quantity=HOURS, price="ipv4-hour")


RULES: dict[str, Rule] = {
    "ecs:Service": service,
    "scheduler:Schedule": schedule,
    "ec2:Instance": instance,
}

WEEK = 7 * 24 * 60
"""Minutes."""

DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

CRON = re.compile(r"^cron\((\d+) (\d+) (\S+) \* (\S+) \*\)$")
"""Minute and hour, day of the month, day of the week; every month of every year."""


def share_of_week(actions: list[Resource]) -> float:
    """Return the share of a week in which the scheduled actions allow tasks; 1 without any.

    Raises UnknownUsage for a schedule that is not weekly.
    """
    moments = sorted(moment for action in actions for moment in _moments(action))
    if not moments:
        return 1
    ends = [*moments[1:], (moments[0][0] + WEEK, True)]
    running = sum(
        end - begin for (begin, runs), (end, _) in zip(moments, ends, strict=True) if runs
    )
    return running / WEEK


def _moments(action: Resource) -> Iterator[tuple[int, bool]]:
    """Yield the minutes of the week at which an action runs, and whether it allows tasks."""
    text = str(action.get("schedule"))
    found = CRON.match(text)
    if not found or found[3] not in "?*":
        raise UnknownUsage(
            t(
                "{schedule} is not a weekly schedule, so its hours are unknown",
                schedule=text,
            )
        )
    limits = action.get("scalableTargetAction", {})
    runs = limits.get("maxCapacity") not in (0, "0")
    for day in _days(found[4]):
        yield day * 24 * 60 + int(found[2]) * 60 + int(found[1]), runs


def _days(field: str) -> list[int]:
    if field in "?*":
        return list(range(7))
    chosen: list[int] = []
    for part in field.split(","):
        first, _, last = part.partition("-")
        begin, end = _day(first), _day(last or first)
        chosen += [each % 7 for each in range(begin, end + 1 if end >= begin else end + 8)]
    return chosen


def _day(word: str) -> int:
    """Return the number of a day in AWS's cron: SUN to SAT, or 1 to 7."""
    return DAYS.index(word.upper()) if word.upper() in DAYS else int(word) - 1
