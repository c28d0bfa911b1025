"""Records of a bill, and the assumptions about usage that the resource graph does not contain."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from tools.cost.graph import Graph, Resource
from tools.cost.prices import HOURS, Price
from tools.i18n import Text, t

CONNECTIONS_PER_SECOND, GB_PER_HOUR = 25, 1
"""What one LCU of an Application Load Balancer holds (elasticloadbalancing/pricing).

Of its other two dimensions, 3,000 active connections would take more than 120 s a connection, twice
the idle timeout, to count, and 1,000 rule evaluations a second more than the 10 free rules.
"""


def _said(default: float, text: Text) -> Any:
    return field(default=default, metadata={"text": text})


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """The usage of a month, with defaults. Sizes in GB (10⁹ bytes)."""

    requests: float = _said(100_000, t("requests to the load balancer"))
    gb_out: float = _said(5, t("GB sent to the internet"))
    lcu: float = _said(-1, t("LCUs on average; by default calculated from requests and GB"))
    image_gb: float = _said(0.1, t("GB of the image, compressed"))
    images: float = _said(10, t("images in a repository that no lifecycle policy limits"))
    starts: float = _said(60, t("task starts, each of which pulls the image"))
    log_gb: float = _said(0.5, t("GB of the app's log"))
    other_log_gb: float = _said(0.1, t("GB of every other log group"))
    flow_log_gb: float = _said(1, t("GB of flow logs"))
    monitoring_gb: float = _said(0.3, t("GB of RDS enhanced monitoring at 60 s"))
    job_hours: float = _said(10, t("hours that each job runs"))
    insights_metrics: float = _said(30, t("metrics of Container Insights for a service"))
    bucket_gb: float = _said(1, t("GB in every S3 bucket"))

    @property
    def average_lcu(self) -> float:
        """Return the average LCUs: AWS bills the largest dimension, by the hour.

        Every request counts as a new connection.
        """
        if self.lcu >= 0:
            return self.lcu
        rate = self.requests / (HOURS * 3600)
        return max(
            rate / CONNECTIONS_PER_SECOND,
            self.gb_out / HOURS / GB_PER_HOUR,
        )

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


@dataclass(frozen=True, kw_only=True)
class Use:
    """A quantity of something that has a price."""

    what: Text
    group: str
    quantity: float
    """In the price's unit, over a month."""
    price: str
    """Key in the price book."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A line of the bill."""

    resource: Resource
    what: Text
    group: str
    quantity: float
    price: Price

    @property
    def usd(self) -> float:
        """Return USD a month."""
        return self.quantity * self.price.usd


@dataclass(frozen=True, kw_only=True)
class Unpriced:
    """A resource, or a part of it, whose cost is unknown."""

    resource: Resource
    why: Text


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a resource graph costs a month."""

    items: tuple[Item, ...]
    unpriced: tuple[Unpriced, ...]
    free: tuple[Resource, ...]
    needed: frozenset[str]
    """Keys of all prices that were asked for, also of those that the table lacks."""

    @property
    def month(self) -> float:
        """Return USD in a month of 730 hours; a lower bound when something is unpriced.

        The sum is exact: its rounding does not depend on the order of the resources.
        """
        return math.fsum(item.usd for item in self.items)

    @property
    def hour(self) -> float:
        """Return average USD an hour."""
        return self.month / HOURS

    def of_group(self, group: str) -> float:
        """Return USD a month of one of GROUPS."""
        return math.fsum(item.usd for item in self.items if item.group == group)


@dataclass(frozen=True)
class Case:
    """The graph and the assumptions that a rule reads besides its resource."""

    graph: Graph
    assumed: Assumptions


Rule = Callable[[Resource, Case], Iterable[Use]]


class UnknownUsage(Exception):
    """A rule cannot price its resource; ``text`` gives the reason."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text
