"""Tasks on Fargate, instances of EC2."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import t
from ops.cost.bill import CannotSay, Case, Rule, Use
from ops.cost.graph import Resource
from ops.cost.prices import HOURS
from ops.cost.rules.network import ADDRESS, HOURLY, public_tasks
from ops.cost.schedule import share_of_week

ROOT_GB = 8
"""The root volume of Amazon Linux 2023, where none is declared."""


def service(resource: Resource, case: Case) -> Iterator[Use]:
    """A service on Fargate: vCPU and memory of its wanted tasks, on demand or Spot, and their addresses."""
    definition = case.graph.needed(resource, "ecs:TaskDefinition")
    if definition is None:
        raise CannotSay(t("which task definition it runs is known only after an update"))
    if definition.get("ephemeralStorage"):
        raise CannotSay(t("no price is known for more than Fargate's 20 GiB of task storage"))
    hours = tasks(resource, case) * HOURS
    chip = definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    vcpu, memory = int(definition.get("cpu")) / 1024, int(definition.get("memory")) / 1024
    for kind, share in ways(resource).items():
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
    if public_tasks(resource) and hours:
        yield Use(what=ADDRESS, group="network", quantity=hours, price="ipv4-hour")


def tasks(resource: Resource, case: Case) -> float:
    """Tasks on average: the scaler's minimum where there is one, for the part of a week in which it runs."""
    targets = [
        each
        for each in case.graph.all("appautoscaling:Target")
        if each.get("serviceNamespace") == "ecs"
    ]
    wanted = int(resource.get("desiredCount", 1))
    if targets:
        wanted = max(int(each.get("minCapacity")) for each in targets)
    return wanted * share_of_week(case.graph)


def ways(resource: Resource) -> dict[str, float]:
    """The share of tasks on demand and on Spot, by their weights. A base counts for nothing here."""
    strategies = resource.get("capacityProviderStrategies", [])
    if not strategies:
        kind = resource.get("launchType", "FARGATE")
        if kind != "FARGATE":
            raise CannotSay(t("no price is known for tasks on {kind}", kind=str(kind)))
        return {"fargate": 1.0}
    weights = {"fargate": 0.0, "spot": 0.0}
    names = {"FARGATE": "fargate", "FARGATE_SPOT": "spot"}
    for strategy in strategies:
        kind = str(strategy.get("capacityProvider"))
        if kind not in names:
            raise CannotSay(t("no price is known for tasks on {kind}", kind=kind))
        weights[names[kind]] += float(strategy.get("weight") or 0)
    total = sum(weights.values())
    if not total:
        raise CannotSay(t("its capacity providers have no weight"))
    return {kind: weight / total for kind, weight in weights.items()}


def instance(resource: Resource, _: Case) -> Iterator[Use]:
    """An EC2 instance with its root volume."""
    kind = resource.get("instanceType")
    yield Use(what=HOURLY, group="other", quantity=HOURS, price=f"ec2-hour:{kind}")
    volume = resource.get("rootBlockDevice", {})
    size, disk = volume.get("volumeSize") or ROOT_GB, volume.get("volumeType") or "gp3"
    yield Use(what=t("disk, GB"), group="other", quantity=float(size), price=f"ebs-gb:{disk}")
    if resource.get("associatePublicIpAddress", False):
        yield Use(what=ADDRESS, group="network", quantity=HOURS, price="ipv4-hour")


RULES: dict[str, Rule] = {"ecs:Service": service, "ec2:Instance": instance}
