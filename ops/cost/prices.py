"""Reads the dated price table: USD a unit, and the AWS page that states it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

REGION = "ap-northeast-1"
HOURS = 730
"""Hours of a month, as AWS's own calculator counts them."""
TABLE = Path(__file__).with_name(f"{REGION}.toml")


class NoPrice(Exception):
    """The table has no price for a key; ``str()`` is the key."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of one unit."""

    key: str
    """E.g. ``nat-hour``, or with a kind ``rds-hour:db.t4g.micro``."""
    usd: float
    per: str
    page: str
    """AWS's public page that says so."""
    checked: str
    """The day on which the Price List API said so; empty when it was not checked against it."""
    live: bool = False
    """Whether the Price List API said so just now."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The Price List API's filters for a price."""

    services: tuple[str, ...]
    usagetype: str
    filters: Mapping[str, str]


@dataclass(frozen=True)
class PriceBook:
    """All prices of the region, and those that were looked up live."""

    table: Mapping[str, Any]
    live: Mapping[str, Price] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path = TABLE) -> PriceBook:
        """Return the project's price table."""
        return cls(tomllib.loads(file.read_text()))

    def price(self, key: str) -> Price:
        """Return the price of a key. Raises NoPrice."""
        if key in self.live:
            return self.live[key]
        name, _, kind = key.partition(":")
        entry = self.table.get(name)
        usd = _of(entry.get("usd"), kind) if isinstance(entry, dict) else None
        if entry is None or usd is None:
            raise NoPrice(key)
        checked = str(_of(entry["checked"], kind) or "")
        return Price(key=key, usd=float(usd), per=entry["per"], page=entry["page"], checked=checked)

    def listing(self, key: str) -> Listing | None:
        """Return the Price List API's filters for a key; None where the table has none."""
        name, _, kind = key.partition(":")
        entry = self.table.get(name) or {}
        usagetype = _of(entry.get("usagetype"), kind)
        if not usagetype:
            return None
        return Listing(
            services=tuple(entry["service"]),
            usagetype=str(usagetype).format(kind=kind),
            filters=entry.get("filters") or {},
        )

    def stated(self, key: str, usd: float, day: str) -> Price:
        """Return a live price, with the unit and the page of the table."""
        entry = self.table[key.partition(":")[0]]
        return Price(key=key, usd=usd, per=entry["per"], page=entry["page"], checked=day, live=True)

    def updated(self, live: Mapping[str, Price]) -> PriceBook:
        """Return the book with live prices, which take precedence."""
        return replace(self, live={**self.live, **live})

    @property
    def date(self) -> str:
        """Return the latest day on which a price of the table was checked."""
        days: list[str] = []
        for entry in self.table.values():
            if isinstance(entry, dict):
                checked = entry["checked"]
                days += checked.values() if isinstance(checked, dict) else [checked]
        return max(days)


def _of(value: Any, kind: str) -> Any:
    """Return the value of a kind, where the table has one a kind."""
    return value.get(kind) if isinstance(value, dict) else value
