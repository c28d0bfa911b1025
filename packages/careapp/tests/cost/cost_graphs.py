"""Small resource graphs for the tests of what things cost."""

from careapp.cost.bill import Assumptions
from careapp.cost.graph import Graph, Resource
from careapp.cost.prices import PriceBook
from careapp.cost.rules import FREE, RULES, bill

MODULES = {kind: module for module, _, kind in (name.partition(":") for name in (*FREE, *RULES))}
SMALL = {"cpu": "256", "memory": "512"}
MICRO = {"engine": "postgres", "instanceClass": "db.t4g.micro", "storageType": "gp3"}
BOOK = PriceBook("ap-northeast-1")


def made(kind, role="x", needs=(), **inputs):
    """One resource, by the last word of its type."""
    type_ = f"aws:{MODULES.get(kind, 'ec2')}/{kind[0].lower()}{kind[1:]}:{kind}"
    if kind == "Database":
        type_ = "aws:rds/instance:Instance"
    name = f"careapp-poc-{role}"
    urn = f"urn:pulumi:poc::careapp::{type_}::{name}"
    return Resource(
        type=type_, name=name, urn=urn, inputs=inputs, needs=tuple(need.urn for need in needs)
    )


def graph(*resources, region="ap-northeast-1"):
    return Graph(resources, region)


def priced(*resources, **assumed):
    return bill(graph(*resources), BOOK, Assumptions(**assumed))


def sums(*resources, **assumed):
    found = priced(*resources, **assumed)
    assert found.unpriced == ()
    return "; ".join(f"{item.use.what!s} {item.usd:.2f}" for item in found.items)
