"""Rules for tasks on Fargate: services, and jobs by their schedules."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from careapp.cost.bill import Context, Use
from careapp.cost.graph import NoPrice, Resource
from careapp.cost.prices import HOURS
from careapp.settings.schedule_expressions import each_time, next_time
from ecs_gate.text import t

YEAR, WEEK, FOUR_WEEKS = timedelta(days=365), timedelta(weeks=1), timedelta(weeks=4)
FREQUENT = 1000
"""Runs after which the rest of the year is not counted, but a week."""


def service(resource: Resource, context: Context) -> Iterator[Use]:
    """Yield vCPU and memory of a service's tasks, on demand or Spot, and their public addresses."""
    targets = context.graph.of(resource, "appautoscaling:Target")
    number = float(resource.get("desiredCount", 1))
    for target in targets:
        actions = context.graph.of(target, "appautoscaling:ScheduledAction")
        number = int(target.get("minCapacity")) * share_of_time(actions)
    yield from _fargate(resource, context, number * HOURS, resource.get("networkConfiguration", {}))


def job(resource: Resource, context: Context) -> Iterator[Use]:
    """Yield vCPU and memory of the runs of a schedule's task.

    EventBridge Scheduler's first 14 million invocations a month are free (eventbridge/pricing). Fargate bills a minute
    at least (fargate/pricing). A run ends before the next one begins: the settings refuse other schedules.
    """
    network = resource.get("target")["ecsParameters"].get("networkConfiguration") or {}
    hours = runs(resource, datetime.now(UTC)) * max(context.assumed.job_minutes, 1) / 60
    yield from _fargate(resource, context, min(hours, HOURS), network)


def runs(schedule: Resource, now: datetime) -> float:
    """Return a schedule's runs in a month on average: over the year from now; `at(…)` is one run, or is over."""
    if schedule.get("state", "ENABLED") != "ENABLED":
        return 0
    text, zone = schedule.get("scheduleExpression"), schedule.get("scheduleExpressionTimezone")
    moments = each_time(next_time(text, zone or "UTC", now), now)
    if text.startswith("at("):
        return len(list(moments))
    ends, seen = now + YEAR, 0
    while (moment := next(moments, ends)) < ends:
        seen += 1
        if seen == FREQUENT:
            ends = max(moment, now + WEEK)
    return seen * HOURS / ((ends - now) / timedelta(hours=1))


def share_of_time(actions: list[Resource]) -> float:
    """Return the share of four weeks in which scheduled actions allow tasks, which a maximum of 0 does not."""
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    moments = sorted(
        (moment, action.get("scalableTargetAction")["maxCapacity"] not in (0, "0"))
        for action in actions
        for moment in takewhile(lambda moment: moment < begin + FOUR_WEEKS, _times(action, begin))
    )
    if not moments:
        return 1
    ends = [*(moment for moment, _ in moments[1:]), moments[0][0] + FOUR_WEEKS]
    pairs = zip(moments, ends, strict=True)
    running = [end - begin for (begin, allows), end in pairs if allows]
    return sum(running, timedelta()) / FOUR_WEEKS


def _times(action: Resource, begin: datetime) -> Iterator[datetime]:
    zone = action.get("timezone", "UTC")
    return each_time(next_time(action.get("schedule"), zone, begin), begin)


def _shares(resource: Resource) -> Iterator[tuple[str, float]]:
    """Yield the shares of on-demand and Spot tasks by weight. The base is ignored."""
    resource.only("launchType", "FARGATE")
    strategies = resource.get("capacityProviderStrategies") or [
        {"capacityProvider": "FARGATE", "weight": 1}
    ]
    total = sum(strategy.get("weight") or 0 for strategy in strategies)
    for strategy in strategies:
        if weight := strategy.get("weight"):
            spot = strategy["capacityProvider"] == "FARGATE_SPOT"
            yield "spot" if spot else "fargate", weight / total


def _fargate(
    resource: Resource, context: Context, hours: float, network: dict[str, bool]
) -> Iterator[Use]:
    """Yield what the tasks of a resource's task definition use."""
    definitions = context.graph.all("ecs:TaskDefinition")
    definition = next((each for each in definitions if each.urn in resource.needs), None)
    if definition is None:
        raise NoPrice("which task definition it runs is known only after an update")
    definition.only("ephemeralStorage", None)
    chip = definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    vcpu, memory = int(definition.get("cpu")) / 1024, int(definition.get("memory")) / 1024
    for kind, share in _shares(resource):
        yield Use(t("vCPU hours"), "tasks", hours * share * vcpu, f"{kind}-vcpu:{chip}")
        yield Use(t("memory, GB hours"), "tasks", hours * share * memory, f"{kind}-gb:{chip}")
    if network.get("assignPublicIp"):
        yield Use(t("public IPv4"), "network", hours, "ipv4-hour")
