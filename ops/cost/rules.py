"""Prices each type of resource by a rule that returns what it uses."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import t
from ops.cost import compute, monitoring, network, storage
from ops.cost.bill import Assumptions, Bill, Case, Item, Rule, UnknownUsage, Unpriced, Use
from ops.cost.free import FREE
from ops.cost.graph import Graph, Resource, UnknownInput
from ops.cost.prices import NoPrice, PriceBook

RULES: dict[str, Rule] = {
    **network.RULES,
    **network.BALANCING,
    **compute.RULES,
    **storage.RULES,
    **monitoring.RULES,
}


def bill(graph: Graph, book: PriceBook, assumed: Assumptions) -> Bill:
    """Price every resource of a graph. A type without a rule is unpriced unless it is in FREE."""
    case, free = Case(graph, assumed), [each for each in graph if each.short in FREE]
    rest = [each for each in graph if each.short not in FREE]
    outcomes = [
        found for each in rest for found in _priced(each, RULES.get(each.short), case, book)
    ]
    return Bill(
        items=tuple(each for each in outcomes if isinstance(each, Item)),
        unpriced=tuple(each for each in outcomes if isinstance(each, Unpriced)),
        free=tuple(free),
        needed=frozenset(
            use.price for each in rest for use in _uses(each, RULES.get(each.short), case)
        ),
    )


def _priced(
    resource: Resource, rule: Rule | None, case: Case, book: PriceBook
) -> Iterator[Item | Unpriced]:
    if rule is None:
        why = t("no price is known for the type {type}", type=resource.type)
        yield Unpriced(resource=resource, why=why)
        return
    try:
        for use in rule(resource, case):
            yield _item(resource, use, book)
    except UnknownInput as unknown:
        why = t("its {input} is known only after an update", input=str(unknown))
        yield Unpriced(resource=resource, why=why)
    except UnknownUsage as problem:
        yield Unpriced(resource=resource, why=problem.text)


def _item(resource: Resource, use: Use, book: PriceBook) -> Item | Unpriced:
    try:
        price = book.price(use.price)
    except NoPrice as missing:
        why = t("the price table has no {key}; --live asks AWS", key=str(missing))
        return Unpriced(resource=resource, why=why)
    return Item(
        resource=resource, what=use.what, group=use.group, quantity=use.quantity, price=price
    )


def _uses(resource: Resource, rule: Rule | None, case: Case) -> Iterator[Use]:
    if rule is not None:
        try:
            yield from rule(resource, case)
        except (UnknownInput, UnknownUsage):
            return
