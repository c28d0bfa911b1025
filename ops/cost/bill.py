"""The bill of a graph: what each resource costs a month, and what nobody can say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from i18n import Text, t
from ops.cost.assumptions import Assumptions
from ops.cost.graph import Graph, Resource
from ops.cost.prices import HOURS, Price

GROUPS = {
    "network": t("NAT, addresses, endpoints"),
    "balancer": t("load balancer"),
    "database": t("database"),
    "tasks": t("tasks"),
    "storage": t("images, buckets, keys"),
    "watching": t("logs, alarms, dashboard"),
    "traffic": t("traffic out"),
    "other": t("other"),
}
"""What belongs together, in the order in which it is shown."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """So much of something with a price."""

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
        """A month's cost."""
        return self.quantity * self.price.usd


@dataclass(frozen=True, kw_only=True)
class Unpriced:
    """A resource, or a part of it, that costs nobody knows what."""

    resource: Resource
    why: Text


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What a graph costs a month."""

    items: tuple[Item, ...]
    unpriced: tuple[Unpriced, ...]
    free: tuple[Resource, ...]
    needed: frozenset[str]
    """Keys of all prices that were asked for, also of those that the table lacks."""

    @property
    def month(self) -> float:
        """USD a month of 730 hours; at least so much where something is unpriced.

        Added exactly: half a cent must not be rounded by the order in which the engine happened
        to plan the resources.
        """
        return math.fsum(item.usd for item in self.items)

    @property
    def hour(self) -> float:
        """USD an hour, on average."""
        return self.month / HOURS

    def of_group(self, group: str) -> float:
        """USD a month of a group of GROUPS."""
        return math.fsum(item.usd for item in self.items if item.group == group)


@dataclass(frozen=True)
class Case:
    """What a rule may look at beside its resource."""

    graph: Graph
    assumed: Assumptions


Rule = Callable[[Resource, Case], Iterable[Use]]


class CannotSay(Exception):
    """A rule meets what it has no price for; ``text`` says what."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text
