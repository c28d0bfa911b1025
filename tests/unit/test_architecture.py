"""The diagrams of docs/architecture.md are those of the program."""

from __future__ import annotations

import pytest

from tests.controls.graph import Graph, Resource
from tests.documents import architecture
from tests.documents.markdown import ROOT, Page


@pytest.fixture(scope="module")
def drawn():
    return architecture.diagrams()


@pytest.mark.parametrize("name", ["architecture.md", "architecture.ja.md"])
def test_the_pages_diagrams_are_drawn_from_the_resources(drawn, name):
    page = Page(ROOT / "docs" / name)
    written = [block.text for block in page.blocks if block.language == "mermaid"]
    assert written == list(drawn.values()), "run `python -m tests.documents`"


def test_stage_2_only_adds_to_the_diagram(drawn):
    one, two = (set(drawn[f"poc, stage {number}"].splitlines()) for number in (1, 2))
    gone = {line.split("[")[0] for line in one - two}
    assert gone == {"alb"}, "only what the load balancer answers changes"


def test_an_arrow_is_a_rule_and_no_rule_no_arrow():
    def group(key):
        return architecture.Box(key, "[]", (f"sg-{key}",), ())

    rule = {"fromPort": 5432.0, "securityGroupId": "sg-b", "referencedSecurityGroupId": "sg-a"}
    graph = Graph((Resource(architecture.INGRESS, "rule", rule),))
    boxes = [group("a"), group("b")]
    assert list(architecture._allowed(graph, boxes)) == ['a -- "TCP 5432" --> b']
    assert list(architecture._allowed(Graph(()), boxes)) == []
