"""Reads prices: the dated table, USD a unit with the AWS page that states it, and AWS's Price List API.

The API, for `./careapp cost --live`, answers in us-east-1 for every region and is free (AWS Billing guide, price
changes). Only on-demand terms are read.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from i18n import t
from ops.aws.errors import AwsProblem
from ops.aws.session import Session
from stack.file import read

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


API_REGION = "us-east-1"
"""Where the Price List API answers."""


def api_session(stack: str, folder: Path) -> Session:
    """Return a session with the stack's profile in the API's region. Raises StackError and AwsProblem."""
    made = Session(API_REGION, read(stack, folder).profile)
    if made.local:
        raise AwsProblem(
            "unreachable",
            t("The local cloud does not know AWS's prices."),
            t("Leave its shell for --live, or leave --live out."),
        )
    return made


def look_up(
    session: Session, book: PriceBook, keys: Iterable[str]
) -> tuple[dict[str, Price], list[str]]:
    """Return the live prices of keys, and the keys without exactly one price. Raises AwsProblem."""
    found: dict[str, Price] = {}
    missing: list[str] = []
    for key in sorted(keys):
        listing = book.listing(key)
        usd = _asked(session, listing) if listing else None
        if usd is None:
            missing.append(key)
        else:
            found[key] = book.stated(key, usd, date.today().isoformat())
    return found, missing


def _asked(session: Session, listing: Listing) -> float | None:
    """Return the price of a listing; None when there is none or more than one."""
    fields = {"usagetype": listing.usagetype, **listing.filters}
    if listing.usagetype.startswith(("APN1-", REGION)):
        fields["regionCode"] = REGION
    filters = [
        {"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()
    ]
    for service in listing.services:
        products = session.all(
            "pricing", "get_products", "PriceList", ServiceCode=service, Filters=filters
        )
        prices = {usd for product in products for usd in first_tier(json.loads(product))}
        if prices:
            return prices.pop() if len(prices) == 1 else None
    return None


def first_tier(product: Mapping[str, Any]) -> set[float]:
    """Return the on-demand prices of a product's first tier that is not free, in USD."""
    terms = product.get("terms", {}).get("OnDemand", {}).values()
    tiers = sorted(
        (float(each.get("beginRange") or 0), float(each["pricePerUnit"]["USD"]))
        for term in terms
        for each in term["priceDimensions"].values()
        if "USD" in each["pricePerUnit"]
    )
    paid = [(begin, usd) for begin, usd in tiers if usd]
    return {usd for begin, usd in paid if begin == paid[0][0]}
