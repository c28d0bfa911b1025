"""Reads current prices from AWS's Price List API, for `./careapp cost --live`.

The API answers in us-east-1 for every region and is free (AWS Billing guide, price changes). Only on-demand
terms are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from i18n import t
from ops.aws.errors import AwsProblem
from ops.aws.session import Session
from ops.cost.prices import REGION, Listing, Price, PriceBook
from stack.file import read

API_REGION = "us-east-1"
"""Where the Price List API answers."""


def session(stack: str, folder: Path) -> Session:
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
