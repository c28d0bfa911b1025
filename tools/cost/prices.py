"""Reads prices: a region's dated table, USD a unit with the AWS page that states it, and AWS's Price List API.

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

from stack.file import read
from tools.aws.errors import AwsProblem
from tools.aws.session import Session
from tools.i18n import t

HOURS = 730
"""Hours of a month, as AWS's own calculator counts them."""
FOLDER = Path(__file__).parent
UNITS = "units.toml"
"""What has a price. A region's prices are in the file with its name."""
CODES = {
    **{"us-east-1": "USE1", "us-east-2": "USE2", "us-west-1": "USW1", "us-west-2": "USW2"},
    **{"ca-central-1": "CAN1", "ca-west-1": "CAN2", "mx-central-1": "MXC1", "sa-east-1": "SAE1"},
    **{"af-south-1": "AFS1", "il-central-1": "ILC1", "me-central-1": "MEC1", "me-south-1": "MES1"},
    **{"ap-east-1": "APE1", "ap-east-2": "APE2", "ap-south-1": "APS3", "ap-south-2": "APS5"},
    **{"ap-northeast-1": "APN1", "ap-northeast-2": "APN2", "ap-northeast-3": "APN3"},
    **{"ap-southeast-1": "APS1", "ap-southeast-2": "APS2", "ap-southeast-3": "APS4"},
    **{"ap-southeast-4": "APS6", "ap-southeast-5": "APS7", "ap-southeast-6": "APS8"},
    **{"ap-southeast-7": "APS9", "eu-central-1": "EUC1", "eu-central-2": "EUC2"},
    **{"eu-north-1": "EUN1", "eu-south-1": "EUS1", "eu-south-2": "EUS2"},
    **{"eu-west-1": "EU", "eu-west-2": "EUW2", "eu-west-3": "EUW3"},
}
"""The code of each region in a usage type (AWS Regions and Availability Zones, "AWS Region billing codes")."""
WITHOUT_CODE = "us-east-1"
"""Some of its usage types have no code (S3 user guide, "Understanding your AWS billing and usage reports")."""


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
    """The Price List API's filters for a price. Of ``services`` and ``usagetypes`` the first with a price counts."""

    services: tuple[str, ...]
    usagetypes: tuple[str, ...]
    filters: Mapping[str, str]


@dataclass(frozen=True)
class PriceBook:
    """All prices of a region, and those that were looked up live."""

    region: str
    table: Mapping[str, Any]
    live: Mapping[str, Price] = field(default_factory=dict)

    @classmethod
    def load(cls, region: str) -> PriceBook:
        """Return the price table of a region. One without a file has no price, and can be looked up live."""
        units = tomllib.loads((FOLDER / UNITS).read_text())
        file = FOLDER / f"{region}.toml"
        prices = tomllib.loads(file.read_text()) if region and file.exists() else {}
        return cls(region, {name: {**unit, **prices.get(name, {})} for name, unit in units.items()})

    def price(self, key: str) -> Price:
        """Return the price of a key. Raises NoPrice."""
        if key in self.live:
            return self.live[key]
        name, _, kind = key.partition(":")
        entry = self.table.get(name, {})
        usd = _of(entry.get("usd"), kind)
        if usd is None:
            raise NoPrice(key)
        checked = str(_of(entry["checked"], kind) or "")
        return Price(key=key, usd=float(usd), per=entry["per"], page=entry["page"], checked=checked)

    def listing(self, key: str) -> Listing | None:
        """Return the Price List API's filters for a key; None where it has none, or the region has no code."""
        name, _, kind = key.partition(":")
        entry = self.table.get(name) or {}
        usagetype, code = _of(entry.get("usagetype"), kind), CODES.get(self.region)
        if not usagetype or code is None:
            return None
        codes = (f"{code}-", "") if self.region == WITHOUT_CODE else (f"{code}-",)
        named = {str(usagetype).format(code=each, region=self.region, kind=kind) for each in codes}
        own = {"regionCode": self.region} if "{" in str(usagetype).replace("{kind}", "") else {}
        return Listing(
            services=tuple(entry["service"]),
            usagetypes=tuple(sorted(named)),
            filters={**(entry.get("filters") or {}), **own},
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
        """Return the latest day on which a price of the table was checked; "" without a table."""
        days = [entry.get("checked", "") for entry in self.table.values()]
        each = [day for one in days for day in (one.values() if isinstance(one, dict) else [one])]
        return max(each, default="")


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
    for service in listing.services:
        for usagetype in listing.usagetypes:
            fields = {"usagetype": usagetype, **listing.filters}
            filters = [
                {"Type": "TERM_MATCH", "Field": name, "Value": value}
                for name, value in fields.items()
            ]
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
