"""What stacks cost, for scripts and for the README."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from i18n import t
from ops.cost.bill import GROUPS, Bill
from ops.cost.comparison import NOTE_USD, Column, Comparison
from ops.cost.free import FREE
from ops.cost.prices import HOURS, REGION
from ops.render.cost import headline


def as_dict(found: Comparison, lang: str) -> dict[str, Any]:
    """All of it. Sums are in USD, not rounded."""
    keys = sorted({item.price.key for column in found.columns for item in column.bill.items})
    return {
        "region": REGION,
        "hoursOfMonth": HOURS,
        "priceTable": found.book.date,
        "settings": list(found.settings),
        "assumptions": {name: value for name, value, _ in found.assumed.told()},
        "averageLcu": found.assumed.average_lcu,
        "handOverNote": {"month": NOTE_USD},
        "columns": [_column(each, lang) for each in found.columns],
        "changes": [
            {
                "stack": before.stack,
                "state": before.state,
                "month": after.bill.month - before.bill.month,
                "hour": after.bill.hour - before.bill.hour,
            }
            for before, after in found.changes()
        ],
        "prices": [vars(found.book.price(key)) for key in keys],
        "notFoundLive": list(found.not_live),
    }


def _column(column: Column, lang: str) -> dict[str, Any]:
    found = column.bill
    return {
        "key": column.key,
        "stack": column.stack,
        "state": column.state,
        "changed": column.changed,
        "protected": column.protected,
        "month": found.month,
        "hour": found.hour,
        "complete": not found.unpriced,
        "groups": {group: found.of_group(group) for group in GROUPS},
        "items": _items(found, lang),
        "unpriced": [
            {"type": each.resource.type, "name": each.resource.name, "why": each.why.to(lang)}
            for each in found.unpriced
        ],
        "free": [
            {"type": each.type, "name": each.name, "why": FREE[each.short].to(lang)}
            for each in found.free
        ],
    }


def _items(found: Bill, lang: str) -> list[dict[str, Any]]:
    return [
        {
            "type": item.resource.type,
            "name": item.resource.name,
            "what": item.what.to(lang),
            "group": item.group,
            "quantity": item.quantity,
            "price": item.price.key,
            "month": item.usd,
        }
        for item in found.items
    ]


def markdown(found: Comparison, lang: str) -> Iterator[str]:
    """The table of the README: a row a group, a column a stack and stage."""
    columns = found.columns
    yield f"{headline(found).to(lang)}"
    yield ""
    yield "| | " + " | ".join(each.title().to(lang) for each in columns) + " |"
    yield "|---" + "|---:" * len(columns) + "|"
    for group, text in GROUPS.items():
        sums = [each.bill.of_group(group) for each in columns]
        if any(sums):
            yield _row(text.to(lang), [f"{each:.2f}" for each in sums])
    month, hour = t("USD a month").to(lang), t("USD an hour").to(lang)
    against = t("against the note's ${note}", note=NOTE_USD).to(lang)
    yield _row(f"**{month}**", [f"**{each.bill.month:.2f}**" for each in columns])
    yield _row(hour, [f"{each.bill.hour:.3f}" for each in columns])
    yield _row(against, [f"{each.bill.month - NOTE_USD:+.2f}" for each in columns])


def _row(first: str, cells: list[str]) -> str:
    return f"| {first} | " + " | ".join(cells) + " |"
