"""Prints a cost comparison: bars, a table of resources, assumptions and prices."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from tools.cost.bill import GROUPS, Bill
from tools.cost.comparison import DESTROYED, FORMER_USD, WORDS, Column, Comparison, row_of
from tools.cost.prices import HOURS
from tools.cost.resources import BESIDE_NAT
from tools.cost.restores import DRILL_MINUTES, drills
from tools.cost.rules import FREE
from tools.i18n import Text, t
from tools.screen import Line

FILLS = "█▓▒░▚▞▤·"
"""What a bar is filled with, a character for each of GROUPS."""

BAR, TITLE, LABEL, CELL = 32, 28, 44, 10
"""Widths in characters; those of the table, LABEL and CELL, are the least."""

UNKNOWN_USD = "?"
"""What stands for a sum of which no part has a price."""

WORKING = t("listing the resources")


def lines(found: Comparison) -> Iterator[Line]:
    """Yield the lines of the output."""
    yield Line(str(headline(found)), "bold")
    yield Line("")
    yield from _bars(found)
    yield from _changes(found)
    yield Line("")
    yield from _table(found)
    yield from _unpriced(found)
    yield from _basis(found)


def headline(found: Comparison) -> Text:
    """Return unit, regions and dates of the prices."""
    return t(
        "USD a month of {hours} hours in {region}; price table of {date}",
        hours=HOURS,
        region=", ".join(found.books),
        date=_dates(found),
    )


def _dates(found: Comparison) -> str:
    """Return the date of each region's price table, "?" for a region without one."""
    return ", ".join(book.date or UNKNOWN_USD for book in found.books.values())


def padded(text: str, width: int, right: bool = False) -> str:
    """Return the text padded to a width in terminal columns; never cut."""
    gap = " " * (width - wide(text))
    return gap + text if right else text + gap


def wide(text: str) -> int:
    """Return the width in terminal columns: a Japanese character takes two."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _bars(found: Comparison) -> Iterator[Line]:
    """Yield a bar for every column, and one for the stack that the team had before."""
    longest = max([FORMER_USD, *(each.bill.month for each in found.columns)])
    for column in found.columns:
        total = column.bill
        month, hour = (_whole(total, text) for text in (f"{total.month:.2f}", f"{total.hour:.4f}"))
        sums = f"{month:>9} {hour:>8}/h  "
        title = padded(str(column.title()), TITLE)
        yield Line(f"{title}{sums}{_bar(column, longest)}", "bold" if total.month else "dim")
    former = padded(str(t("the former shared VPC stack")), TITLE)
    length = round(BAR * FORMER_USD / longest)
    yield Line(f"{former}{FORMER_USD:9.2f} {FORMER_USD / HOURS:8.4f}/h  {'─' * length}", "dim")
    yield Line("")
    legend = [f"{fill} {text!s}" for fill, text in zip(FILLS, GROUPS.values(), strict=True)]
    half = len(legend) // 2
    yield Line("  ".join(legend[:half]), "dim")
    yield Line("  ".join(legend[half:]), "dim")


def _bar(column: Column, longest: float) -> str:
    drawn, reached = "", 0.0
    for fill, group in zip(FILLS, GROUPS, strict=True):
        reached += column.bill.of_group(group)
        drawn += fill * (round(BAR * reached / longest) - len(drawn))
    return drawn


def _changes(found: Comparison) -> Iterator[Line]:
    pairs = list(found.changes())
    if not pairs:
        return
    yield Line("")
    yield Line(str(t("With {settings}:", settings=", ".join(found.settings))), "bold")
    for before, after in pairs:
        difference = after.bill.month - before.bill.month
        style = "green" if difference < 0 else "yellow" if difference > 0 else ""
        yield Line(
            f"  {padded(str(before.title()), TITLE - 2)}{difference:+9.2f} "
            f"{difference / HOURS:+8.4f}/h",
            style,
        )


def rows(found: Comparison) -> dict[tuple[str, str, Text], list[float]]:
    """Return the cost in each column of every line of the bills, in the order of GROUPS."""
    table: dict[tuple[str, tuple[str, str, Text]], list[float]] = {}
    for index, column in enumerate(found.columns):
        for item in column.bill.items:
            key = (item.group, (*row_of(item), item.what))
            table.setdefault(key, [0.0] * len(found.columns))[index] += item.usd
    order = list(GROUPS)
    return {
        row: table[group, row]
        for group, row in sorted(table, key=lambda each: order.index(each[0]))
    }


def _table(found: Comparison) -> Iterator[Line]:
    heads = [(str(t("resource")), [each.stack for each in found.columns])]
    heads.append(("", [str(WORDS[each.state]) for each in found.columns]))
    if found.settings:
        word = str(t("changed"))
        heads.append(("", [word if each.changed else "" for each in found.columns]))
    labelled = {_label(row): sums for row, sums in rows(found).items()}
    label = max([LABEL, *map(wide, labelled)])
    cell = max([CELL, *(wide(each) + 1 for _, cells in heads for each in cells)])

    def row(first: str, cells: Sequence[str]) -> str:
        return padded(first, label) + "".join(padded(each, cell, right=True) for each in cells)

    yield from (Line(row(*each), "bold") for each in heads)
    yield from (Line(row(first, [*map(_sum, sums)])) for first, sums in labelled.items())
    totals = [_whole(column.bill, _sum(column.bill.month)) for column in found.columns]
    yield Line(row(str(t("in all")), totals), "bold")


def _label(row: tuple[str, str, Text]) -> str:
    """Return the words for a row: type, role, and what is billed of it."""
    kind, role, what = row
    return f"{' '.join(filter(None, (kind, role)))}: {what!s}"


def _sum(usd: float) -> str:
    return f"{usd:.2f}" if usd else "-"


def _whole(found: Bill, text: str) -> str:
    """Return the sum of a bill, with "?" in its place or after it where parts have no price."""
    if not found.unpriced:
        return text
    return f"{text}+{UNKNOWN_USD}" if found.items else UNKNOWN_USD


def _unpriced(found: Comparison) -> Iterator[Line]:
    """Yield each unpriced resource once, with the columns that lack it."""
    seen: dict[str, list[str]] = {}
    for column in found.columns:
        for each in column.bill.unpriced:
            text = f"{each.resource.type} {each.resource.name}: {each.why!s}"
            seen.setdefault(text, []).append(str(column.title()))
    if seen:
        yield Line("")
        yield Line(str(t("Not in the sums and not free; the cost is unknown:")), "red")
    for text, columns in seen.items():
        yield Line(f"  {text} ({', '.join(columns)})", "red")


def _basis(found: Comparison) -> Iterator[Line]:
    yield Line("")
    yield Line(str(t("Assumed for a month (each is an option, see --help):")), "bold")
    for name, value, text in found.assumed.described():
        shown = f"{value:,.10g}" if value >= 0 else f"{found.assumed.average_lcu:.3g}"
        yield Line(f"  --{name.replace('_', '-'):18}{shown:>10}  {text!s}")
    for text in remarks(found):
        yield Line(str(text), "dim")


def remarks(found: Comparison) -> Iterator[Text]:
    """Yield what the sums leave out."""
    if costs := drills(found):
        yield t(
            "Once: a drill of a restore (./careapp db drill) of {minutes} minutes costs {costs}.",
            minutes=DRILL_MINUTES,
            costs=", ".join(f"{stack} ${usd:.3f}" for stack, usd in costs.items()),
        )
    if saved := _beside_nat(found):
        yield t(
            "The gateway endpoint for S3 is free. Each GB of files and image layers that passes it saves the NAT "
            "gateway's price: {prices}.",
            prices=", ".join(f"{region} ${usd:.3f}" for region, usd in saved.items()),
        )
    yield t(
        "Not counted: tax, free allowances, support, traffic between zones, requests to S3 and "
        "Secrets Manager, CPU credits, Container Insights' own log, backups beyond the database's size."
    )
    unchecked = sorted(
        found.price(region, key)
        for region, key in _known(found)
        if not found.books[region].price(key).checked
    )
    if unchecked:
        yield t(
            "From AWS's public pages, not checked against the Price List API: {keys}.",
            keys=", ".join(unchecked),
        )
    if found.not_live:
        yield t(
            "Not found in the Price List API; the table's price is used: {keys}.",
            keys=", ".join(found.not_live),
        )
    elif any(each.bill.unpriced for each in found.columns):
        yield t(
            "{sign}: the table of the region has no price. --live asks AWS's Price List API for the prices of "
            "every region; it is free and needs credentials.",
            sign=UNKNOWN_USD,
        )
    if any(each.protected for each in found.columns if each.state == DESTROYED):
        yield t("A protected stack is destroyed only after `pulumi config set protect false`.")
    yield t(
        "The former shared VPC stack: ${sum} a month by the team's hand-over note of 2025-10-04, "
        "without a breakdown.",
        sum=FORMER_USD,
    )


def _beside_nat(found: Comparison) -> dict[str, float]:
    """Return the USD of a GB through NAT, by region, where a stack has a NAT gateway and S3's gateway endpoint."""
    return {
        each.region: item.price.usd
        for each in found.columns
        for item in each.bill.items
        if item.what is BESIDE_NAT
        and any(one.resource.short == "ec2:NatGateway" for one in each.bill.items)
    }


def _known(found: Comparison) -> set[tuple[str, str]]:
    """Return region and key of each price that a bill uses."""
    columns = found.columns
    return {(each.region, item.price.key) for each in columns for item in each.bill.items}


def as_dict(found: Comparison) -> dict[str, Any]:
    """Return the comparison for scripts. Sums are in USD, not rounded."""
    return {
        "priceTables": {region: book.date or None for region, book in found.books.items()},
        "hoursOfMonth": HOURS,
        "settings": list(found.settings),
        "assumptions": {name: value for name, value, _ in found.assumed.described()},
        "averageLcu": found.assumed.average_lcu,
        "formerStack": {"month": FORMER_USD},
        "columns": [_column(each) for each in found.columns],
        "changes": [
            {
                "stack": before.stack,
                "state": before.state,
                "month": after.bill.month - before.bill.month,
                "hour": after.bill.hour - before.bill.hour,
            }
            for before, after in found.changes()
        ],
        "prices": [
            {"region": region, **vars(found.books[region].price(key))}
            for region, key in sorted(_known(found))
        ],
        "notFoundLive": list(found.not_live),
        "drills": drills(found),
    }


def _column(column: Column) -> dict[str, Any]:
    found = column.bill
    return {
        "key": column.key,
        "stack": column.stack,
        "region": column.region,
        "state": column.state,
        "changed": column.changed,
        "protected": column.protected,
        "month": found.month,
        "hour": found.hour,
        "complete": not found.unpriced,
        "groups": {group: found.of_group(group) for group in GROUPS},
        "items": _items(found),
        "unpriced": [
            {"type": each.resource.type, "name": each.resource.name, "why": str(each.why)}
            for each in found.unpriced
        ],
        "free": [
            {"type": each.type, "name": each.name, "why": str(FREE[each.short])}
            for each in found.free
        ],
    }


def _items(found: Bill) -> list[dict[str, Any]]:
    return [
        {
            "type": item.resource.type,
            "name": item.resource.name,
            "what": str(item.what),
            "group": item.group,
            "quantity": item.quantity,
            "price": item.price.key,
            "month": item.usd,
        }
        for item in found.items
    ]
