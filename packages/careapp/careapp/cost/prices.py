"""Prices in USD: of a dated table, with the AWS page that states each, or of AWS's Price List API.

The API, for `./careapp cost --live`, answers in us-east-1 for every region and is free (AWS Billing guide, price
changes). Only on-demand terms are read.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from careapp.cost.graph import NoPrice
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.local_cloud import is_used
from ecs_gate.aws.session import Session
from ecs_gate.text import t

HOURS = 730
"""Hours of a month, as AWS's own calculator counts them."""
FOLDER = Path(__file__).parent
PRICES, CODES = "prices.toml", "codes.toml"
"""What has a price, with its price in some regions, and each region's code in a usage type."""
WITHOUT_CODE = "us-east-1"
"""Some of its usage types have no code (S3 user guide, "Understanding your AWS billing and usage reports")."""
API_REGION = "us-east-1"
"""Where the Price List API answers."""


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


@dataclass(frozen=True)
class PriceBook:
    """The prices of a region. With a session it asks the Price List API first."""

    region: str
    session: Session | None = None

    @cached_property
    def table(self) -> Mapping[str, Any]:
        """Return the table's entries; those without a price in the region have no `usd`."""
        return {
            name: {**entry, **entry.get(self.region, {})} for name, entry in _read(PRICES).items()
        }

    @cached_property
    def _live(self) -> dict[str, float | None]:
        return {}

    def price(self, key: str) -> Price:
        """Return the price of a key. Raises NoPrice, and with a session AwsProblem."""
        name, _, kind = key.partition(":")
        entry = self.table[name]
        if self.session and key not in self._live:
            self._live[key] = _asked(self.session, self.filters(key))
        live = self._live.get(key)
        usd = _of(entry.get("usd"), kind) if live is None else live
        if usd is None:
            raise NoPrice("the price table has no {key}; --live asks AWS", key=key)
        today = date.today().isoformat()
        checked = str(_of(entry.get("checked"), kind) or "") if live is None else today
        page, per = entry["page"], entry["per"]
        return Price(key=key, usd=usd, per=per, page=page, checked=checked, live=live is not None)

    def filters(self, key: str) -> list[tuple[str, dict[str, str]]]:
        """Return services and filters by which the API may have a price; none where it has no usage type."""
        name, _, kind = key.partition(":")
        entry, code = self.table[name], _read(CODES).get(self.region)
        usagetype = str(_of(entry.get("usagetype"), kind) or "")
        if not usagetype or code is None:
            return []
        more = dict(entry.get("filters") or {})
        if "{" in usagetype.replace("{kind}", ""):
            more["regionCode"] = self.region
        codes = (f"{code}-", "") if self.region == WITHOUT_CODE else (f"{code}-",)
        types = sorted({usagetype.format(code=c, region=self.region, kind=kind) for c in codes})
        return [(service, {"usagetype": u, **more}) for service in entry["service"] for u in types]

    @property
    def date(self) -> str:
        """Return the latest day on which a price of the table was checked; "?" without a table."""
        days = [entry.get("checked", "") for entry in self.table.values()]
        each = [day for one in days for day in (one.values() if isinstance(one, dict) else [one])]
        return max(each, default="") or "?"


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text())


def _of(value: Any, kind: str) -> Any:
    """Return the value of a kind, where the table has one a kind."""
    return value.get(kind) if isinstance(value, dict) else value


def api_session(profile: str | None) -> Session:
    """Return a session in the API's region. Raises AwsProblem in the local cloud."""
    if is_used():
        raise AwsProblem(
            "unreachable",
            t("The local cloud does not know AWS's prices."),
            t("Leave its shell for --live, or leave --live out."),
        )
    return Session(API_REGION, profile)


def _asked(session: Session, places: list[tuple[str, dict[str, str]]]) -> float | None:
    """Return the price at the first place that has one; None where there is none, or more than one there."""
    for service, fields in places:
        filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in fields.items()]
        products = session.all(
            "pricing", "get_products", "PriceList", ServiceCode=service, Filters=filters
        )
        prices = {usd for product in products for usd in _first_tier(json.loads(product))}
        if prices:
            return prices.pop() if len(prices) == 1 else None
    return None


def _first_tier(product: Mapping[str, Any]) -> set[float]:
    """Return the on-demand prices of a product's first tier that is not free, in USD."""
    tiers = [
        (float(dimension.get("beginRange") or 0), float(dimension["pricePerUnit"]["USD"]))
        for term in product.get("terms", {}).get("OnDemand", {}).values()
        for dimension in term["priceDimensions"].values()
        if float(dimension["pricePerUnit"].get("USD", 0))
    ]
    return {usd for begin, usd in tiers if begin == min(tiers)[0]}
