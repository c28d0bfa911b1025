"""The engine makes the resources that `./careapp cost` prices without it."""

import json

from local_cloud.paths import ROOT
from tools.cost.bill import Assumptions
from tools.cost.graph import Graph, Resource
from tools.cost.prices import PriceBook
from tools.cost.rules import bill
from tools.rehearsal.cost import STAGES_OF_ECS, file_of, graphs, with_values

BOOK = PriceBook("ap-northeast-1")


def billed(graph):
    """Each line of the bill with its quantity."""
    total = bill(graph, BOOK, Assumptions())
    assert total.unpriced == ()
    return {(each.resource.name, str(each.use.what)): each.use.quantity for each in total.items}


def made_by_engine(state):
    return Graph(
        tuple(
            Resource(
                type=each["type"],
                name=each["urn"].rpartition("::")[2],
                urn=each["urn"],
                inputs=each.get("inputs") or {},
                needs=tuple(each.get("dependencies") or ()),
            )
            for each in json.loads(state)["checkpoint"]["latest"]["resources"]
            if each.get("custom") and not each["type"].startswith("pulumi:")
        ),
        BOOK.region,
    )


def test_the_resources_that_are_priced_are_those_that_the_engine_makes(journey):
    poc = file_of("poc", ROOT, {})
    files = [with_values(poc, {"careapp:ecsEnabled": each}) for each in STAGES_OF_ECS.values()]
    for stage, declared in zip(("stage 1", "stage 2"), graphs(files), strict=True):
        made = made_by_engine(journey.seen[stage])
        kinds = [{(each.type, each.name) for each in graph} for graph in (declared, made)]
        assert kinds[0] ^ kinds[1] == set()
        assert billed(declared) == billed(made)
