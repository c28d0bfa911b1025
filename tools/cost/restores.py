"""The cost of a DB instance that exists for a while, as in a drill of a restore."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tools.cost.comparison import Comparison
from tools.cost.graph import Resource, UnknownInput
from tools.cost.prices import HOURS, NoPrice, PriceBook

LEAST_SECONDS = 600
"""RDS bills an instance by the second, and ten minutes at least (RDS user guide, "On-Demand DB instances")."""


def usd(
    book: PriceBook, kind: str, gigabytes: float, disk: str, seconds: float, standby: bool = False
) -> float:
    """Return USD for an instance, its storage and its password's secret. Raises NoPrice."""
    hours, where = max(seconds, LEAST_SECONDS) / 3600, "rds-multi-az" if standby else "rds"
    return hours * (
        book.price(f"{where}-hour:{kind}").usd
        + (gigabytes * book.price(f"{where}-gb:{disk}").usd + book.price("secret").usd) / HOURS
    )


def cost(region: str, instance: Mapping[str, Any], seconds: float, standby: bool) -> float | None:
    """Return USD for an instance like the one that RDS describes; None where the price table has none."""
    kind, disk = instance["DBInstanceClass"], instance.get("StorageType", "gp3")
    size = float(instance["AllocatedStorage"])
    try:
        return usd(PriceBook.load(region), kind, size, disk, seconds, standby)
    except NoPrice:
        return None


def month(region: str, instance: Mapping[str, Any]) -> float | None:
    """Return USD a month for an instance that RDS describes; None where the price table has none."""
    return cost(region, instance, HOURS * 3600, bool(instance.get("MultiAZ")))


DRILL_MINUTES = 30
"""Assumed for a drill of a small database: restore, password, comparison, deletion."""


def drills(found: Comparison) -> dict[str, float]:
    """Return USD of a drill for each stack whose database has a price, without the settings of -c."""
    costs: dict[str, float] = {}
    for column in found.columns:
        for item in column.bill.items:
            if item.price.key.startswith(("rds-hour:", "rds-multi-az-hour:")):
                with suppress(NoPrice, UnknownInput):
                    costs.setdefault(
                        column.stack, _drill(found.books[column.region], item.resource)
                    )
    return costs


def _drill(book: PriceBook, database: Resource) -> float:
    """Return USD of a drill. Raises NoPrice and UnknownInput."""
    kind, disk = str(database.get("instanceClass")), str(database.get("storageType", "gp2"))
    return usd(book, kind, float(database.get("allocatedStorage")), disk, 60 * DRILL_MINUTES)
