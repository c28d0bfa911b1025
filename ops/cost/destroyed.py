"""What is still billed after ``pulumi destroy``: what a stack's own settings tell AWS to keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from i18n import t
from ops.cost.assumptions import Assumptions
from ops.cost.bill import Bill, CannotSay, Case, Item, Rule, Unpriced, Use
from ops.cost.graph import Graph, Resource, Undecided
from ops.cost.prices import NoPrice, PriceBook
from ops.cost.rules import bill

MONTH = 30
"""Days."""


def after_destroy(graph: Graph, book: PriceBook, assumed: Assumptions) -> Bill:
    """The bill of what stays. Protection is taken as lifted: until it is, nothing goes at all."""
    kept = bill(Graph(tuple(each for each in graph if _stays(each))), book, assumed)
    case, found = Case(graph, assumed), list(kept.items)
    unpriced, needed = list(kept.unpriced), set(kept.needed)
    for resource in graph:
        rule = LEFT.get(resource.short)
        if rule is None or resource.retained:
            continue
        try:
            for use in rule(resource, case):
                needed.add(use.price)
                price = book.price(use.price)
                found.append(
                    Item(
                        resource=resource,
                        what=use.what,
                        group=use.group,
                        quantity=use.quantity,
                        price=price,
                    )
                )
        except (Undecided, NoPrice, CannotSay) as problem:
            why = t("what stays of it is not known: {why}", why=str(problem))
            unpriced.append(Unpriced(resource=resource, why=why))
    return replace(
        kept, items=tuple(found), unpriced=tuple(unpriced), needed=frozenset(needed), free=()
    )


def _stays(resource: Resource) -> bool:
    """Retained by Pulumi, or by the provider (``skip_destroy`` of a log group)."""
    skipped = resource.short == "cloudwatch:LogGroup" and resource.get("skipDestroy", False)
    return resource.retained or bool(skipped)


def _database(resource: Resource, _: Case) -> Iterator[Use]:
    """The final snapshot, and automated backups until they expire.

    Free backup storage goes with the instance (rds/postgresql/pricing). A snapshot is billed by what
    it holds; the whole disk is the most that this can be.
    """
    size = float(resource.get("allocatedStorage"))
    if not resource.get("skipFinalSnapshot", False):
        yield Use(
            what=t("final snapshot, GB"), group="database", quantity=size, price="rds-backup-gb"
        )
    days = int(resource.get("backupRetentionPeriod", 0))
    if not resource.get("deleteAutomatedBackups", True) and days:
        yield Use(
            what=t("backups until they expire, GB"),
            group="database",
            quantity=size * min(days, MONTH) / MONTH,
            price="rds-backup-gb",
        )


LEFT: dict[str, Rule] = {"rds:Instance": _database}
