"""Prints what stacks cost: a table of resources, what settings change, what a destroy leaves, and what is assumed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.cells import cell_len

from careapp.cost.bill import GROUPS, Assumptions, Bill, BillItem
from careapp.cost.prices import HOURS, PriceBook
from ecs_gate.screen import Line
from ecs_gate.text import Text, t

STAGES = {"stage1": t("stage 1"), "stage2": t("stage 2")}
LABEL, CELL = 44, 10
"""Least widths in characters."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """What a stack costs in one of STAGES, what stays billed after its destroy, and whether -c changed it."""

    stack: str
    stage: str
    changed: bool
    bill: Bill
    left: Bill

    def title(self) -> str:
        """Return the title for people."""
        changed = f", {t('changed')!s}" if self.changed else ""
        return f"{self.stack} {STAGES[self.stage]!s}{changed}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The columns, and what they are calculated with: price books by region, assumptions, the KEY=VALUE of -c."""

    columns: tuple[Column, ...]
    books: dict[str, PriceBook]
    assumed: Assumptions
    settings: tuple[str, ...] = ()

    def changes(self) -> Iterator[tuple[Column, Column]]:
        """Yield each column without and with the settings of -c."""
        before = {(each.stack, each.stage): each for each in self.columns if not each.changed}
        for column in self.columns:
            if column.changed:
                yield before[column.stack, column.stage], column


def lines(comparison: Comparison) -> Iterator[Line]:
    """Yield the lines of the output."""
    yield Line(headline(comparison), "bold")
    yield Line("")
    yield from _table(comparison)
    yield Line("")
    for before, after in comparison.changes():
        usd = after.bill.month - before.bill.month
        unsure = "?" if before.bill.unpriced or after.bill.unpriced else ""
        text = t(
            "{column}: {month} a month, {hour} an hour",
            column=before.title(),
            month=f"{usd:+.2f}{unsure}",
            hour=f"{usd / HOURS:+.4f}{unsure}",
        )
        style = "green" if usd < 0 else "yellow" if usd > 0 else ""
        yield Line(f"{', '.join(comparison.settings)}, {text!s}", style)
    yield Line(left_over(comparison))
    if unpriced := dict.fromkeys(text for each in comparison.columns for text in _unpriced(each)):
        yield Line(t("Not in the sums and not free; the cost is unknown:"), "red")
        yield from (Line(f"  {text}", "red") for text in unpriced)
    yield Line("")
    yield Line(t("Assumed for a month (each is an option, see --help):"), "bold")
    for name, value, text in comparison.assumed.described():
        yield Line(f"  --{name.replace('_', '-'):18}{value:>10,.10g}  {text!s}")
    yield from (Line(text, "dim") for text in _remarks(comparison))


def headline(comparison: Comparison) -> Text:
    """Return unit, regions and dates of the prices."""
    tables = ", ".join(f"{region} {book.date}" for region, book in comparison.books.items())
    return t("USD a month of {hours} hours; price table: {tables}", hours=HOURS, tables=tables)


def _table(comparison: Comparison) -> Iterator[Line]:
    columns = comparison.columns
    rows = [("", [column.stack for column in columns])]
    rows.append((str(t("resource")), [str(STAGES[column.stage]) for column in columns]))
    rows.append(("", [str(t("changed")) if column.changed else "" for column in columns]))
    for label, sums in _sums(comparison).items():
        rows.append((label, [f"{usd:.2f}" if usd else "-" for usd in sums]))
    rows.append((str(t("USD a month")), [_whole(column.bill, ".2f") for column in columns]))
    rows.append((str(t("USD an hour")), [_whole(column.bill, ".4f", HOURS) for column in columns]))
    first = max(LABEL, *(cell_len(label) for label, _ in rows))
    width = max(CELL, *(cell_len(cell) + 1 for _, cells in rows for cell in cells))
    for index, (label, cells) in enumerate(rows):
        text = label + " " * (first - cell_len(label))
        text += "".join(" " * (width - cell_len(cell)) + cell for cell in cells)
        if text.strip():
            yield Line(text, "bold" if index < 3 or index >= len(rows) - 2 else "")


def _sums(comparison: Comparison) -> dict[str, list[float]]:
    """Return the cost in each column of every line of the bills, in the order of GROUPS."""
    sums: dict[tuple[int, str], list[float]] = {}
    for index, column in enumerate(comparison.columns):
        for item in column.bill.items:
            key = list(GROUPS).index(item.use.group), _label(item)
            sums.setdefault(key, [0.0] * len(comparison.columns))[index] += item.usd
    return {label: sums[order, label] for order, label in sorted(sums, key=lambda key: key[0])}


def _label(item: BillItem) -> str:
    """Return type, role and what is billed of it, the same in every stack.

    ``infra`` names a resource project, stack and role; a URN contains the first two (Pulumi's documentation,
    "Resource names").
    """
    stack, project, *_ = item.resource.urn.removeprefix("urn:pulumi:").split("::")
    role = item.resource.name.removeprefix(f"{project}-{stack}").removeprefix("-")
    return f"{' '.join(filter(None, (item.resource.kind, role)))}: {item.use.what!s}"


def _whole(bill: Bill, form: str, parts: int = 1) -> str:
    """Return the sum of a bill, with "?" in its place or after it where parts have no price."""
    text = format(bill.month / parts, form)
    if not bill.unpriced:
        return text
    return f"{text}+?" if bill.items else "?"


def left_over(comparison: Comparison) -> Text:
    """Return what stays billed after a destroy of each stack, with the settings of -c where there are some."""
    kept = {
        column.stack: _whole(column.left, ".2f")
        for column in comparison.columns
        if column.left.items
    }
    if not kept:
        return t("Nothing stays billed after a destroy.")
    return t(
        "Billed after a destroy, for the snapshot and, until they expire, the backups: {stacks} a month.",
        stacks=", ".join(f"{stack} {usd}" for stack, usd in kept.items()),
    )


def _unpriced(column: Column) -> list[str]:
    unpriced = (*column.bill.unpriced, *column.left.unpriced)
    return [f"{resource.type} {resource.name}: {why!s}" for resource, why in unpriced]


def _remarks(comparison: Comparison) -> Iterator[Text]:
    """Yield what the sums leave out, and which prices are less sure."""
    yield t(
        "Not counted: tax, free allowances, support, traffic between zones, requests to S3 and "
        "Secrets Manager, CPU credits, Container Insights' own log, backups beyond the database's size."
    )
    bills = [bill for column in comparison.columns for bill in (column.bill, column.left)]
    items = [item for bill in bills for item in bill.items]
    if keys := sorted({item.price.key for item in items if not item.price.checked}):
        yield t(
            "From AWS's public pages, not checked against the Price List API: {keys}.",
            keys=", ".join(keys),
        )
    live = any(book.session for book in comparison.books.values())
    if keys := sorted({item.price.key for item in items if live and not item.price.live}):
        yield t(
            "Not found in the Price List API; the table's price is used: {keys}.",
            keys=", ".join(keys),
        )


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison for scripts. Sums are in USD, not rounded."""
    return {
        "assumptions": asdict(comparison.assumed),
        "settings": comparison.settings,
        "changes": {
            before.title(): after.bill.month - before.bill.month
            for before, after in comparison.changes()
        },
        "columns": [
            {
                "stack": column.stack,
                "stage": column.stage,
                "changed": column.changed,
                "month": column.bill.month,
                "hour": column.bill.hour,
                "afterDestroy": column.left.month,
                "items": [*map(_item, column.bill.items)],
                "unpriced": _unpriced(column),
            }
            for column in comparison.columns
        ],
    }


def _item(item: BillItem) -> dict[str, Any]:
    resource, use = item.resource, {**vars(item.use), "what": str(item.use.what)}
    price = vars(item.price)
    return {"type": resource.type, "name": resource.name, "month": item.usd, **use, "price": price}
