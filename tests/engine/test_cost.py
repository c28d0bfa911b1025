"""What the stacks cost by the real engine's graphs: known to the last resource, and as docs/cost.md says."""

from __future__ import annotations

import json
import os
import tempfile
from multiprocessing.util import get_temp_dir
from pathlib import Path

import pytest

from stack.file import StackError
from stack.settings import Settings
from tools.cost.bill import Assumptions
from tools.cost.comparison import books_of, compare
from tools.cost.graph import config_of
from tools.cost.prices import PriceBook
from tools.cost.rules import bill
from tools.cost.screen import markdown
from tools.i18n import in_language
from tools.local_cloud.engine.find import find_or_get
from tools.local_cloud.engine.pulumi import Pulumi
from tools.local_cloud.paths import ROOT
from tools.rehearsal.cost import deployed_subjects, preview_subjects, previews, subjects
from tools.tests.cost.cost_graphs import exported, made

STACKS = sorted(file.name.split(".")[1] for file in ROOT.glob("Pulumi.*.yaml"))
BOOK = PriceBook.load("ap-northeast-1")
BOOKS = {BOOK.region: BOOK}


@pytest.fixture(scope="module")
def before():
    """What a preview must leave as it was: stack files and environment."""
    return _kept()


def _kept() -> tuple[dict[str, str], dict[str, bytes], list[Path]]:
    files = {file.name: file.read_bytes() for file in ROOT.glob("Pulumi.*yaml")}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return environment, files, sorted(ROOT.glob(".rehearsal/*"))


@pytest.fixture(scope="module")
def found(before, tmp_path_factory):
    """Every stack in both stages, and no temporary file left of it."""
    folder = tmp_path_factory.mktemp("temporary")
    get_temp_dir()  # multiprocessing's own, which lives as long as this process
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        graphs = subjects(STACKS, ROOT, {})
    assert list(folder.iterdir()) == []
    return graphs


def test_every_stack_is_previewed_in_both_stages(found):
    assert [(each.stack, each.state) for each in found] == [
        (stack, stage) for stack in STACKS for stage in ("stage1", "stage2")
    ]
    assert "poc" in STACKS


def test_every_resource_of_every_stack_has_a_price_or_is_known_to_be_free(found):
    for subject in found:
        total = bill(subject.graph, BOOK, Assumptions())
        assert total.unpriced == (), f"{subject.stack} {subject.state}"
        priced = {item.resource.urn for item in total.items}
        free = {resource.urn for resource in total.free}
        silent = {each.short for each in subject.graph} - {
            each.short for each in subject.graph if each.urn in priced | free
        }
        assert silent <= {"ecs:Cluster", "acm:Certificate", "budgets:Budget"}


def test_stage_2_costs_what_stage_1_does_and_its_tasks(found):
    one, two = (bill(each.graph, BOOK, Assumptions()) for each in found if each.stack == "poc")
    assert one.of_group("tasks") == 0
    assert two.of_group("tasks") == pytest.approx(730 * (0.25 * 0.05056 + 0.5 * 0.00553))
    assert two.month - one.month > two.of_group("tasks")


def test_the_graph_is_that_of_the_program(found):
    kinds = [each.short for each in found[0].graph if found[0].stack == "poc"]
    assert kinds.count("ec2:NatGateway") == 1
    assert {"rds:Instance", "lb:LoadBalancer", "ecr:Repository", "index:Image"} <= set(kinds)


@pytest.mark.parametrize(("name", "lang"), [("cost.md", "en"), ("cost.ja.md", "ja")])
def test_the_page_says_what_the_command_says(found, name, lang):
    text = (ROOT / "docs" / name).read_text()
    with in_language(lang):
        table = "\n".join(markdown(compare(found, BOOKS, Assumptions())))
    assert table in text, f"./careapp cost --markdown --lang {lang} makes the table:\n{table}"


def test_the_readme_s_round_sums_are_those(found):
    sums = {each.stack + each.state: bill(each.graph, BOOK, Assumptions()).month for each in found}
    poc = f"`poc` costs about USD {sums['pocstage2']:.0f} a month with stage 2 and {sums['pocstage1']:.0f}"
    for words in (poc, f"`prod` about USD {sums['prodstage2']:.0f}:"):
        assert words in (ROOT / "README.md").read_text()


def test_a_preview_is_stage_2_in_its_cheapest_form(found):
    (preview,) = preview_subjects(ROOT)
    total = bill(preview.graph, BOOK, Assumptions())
    assert total.unpriced == ()
    (poc,) = (each for each in found if (each.stack, each.state) == ("poc", "stage2"))
    assert total.month < 0.6 * bill(poc.graph, BOOK, Assumptions()).month
    kinds = {each.short for each in preview.graph}
    assert "ecs:Service" in kinds
    hours = Settings.read("poc", ROOT).preview_hours
    for page, said in (
        ("delivery.md", "USD {:.3f} an hour, {:.2f} for {} hours"),
        ("delivery.ja.md", "1 時間 USD {0:.3f}、{2} 時間で {1:.2f}"),
    ):
        assert (
            said.format(total.hour, total.hour * hours, hours) in (ROOT / "docs" / page).read_text()
        )
    assert kinds.isdisjoint({"ec2:NatGateway", "ec2:Eip", "cloudwatch:MetricAlarm", "kms:Key"})


def test_another_region_is_a_setting_with_its_own_zones_and_prices():
    changed = subjects(["poc"], ROOT, {"aws:region": "us-east-1"})
    zones = [
        {each.get("availabilityZone") for each in subject.graph.all("ec2:Subnet")}
        for subject in changed
        if subject.state == "stage1"
    ]
    assert zones == [{"ap-northeast-1a", "ap-northeast-1c"}, {"us-east-1a", "us-east-1b"}]
    pairs = compare(changed, books_of(changed), Assumptions(), ["aws:region=us-east-1"]).changes()
    hours = {
        old.state: [
            item.price.usd
            for column in (old, new)
            for item in column.bill.items
            if item.price.key == "nat-hour"
        ]
        for old, new in pairs
    }
    assert hours == {"stage1": [0.062, 0.045], "stage2": [0.062, 0.045], "destroyed": []}


def test_a_bad_setting_is_what_the_program_says_of_it_and_nothing_more():
    with previews() as engine, pytest.raises(StackError) as refused:
        engine.graph("poc", {**config_of("poc", ROOT, {}), "careapp:natStrat": "none"})
    assert str(refused.value) == (
        "the settings of stack poc are invalid (1 problem):\n"
        "  natStrat: is an unknown key; did you mean natStrategy?\n"
        "Nothing was changed. `pulumi config set KEY VALUE` sets a key."
    )


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


def test_previews_leave_nothing_behind(found, before):
    assert _kept() == before
