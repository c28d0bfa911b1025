"""What `./careapp cost` reads of a backend, and that the engine makes the resources that it prices without one."""

from __future__ import annotations

import json
import os

import pytest

from stack.file import StackError
from tools.cost.bill import Assumptions
from tools.cost.graph import read_state
from tools.cost.prices import PriceBook
from tools.cost.rules import bill
from tools.local_cloud.engine.find import find_or_get
from tools.local_cloud.engine.pulumi import Pulumi
from tools.local_cloud.paths import ROOT
from tools.rehearsal.cost import deployed_subjects, subjects
from tools.tests.cost.cost_graphs import exported, made

BOOK = PriceBook.load("ap-northeast-1")


def billed(graph):
    """Each line of the bill with its quantity."""
    total = bill(graph, BOOK, Assumptions())
    assert total.unpriced == ()
    return {
        (item.resource.kind, item.resource.name, str(item.what), item.price.key): item.quantity
        for item in total.items
    }


def test_the_resources_that_are_priced_are_those_that_the_engine_makes(journey):
    for declared in subjects(["poc"], ROOT, {}):
        state = json.loads(journey.states[declared.state.replace("stage", "stage ")])
        made = read_state(json.dumps({"deployment": state["checkpoint"]["latest"]}))
        kinds = [{(each.type, each.name) for each in graph} for graph in (declared.graph, made)]
        assert kinds[0] ^ kinds[1] == set()
        assert billed(declared.graph) == billed(made)


@pytest.fixture
def backend(tmp_path, monkeypatch):
    """A project folder whose engine has a backend of its own, without a stack."""
    for name in ("Pulumi.yaml", "Pulumi.poc.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", (tmp_path / "state").as_uri())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "a test's")
    monkeypatch.setenv("PATH", f"{find_or_get().parent}{os.pathsep}{os.environ['PATH']}")
    return Pulumi(tmp_path, os.environ, quiet=True)


def test_what_is_deployed_is_what_the_stack_s_state_holds(backend):
    backend.run("stack", "init", "poc")
    (backend.folder / "held.json").write_text(json.dumps(exported(made("Eip", "1"))))
    backend.run("stack", "import", "--stack", "poc", "--file", "held.json")
    (subject,) = deployed_subjects(["poc"], backend.folder)
    assert [(each.short, each.name) for each in subject.graph] == [("ec2:Eip", "careapp-poc-1")]
    assert bill(subject.graph, BOOK, Assumptions()).month == pytest.approx(3.65)


def test_a_stack_that_the_backend_does_not_know_is_told_with_the_way_out(backend):
    with pytest.raises(StackError) as refused:
        deployed_subjects(["poc"], backend.folder)
    assert str(refused.value) == (
        "The state of stack poc cannot be read: no stack named 'poc' found. "
        "`pulumi login` leads to the backend, and --stack names a stack of it."
    )
