"""The cost of a DB instance that exists for a while, as in a drill of a restore."""

from __future__ import annotations

from ops.cost.comparison import Comparison
from ops.cost.prices import HOURS, NoPrice, PriceBook

LEAST_SECONDS = 600
"""RDS bills an instance by the second, and ten minutes at least (RDS user guide, "On-Demand DB instances")."""


def usd(book: PriceBook, kind: str, gigabytes: float, disk: str, seconds: float) -> float:
    """Return USD for an instance without a standby, its storage and its password's secret. Raises NoPrice."""
    hours = max(seconds, LEAST_SECONDS) / 3600
    return hours * (
        book.price(f"rds-hour:{kind}").usd
        + (gigabytes * book.price(f"rds-gb:{disk}").usd + book.price("secret").usd) / HOURS
    )


DRILL_MINUTES = 30
"""Assumed for a drill of a small database: restore, password, comparison, deletion."""


def drills(found: Comparison) -> dict[str, float]:
    """Return USD of a drill for each stack whose database has a price."""
    costs: dict[str, float] = {}
    for column in found.columns:
        for item in column.bill.items:
            if item.price.key.startswith(("rds-hour:", "rds-multi-az-hour:")):
                resource = item.resource
                kind, disk = resource.get("instanceClass"), resource.get("storageType", "gp2")
                size, seconds = float(resource.get("allocatedStorage")), 60 * DRILL_MINUTES
                try:
                    costs[column.stack] = usd(found.book, str(kind), size, str(disk), seconds)
                except NoPrice:
                    continue
    return costs
