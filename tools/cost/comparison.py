"""Compares the bills of stacks and stages, including what `pulumi destroy` leaves behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tools.cost.bill import Assumptions, Bill, Case, Item, Rule, UnknownUsage, Unpriced, Use
from tools.cost.graph import Graph, Resource, UnknownInput
from tools.cost.prices import NoPrice, PriceBook
from tools.cost.rules import bill
from tools.i18n import Text, t

MONTH = 30
"""Days."""


def after_destroy(graph: Graph, book: PriceBook, assumed: Assumptions) -> Bill:
    """Return the bill after a destroy. Protected resources count as destroyed: until protection is lifted,
    `pulumi destroy` deletes nothing.
    """
    stays = tuple(each for each in graph if _stays(each))
    kept = bill(Graph(stays, graph.region), book, assumed)
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
        except (UnknownInput, NoPrice, UnknownUsage) as problem:
            why = t("what stays of it is not known: {why}", why=str(problem))
            unpriced.append(Unpriced(resource=resource, why=why))
    return replace(
        kept, items=tuple(found), unpriced=tuple(unpriced), needed=frozenset(needed), free=()
    )


def _stays(resource: Resource) -> bool:
    """Return whether Pulumi retains a resource, or the provider does (``skip_destroy`` of a log group)."""
    skipped = resource.short == "cloudwatch:LogGroup" and resource.get("skipDestroy", False)
    return resource.retained or bool(skipped)


def _database(resource: Resource, _: Case) -> Iterator[Use]:
    """Yield the final snapshot, and automated backups until they expire.

    Free backup storage ends with the instance (rds/postgresql/pricing). A snapshot is billed by its data; the
    allocated storage is the upper bound.
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

FORMER_USD = 150
"""USD a month of the shared VPC stack that the team had before, by its hand-over note of 2025-10-04."""

STAGES = {"stage1": t("stage 1"), "stage2": t("stage 2")}

DESTROYED, DEPLOYED = "destroyed", "deployed"

WORDS = {
    **STAGES,
    DESTROYED: t("destroyed"),
    DEPLOYED: t("deployed"),
}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A graph to price."""

    stack: str
    state: str
    """A key of WORDS."""
    graph: Graph
    changed: bool = False
    """Whether the settings asked for with -c are in it."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A subject with its bill."""

    stack: str
    state: str
    changed: bool
    region: str
    bill: Bill
    protected: bool
    """Whether a destroy is refused until protection is lifted."""

    @property
    def key(self) -> str:
        """Return the key for scripts: ``poc stage2``."""
        return f"{self.stack} {self.state}" + (" changed" if self.changed else "")

    def title(self) -> Text:
        """Return the title for people."""
        word = WORDS[self.state]
        if self.changed:
            return t("{stack} {state}, changed", stack=self.stack, state=word)
        return t("{stack} {state}", stack=self.stack, state=word)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The columns, and the prices and assumptions that they use."""

    columns: tuple[Column, ...]
    books: Mapping[str, PriceBook]
    """By region."""
    assumed: Assumptions
    settings: tuple[str, ...] = ()
    """The KEY=VALUE of -c."""
    not_live: tuple[str, ...] = ()
    """Prices that --live could not find at AWS; the table's price stands for them, if it has one."""

    def changes(self) -> Iterator[tuple[Column, Column]]:
        """Yield each column with its counterpart with the settings of -c."""
        for column in self.columns:
            for other in self.columns:
                if (other.stack, other.state) == (column.stack, column.state) and (
                    other.changed and not column.changed
                ):
                    yield column, other

    def needed(self, region: str) -> frozenset[str]:
        """Return the keys of all prices that the bills of a region ask for."""
        found = (each.bill.needed for each in self.columns if each.region == region)
        return frozenset().union(*found)

    def price(self, region: str, key: str) -> str:
        """Return the name of a price: its key, with the region if there are several."""
        return key if len(self.books) == 1 else f"{key} ({region})"


def compare(
    subjects: Sequence[Subject],
    books: Mapping[str, PriceBook],
    assumed: Assumptions,
    settings: Sequence[str] = (),
) -> Comparison:
    """Price every subject by its region's book, and what a destroy of each stack leaves."""
    columns = [
        _column(each, bill(each.graph, books[each.graph.region], assumed)) for each in subjects
    ]
    last = {(each.stack, each.changed): each for each in subjects}
    columns += [
        _column(each, after_destroy(each.graph, books[each.graph.region], assumed), DESTROYED)
        for each in last.values()
    ]
    return Comparison(
        columns=tuple(columns), books=books, assumed=assumed, settings=tuple(settings)
    )


def books_of(subjects: Iterable[Subject]) -> dict[str, PriceBook]:
    """Return the price table of each region that a subject is in."""
    regions = sorted({each.graph.region for each in subjects})
    return {region: PriceBook.load(region) for region in regions}


def _column(subject: Subject, found: Bill, state: str = "") -> Column:
    return Column(
        stack=subject.stack,
        state=state or subject.state,
        changed=subject.changed,
        region=subject.graph.region,
        bill=found,
        protected=any(each.protect for each in subject.graph),
    )


def row_of(item: Item) -> tuple[str, str]:
    """Return type and role of an item, which are the same in every column.

    ``infra`` names a resource project, stack and role; a URN contains the first two (Pulumi's documentation,
    "Resource names").
    """
    resource = item.resource
    stack, _, rest = resource.urn.removeprefix("urn:pulumi:").partition("::")
    prefix = f"{rest.partition('::')[0]}-{stack}"
    if resource.name == prefix:
        return resource.kind, ""
    return resource.kind, resource.name.removeprefix(f"{prefix}-")
