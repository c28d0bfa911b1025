"""The tables of docs/cost.md and docs/cost.ja.md: what each stack costs, and what `prod`'s settings add to `poc`."""

import math
import re
from collections.abc import Iterator
from functools import cache

from careapp.command_line import ECS
from careapp.cost.bill import GROUPS, Assumptions, Bill
from careapp.cost.prices import PriceBook
from careapp.cost.rules import bill
from careapp.cost.screen import Comparison, headline, left_over
from careapp.rehearsal.cost import compare, file_of, graphs, with_values
from ecs_gate.text import in_language
from tests.documents.markdown import ROOT

STACKS = ("poc", "prod")
PAGES = {
    "cost.md": ("en", "USD a month", "USD an hour"),
    "cost.ja.md": ("ja", "月額 USD", "時間あたり USD"),
}
"""Each page's language, and the words of the first table's last rows."""
SETTING = re.compile(r"`(\w+) ([^`]*)`")


def page(name: str) -> str:
    """Return a page: its text, with what was calculated in the two tables."""
    blocks = (ROOT / "docs" / name).read_text().split("\n\n")
    sums, more = [
        index for index, block in enumerate(blocks) if block.startswith("|") and "---:" in block
    ]
    language, *words = PAGES[name]
    with in_language(language):
        blocks[sums - 1] = str(headline(comparison()))
        blocks[sums] = "\n".join(_sums(comparison(), *words))
        blocks[sums + 1] = str(left_over(comparison()))
    head, line, *rows = blocks[more].split("\n")
    prices = added(tuple(map(settings, rows)))
    rows = [
        f"{row.rpartition(' | ')[0]} | {price:+.2f} |"
        for row, price in zip(rows, prices, strict=True)
    ]
    blocks[more] = "\n".join([head, line, *rows])
    return "\n\n".join(blocks)


@cache
def comparison() -> Comparison:
    return compare(STACKS, ROOT, {}, Assumptions())


def of_group(bill: Bill, group: str) -> float:
    """Return USD a month of one of GROUPS."""
    return math.fsum(item.usd for item in bill.items if item.use.group == group)


def _sums(found: Comparison, month: str, hour: str) -> Iterator[str]:
    """Yield the first table: a row for each group, a column for each stack and stage."""
    bills = [column.bill for column in found.columns]
    assert not any(each.unpriced for each in bills), "a sum would be too low"
    yield "| | " + " | ".join(column.title() for column in found.columns) + " |"
    yield "|---" + "|---:" * len(bills) + "|"
    for group, text in GROUPS.items():
        if any(of_group(each, group) for each in bills):
            yield _row(str(text), [f"{of_group(each, group):.2f}" for each in bills])
    yield _row(f"**{month}**", [f"**{each.month:.2f}**" for each in bills])
    yield _row(hour, [f"{each.hour:.3f}" for each in bills])


def _row(first: str, cells: list[str]) -> str:
    return f"| {first} | " + " | ".join(cells) + " |"


Settings = tuple[tuple[str, str], ...]


def settings(row: str) -> Settings:
    """Return key and value of each setting that a row of the second table names."""
    return tuple(SETTING.findall(row))


@cache
def added(rows: tuple[Settings, ...]) -> list[float]:
    """Return what the settings of each row add to `poc` in stage 2, in USD a month."""
    poc = file_of("poc", ROOT, {})

    files = [with_values(poc, {f"{poc.project}:{k}": v for k, v in row}) for row in ((), *rows)]
    found = graphs([with_values(file, {f"{poc.project}:{ECS}": "true"}) for file in files])
    base, *others = [bill(graph, PriceBook(graph.region), Assumptions()).month for graph in found]
    return [other - base for other in others]
