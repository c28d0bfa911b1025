"""What the stacks cost: every resource has a price or is known to be free, and the documents say the sums."""

import json

import pulumi
import pytest
from pulumi.runtime import MockCallArgs

from careapp.cost.bill import Assumptions
from careapp.rehearsal.cost import compare, file_of, graphs, with_values
from careapp.rehearsal.declared import Answers
from careapp.settings.file import StackError
from careapp.settings.settings import Settings
from tests.documents import cost
from tests.documents.markdown import ROOT

pytestmark = pytest.mark.slow
JOBS = {
    "minutely": {"command": "true", "schedule": "rate(1 minute)", "timeoutMinutes": 1},
    "over": {"command": "true", "schedule": "at(2020-01-01T00:00:00)"},
}


def test_every_resource_has_a_price_or_is_free_and_tasks_are_stage_2():
    bills = {column.title(): column.bill for column in cost.comparison().columns}
    assert {title: bill.unpriced for title, bill in bills.items()} == dict.fromkeys(bills, ())
    assert cost.of_group(bills["poc stage 1"], "tasks") == 0
    one_task = 730 * (0.25 * 0.05056 + 0.5 * 0.00553)
    assert cost.of_group(bills["poc stage 2"], "tasks") == pytest.approx(one_task)
    readme = (ROOT / "README.md").read_text()
    one, two, prod = (
        bills[title].month for title in ("poc stage 1", "poc stage 2", "prod stage 2")
    )
    assert f"`poc` costs about USD {two:.0f} a month with stage 2 and {one:.0f}" in readme
    assert f"`prod` about USD {prod:.0f}:" in readme


@pytest.mark.parametrize("name", cost.PAGES)
def test_the_page_of_costs_has_the_sums(name):
    assert (ROOT / "docs" / name).read_text() == cost.page(name), "run `python -m tests.documents`"


def test_the_rows_of_the_page_are_the_settings_by_which_the_stacks_differ():
    poc, prod = (Settings.read(stack, ROOT).texts for stack in cost.STACKS)
    said = dict(cost.SETTING.findall((ROOT / "docs" / "cost.md").read_text()))
    assert said == {key: value for key, value in prod.items() if poc[key] != value}


@pytest.mark.parametrize(
    ("key", "value", "stage1", "stage2"),
    [
        ("careapp:jobs", json.dumps(JOBS), 0, 11.35),  # with the alarm of a run that was missed
        ("aws:region", "us-east-1", -21.17, -23.65),
        ("careapp:bastionEnabled", "true", 4.71, 4.71),
    ],
)
def test_a_setting_changes_the_cost(key, value, stage1, stage2):
    pairs = compare(["poc"], ROOT, {key: value}, Assumptions()).changes()
    assert [round(b.bill.month - a.bill.month, 2) for a, b in pairs] == [stage1, stage2]


def poc(**ours):
    return with_values(file_of("poc", ROOT, {}), {f"careapp:{k}": v for k, v in ours.items()})


def test_a_bad_setting_is_what_the_program_says_of_it_and_nothing_more():
    with pytest.raises(StackError, match="natStrat: is an unknown key; did you mean natStrategy"):
        graphs([poc(natStrat="none")])


def test_a_look_up_that_only_aws_can_answer_is_refused_with_the_way_out():
    with pytest.raises(pulumi.RunError, match=r"by aws:ec2/getAmi:getAmi, .* as a setting"):
        Answers("ap-northeast-1").call(MockCallArgs("aws:ec2/getAmi:getAmi", {}, ""))


def test_settings_that_ask_the_account_or_a_provider_do_not_ask_it():
    https = {"certificateArn": "arn:aws:acm:ap-northeast-1:111122223333:certificate/0a"}
    secret = "arn:aws:secretsmanager:ap-northeast-1:111122223333:secret:careapp-poc/login-AbCdEf"
    login = {"loginIssuer": "https://login.invalid", "loginClientId": "x", "loginSecretArn": secret}
    found = graphs([poc(**https), poc(**https, **login, allowedCidrs="pl-01234567")])
    without, with_both = ([(resource.type, resource.urn) for resource in graph] for graph in found)
    assert without == with_both
