"""What the stacks cost: every resource has a price or is known to be free, and the documents say the sums."""

from __future__ import annotations

from dataclasses import replace

import pulumi
import pytest
from pulumi.runtime import MockCallArgs

from stack.file import StackError
from stack.settings import Settings
from tests.documents import cost
from tests.documents.markdown import ROOT
from tools.cost.bill import Assumptions
from tools.cost.comparison import books_of, compare
from tools.cost.prices import PriceBook
from tools.cost.rules import bill
from tools.rehearsal.cost import file_of, graphs, subjects
from tools.rehearsal.declared import Answers

pytestmark = pytest.mark.slow
BOOK = PriceBook.load("ap-northeast-1")


@pytest.fixture(scope="module")
def found():
    """Every stack of a file in both stages."""
    return cost.stacks()


@pytest.fixture(scope="module")
def bills(found):
    return {(each.stack, each.state): bill(each.graph, BOOK, Assumptions()) for each in found}


def test_every_resource_of_every_stack_has_a_price_or_is_known_to_be_free(found, bills):
    for subject in found:
        total = bills[subject.stack, subject.state]
        assert total.unpriced == (), f"{subject.stack} {subject.state}"
        priced = {item.resource.urn for item in total.items}
        free = {resource.urn for resource in total.free}
        silent = {each.short for each in subject.graph} - {
            each.short for each in subject.graph if each.urn in priced | free
        }
        assert silent <= {"ecs:Cluster", "acm:Certificate", "budgets:Budget"}


def test_stage_2_costs_what_stage_1_does_and_its_tasks(bills):
    one, two = bills["poc", "stage1"], bills["poc", "stage2"]
    assert one.of_group("tasks") == 0
    assert two.of_group("tasks") == pytest.approx(730 * (0.25 * 0.05056 + 0.5 * 0.00553))
    assert two.month - one.month > two.of_group("tasks")


@pytest.mark.parametrize("name", cost.PAGES)
def test_the_page_of_costs_has_the_sums(name):
    assert (ROOT / "docs" / name).read_text() == cost.page(name), "run `python -m tests.documents`"


def test_the_rows_of_the_page_are_the_settings_by_which_the_stacks_differ():
    poc, prod = (Settings.read(stack, ROOT).texts for stack in cost.STACKS)
    said = dict(cost.SETTING.findall((ROOT / "docs" / "cost.md").read_text()))
    assert said == {key: value for key, value in prod.items() if poc[key] != value}


def test_the_readme_s_round_sums_are_those(bills):
    sums = {stack + state: each.month for (stack, state), each in bills.items()}
    poc = f"`poc` costs about USD {sums['pocstage2']:.0f} a month with stage 2 and {sums['pocstage1']:.0f}"
    for words in (poc, f"`prod` about USD {sums['prodstage2']:.0f}:"):
        assert words in (ROOT / "README.md").read_text()


def test_another_region_is_a_setting_with_its_own_zones_and_prices():
    changed = subjects(["poc"], ROOT, {"aws:region": "us-east-1"})
    zones = [
        {each.get("availabilityZone") for each in subject.graph.all("ec2:Subnet")}
        for subject in changed
        if subject.state == "stage1"
    ]
    assert zones == [{"ap-northeast-1a", "ap-northeast-1b"}, {"us-east-1a", "us-east-1b"}]
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


def poc(**ours):
    file = file_of("poc", ROOT, {})
    values = {f"careapp:{key}": value for key, value in ours.items()}
    return replace(file, values={**file.values, **values})


def test_the_address_of_a_bastion_is_in_the_bill_though_aws_chooses_its_image():
    (graph,) = graphs([poc(bastionEnabled="true")])
    total = bill(graph, BOOK, Assumptions())
    assert total.unpriced == ()
    assert "ec2:Instance" in {item.resource.short for item in total.items}


def test_a_bad_setting_is_what_the_program_says_of_it_and_nothing_more():
    with pytest.raises(StackError) as refused:
        graphs([poc(natStrat="none")])
    assert str(refused.value) == (
        "the settings of stack poc are invalid (1 problem):\n"
        "  natStrat: is an unknown key; did you mean natStrategy?\n"
        "Nothing was changed. `pulumi config set KEY VALUE` sets a key."
    )


def test_a_look_up_that_only_aws_can_answer_is_refused_with_the_way_out():
    with pytest.raises(pulumi.RunError, match=r"by aws:ec2/getAmi:getAmi, .* by --deployed"):
        Answers("ap-northeast-1").call(MockCallArgs("aws:ec2/getAmi:getAmi", {}, ""))


def test_what_a_login_and_a_prefix_list_add_is_free_and_nobody_is_asked_for_it():
    https = {
        "certificateArn": "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a",
        "ecsEnabled": "true",
    }
    more = {
        "allowedCidrs": "pl-01234567",
        "loginIssuer": "https://login.invalid",
        "loginClientId": "careapp",
        "loginSecretArn": "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf",
    }
    found = graphs([poc(**https), poc(**https, **more)])
    # The values that only AWS knows have other stand-ins in each graph.
    without, with_both = ([(each.type, each.urn) for each in graph] for graph in found)
    assert without == with_both
    one, two = (bill(graph, BOOK, Assumptions()).month for graph in found)
    assert one == two
