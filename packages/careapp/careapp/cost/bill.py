"""A bill: the resources of a graph, priced by their rules, and the usage of a month that the graph does not contain."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from careapp.cost.graph import Graph, NoPrice, Resource
from careapp.cost.prices import HOURS, Price, PriceBook
from ecs_gate.text import Text, t


def _assumed(default: float, text: Text) -> Any:
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """The usage of a month, with defaults. Sizes in GB (10⁹ bytes)."""

    requests: float = _assumed(100_000, t("requests to the load balancer"))
    gb_out: float = _assumed(5, t("GB sent to the internet"))
    image_gb: float = _assumed(0.1, t("GB of the image, compressed"))
    starts: float = _assumed(60, t("task starts, each of which pulls the image"))
    log_gb: float = _assumed(0.5, t("GB of the app's log"))
    other_log_gb: float = _assumed(0.1, t("GB of every other log group"))
    flow_log_gb: float = _assumed(1, t("GB of flow logs"))
    monitoring_gb: float = _assumed(0.3, t("GB of RDS enhanced monitoring at 60 s"))
    job_minutes: float = _assumed(5, t("minutes of each run of a job, until its next one at most"))
    insights_metrics: float = _assumed(30, t("metrics of Container Insights for a service"))
    bucket_gb: float = _assumed(1, t("GB in every S3 bucket"))

    def described(self) -> list[tuple[str, float, Text]]:
        """Return name, value and description of each assumption."""
        return [
            (each.name, getattr(self, each.name), each.metadata["text"]) for each in fields(self)
        ]


GROUPS = {
    "network": t("NAT, addresses, endpoints"),
    "balancer": t("load balancer"),
    "database": t("database"),
    "tasks": t("tasks"),
    "storage": t("images, buckets, keys"),
    "monitoring": t("logs, alarms, dashboard"),
    "traffic": t("traffic out"),
    "other": t("other"),
}
"""What belongs together, in the order in which it is shown."""


@dataclass(frozen=True)
class Use:
    """A quantity of something that has a price: in the price's unit, over a month."""

    what: Text
    group: str
    quantity: float
    price: str
    """Key in the price book."""


@dataclass(frozen=True)
class BillItem:
    """A line of the bill."""

    resource: Resource
    use: Use
    price: Price

    @property
    def usd(self) -> float:
        """Return USD a month."""
        return self.use.quantity * self.price.usd


@dataclass(frozen=True)
class Bill:
    """What a resource graph costs a month. ``unpriced`` has each resource whose cost is unknown, with the reason."""

    items: tuple[BillItem, ...]
    unpriced: tuple[tuple[Resource, Text], ...]

    @property
    def month(self) -> float:
        """Return USD in a month of 730 hours, a lower bound when something is unpriced; in any order the same sum."""
        return math.fsum(item.usd for item in self.items)

    @property
    def hour(self) -> float:
        """Return average USD an hour."""
        return self.month / HOURS


@dataclass(frozen=True)
class Context:
    """The graph and the assumptions that a rule reads besides its resource."""

    graph: Graph
    assumed: Assumptions


PriceRule = Callable[[Resource, Context], Iterable[Use]]


def priced(
    graph: Graph, book: PriceBook, assumed: Assumptions, rules: Mapping[str, PriceRule]
) -> Bill:
    """Price the resources that have a rule, by their short type."""
    items, unpriced = list[BillItem](), list[tuple[Resource, Text]]()
    for resource in graph:
        try:
            for use in rules.get(resource.short, _nothing)(resource, Context(graph, assumed)):
                try:
                    items.append(BillItem(resource, use, book.price(use.price)))
                except NoPrice as missing:
                    unpriced.append((resource, missing.text))
        except NoPrice as problem:
            unpriced.append((resource, problem.text))
    return Bill(tuple(items), tuple(unpriced))


def _nothing(_: Resource, __: Context) -> tuple[()]:
    return ()
