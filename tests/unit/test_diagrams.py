"""The diagrams of docs/architecture.md name what the program declares."""

from __future__ import annotations

import json
import re

import pytest

from tests.documents.markdown import ROOT, Page
from tests.support.declared import resources_of

NAMES = ("alb", "tg", "service")
STAGE_2 = {"poc": 1, "prod": 2}
"""The stacks, and the place of their diagram of stage 2."""


def drawn(language):
    page = Page(ROOT / "docs" / f"architecture{language}.md")
    return [block.text for block in page.blocks if block.language == "mermaid"]


def test_both_languages_have_the_same_diagrams():
    assert drawn("") == drawn(".ja")
    assert len(drawn("")) == 3


@pytest.mark.parametrize("stack", STAGE_2)
def test_every_name_of_a_diagram_is_one_of_the_program(stack):
    diagram = drawn("")[STAGE_2[stack]]
    named = set(re.findall(rf"careapp-{stack}[\w-]*|careapp/[\w-]+|/ecs/[\w-]+", diagram))
    declared = json.dumps([one.props for one in resources_of(stack)])
    assert {f"careapp-{stack}-{part}" for part in NAMES} | {f"/ecs/careapp-{stack}"} <= named
    assert {name for name in named if f'"{name}"' not in declared.replace("\\", "")} == set()
