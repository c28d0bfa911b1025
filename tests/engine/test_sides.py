"""The comparison of poc and prod in docs/cost.md: every setting that differs, and what each would cost poc."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from stack.settings import Settings
from tests.documents.markdown import Page
from tools.cost.bill import Assumptions
from tools.cost.graph import config_of
from tools.cost.prices import PriceBook
from tools.cost.rules import bill
from tools.local_cloud.paths import ROOT
from tools.rehearsal.cost import AT_ONCE, ECS, previews

SETTING = re.compile(r"`(\w+) ([^`]*)`")
STAGE_2 = {f"careapp:{ECS}": "true"}


def settings_of(stack):
    """Every key with its value in a stack: the file's, else the default."""
    return Settings.read(stack, ROOT).texts


def rows():
    """What the page says: the settings of each row, and the price at its end."""
    [table] = [each for each in Page(ROOT / "docs" / "cost.md").tables if "on `poc`" in each[0][-1]]
    return [(dict(SETTING.findall(row[1])), row[-1]) for row in table[1:]]


@pytest.fixture(scope="module")
def dearer():
    """What each row's settings would add to poc's bill."""
    book = PriceBook.load("ap-northeast-1")

    def month(changes):
        ours = {f"careapp:{key}": value for key, value in changes.items()}
        graph = engine.graph("poc", {**config_of("poc", ROOT, {}), **STAGE_2, **ours})
        return bill(graph, book, Assumptions()).month

    changes = [{}, *(settings for settings, _ in rows())]
    with previews() as engine, ThreadPoolExecutor(AT_ONCE) as pool:
        base, *others = pool.map(month, changes)
    return [f"+{other - base:.2f}" for other in others]


def test_the_rows_are_the_settings_by_which_the_stacks_differ():
    poc, prod = settings_of("poc"), settings_of("prod")
    said = {key: value for settings, _ in rows() for key, value in settings.items()}
    assert said == {key: value for key, value in prod.items() if poc[key] != value}


def test_each_row_costs_what_the_command_reckons(dearer):
    assert [price for _, price in rows()] == dearer
