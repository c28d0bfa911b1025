"""The load balancer and what leaves through it."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import t
from ops.cost.bill import CannotSay, Case, Rule, Use
from ops.cost.graph import Resource
from ops.cost.prices import HOURS
from ops.cost.rules.network import ADDRESS, HOURLY, many, zones_of


def balancer(resource: Resource, case: Case) -> Iterator[Use]:
    """An Application Load Balancer: hours, LCUs, a public IPv4 in every zone, what it sends out."""
    kind = resource.get("loadBalancerType", "application")
    if kind != "application":
        raise CannotSay(t("no price is known for a load balancer of type {kind}", kind=str(kind)))
    yield Use(what=HOURLY, group="balancer", quantity=HOURS, price="alb-hour")
    capacity = case.assumed.average_lcu * HOURS
    yield Use(what=t("LCU hours"), group="balancer", quantity=capacity, price="alb-lcu")
    if resource.get("internal", False):
        return
    zones = many(resource, "subnets", len(zones_of(case.graph)))
    yield Use(what=ADDRESS, group="network", quantity=HOURS * zones, price="ipv4-hour")
    sent = case.assumed.gb_out
    yield Use(what=t("GB to the internet"), group="traffic", quantity=sent, price="out-gb")


RULES: dict[str, Rule] = {"lb:LoadBalancer": balancer}
