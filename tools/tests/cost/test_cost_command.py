"""`./careapp cost` on given graphs, as a person calls it, and what its screen says."""

import json
from functools import partial

import pytest

from tools.cost.comparison import DEPLOYED, Subject
from tools.cost.screen import padded, wide
from tools.tests.cost.cost_graphs import MICRO, SMALL, graph, made


@pytest.fixture
def call(run):
    return partial(run, "cost")


@pytest.fixture
def given(monkeypatch):
    """Resources in the states of stacks, by the stacks' names; tests/engine reads real states."""

    def given(region="ap-northeast-1", **stacks):
        held = [
            Subject(stack=stack, state=DEPLOYED, graph=graph(*resources, region=region))
            for stack, resources in stacks.items()
        ]
        monkeypatch.setattr("tools.rehearsal.cost.deployed_subjects", lambda *_: held)
        return "--deployed"

    return given


TASKS = [made("TaskDefinition", "app", **SMALL), made("Service", "service")]


def test_the_screen_has_a_bar_a_sum_and_every_resource(call, given):
    code, shown, complaint = call(given(today=[made("Eip", "1"), *TASKS]))
    assert (code, complaint) == (0, "")
    lines = shown.splitlines()
    assert lines[0] == "USD a month of 730 hours in ap-northeast-1; price table of 2026-10-08"
    assert lines[2] == "today deployed                  14.90   0.0204/h  █░░"
    assert lines[3] == "today destroyed                  0.00   0.0000/h  "
    assert lines[4].startswith("the former shared VPC stack    150.00   0.2055/h  ───")
    assert "Eip 1: public IPv4                                3.65         -" in lines
    assert "in all                                           14.90         -" in lines


def test_what_a_gateway_endpoint_for_s3_saves_is_said_where_there_is_nat(call, given):
    endpoint = made("VpcEndpoint", "s3", serviceName="com.amazonaws.ap-northeast-1.s3")
    words = "Each GB of files and image layers that passes it saves the NAT gateway's price: ap-northeast-1 $0.062."
    for with_nat in (True, False):
        nat = [made("NatGateway", "1")] if with_nat else []
        assert (words in call(given(today=[*TASKS, endpoint, *nat]))[1]) is with_nat
    assert words not in call(given(today=[*TASKS, made("NatGateway", "1")]))[1]


def test_what_is_assumed_is_stated_and_can_be_set(call, given):
    file = given(today=[*TASKS, made("LoadBalancer", "alb")])
    before = json.loads(call(file, "--json")[1])["columns"][0]["month"]
    code, shown, _ = call(file, "--requests", "3e6", "--gb-out", "105")
    assert code == 0
    assert "  --requests           3,000,000  requests to the load balancer" in shown.splitlines()
    after = json.loads(call(file, "--json", "--gb-out", "105")[1])["columns"][0]["month"]
    lcu_hours = 100  # 1 GB an hour is an LCU
    assert after - before == pytest.approx(100 * 0.114 + lcu_hours * 0.008)


def test_json_adds_up_and_names_page_and_day_of_each_price(call, given):
    code, shown, _ = call(given(today=[made("Eip", "1"), made("Vpc"), *TASKS]), "--json")
    found = json.loads(shown)
    column = found["columns"][0]
    assert (code, column["key"], column["complete"]) == (0, "today deployed", True)
    assert sum(item["month"] for item in column["items"]) == pytest.approx(column["month"])
    assert sum(column["groups"].values()) == pytest.approx(column["month"])
    assert column["hour"] == pytest.approx(column["month"] / 730)
    assert {each["type"] for each in column["free"]} == {
        "aws:ec2/vpc:Vpc",
        "aws:ecs/taskDefinition:TaskDefinition",
    }
    (address,) = [each for each in found["prices"] if each["key"] == "ipv4-hour"]
    assert address == {
        "region": "ap-northeast-1",
        "key": "ipv4-hour",
        "usd": 0.005,
        "per": "h",
        "page": "https://aws.amazon.com/vpc/pricing/",
        "checked": "2026-10-08",
        "live": False,
    }


def test_an_unpriced_resource_is_listed_with_its_columns_and_exit_code_1(call, given):
    table = {"instanceClass": "db.x", "allocatedStorage": 20, "skipFinalSnapshot": True}
    file = given(today=[made("Database", "database", **{**MICRO, **table})])
    code, shown, _ = call(file)
    assert code == 1
    assert (
        "Not in the sums and not free; the cost is unknown:\n"
        "  aws:rds/instance:Instance careapp-poc-database: "
        "the price table has no rds-hour:db.x; --live asks AWS (today deployed)\n"
    ) in shown
    assert json.loads(call(file, "--json")[1])["columns"][0]["complete"] is False


def test_a_region_without_prices_is_shown_with_question_marks_and_what_live_does(call, given):
    code, shown, _ = call(given(region="ca-west-1", today=[made("Eip", "1"), *TASKS]))
    lines = shown.splitlines()
    assert code == 1
    assert lines[0] == "USD a month of 730 hours in ca-west-1; price table of ?"
    assert lines[2].split() == ["today", "deployed", "?", "?/h"]
    assert ["in", "all", "?", "-"] in [each.split() for each in lines]
    assert any(
        each.startswith("?: the table of the region has no price. --live asks") for each in lines
    )
    shown = call(given(region="eu-central-1", today=[made("Eip", "1"), made("NatGateway")]))[1]
    assert "in all" in shown
    assert ["in", "all", "3.65+?", "-"] in [each.split() for each in shown.splitlines()]


def test_a_price_that_was_not_checked_is_named(call, given):
    shown = call(given(today=[made("Instance", "bastion", instanceType="t4g.nano")]))[1]
    assert "not checked against the Price List API: ebs-gb:gp3, ec2-hour:t4g.nano.\n" in shown


def test_the_output_says_that_protection_must_be_lifted_before_a_destroy(call, given):
    words = "A protected stack is destroyed only after `pulumi config set protect false`."
    assert words in call(given(today=[made("Eip", protect=True)]))[1]
    assert words not in call(given(today=[made("Eip")]))[1]


def test_japanese_columns_are_aligned(call, given):
    shown = call(given(today=[made("Eip", "1"), *TASKS]), "--lang", "ja")[1]
    assert "ap-northeast-1 での 1 か月" in shown.splitlines()[0]
    (address,) = [each for each in shown.splitlines() if "パブリック IPv4" in each]
    (total,) = [each for each in shown.splitlines() if each.startswith("合計")]
    assert address == f"{padded('Eip 1: パブリック IPv4', 44)}      3.65         -"
    assert total == f"{padded('合計', 44)}     14.90         -"


def test_two_graphs_are_two_columns(call, given):
    one, two = made("Eip", "1"), made("Eip", "2")
    rows = call(given(one=[one], two=[one, two]))[1].splitlines()
    both = "3.65      3.65         -         -"
    assert f"Eip 1: public IPv4                                {both}" in rows
    assert (
        f"Eip 2: public IPv4                                {both.replace('3.65', '   -', 1)}"
        in rows
    )


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-c", "natStrategy"], "'natStrategy' is not KEY=VALUE, like natStrategy=none"),
        (["-c", "=none"], "'=none' is not KEY=VALUE"),
        (["-c", "ecsEnabled=true"], "ecsEnabled is the difference between the stages"),
        (["--deployed", "-c", "a=b"], "--deployed and -c exclude each other"),
        (["--requests", "-1"], "'-1' is not a number from 0 up"),
    ],
)
def test_invalid_options_are_refused(call, arguments, why):
    code, shown, complaint = call(*arguments)
    assert (code, shown) == (2, "")
    assert why in " ".join(complaint.split())


def test_the_width_of_a_text_is_that_on_a_terminal():
    assert padded("削除後", 8) == "削除後  "
    assert padded("削除後", 8, right=True) == "  削除後"
    assert padded("指定ファイル", 5) == "指定ファイル"


def test_the_table_cuts_nothing_and_its_columns_are_aligned(call, given):
    name = "a-role-with-a-very-long-name-that-no-column-is-made-for"
    shown = call(given(**{"a-long-stack-name": [made("Eip", name)]}), "--lang", "ja")[
        1
    ].splitlines()
    (address,) = [each for each in shown if each.startswith("Eip ")]
    at = shown.index(address)
    assert address.startswith(f"Eip {name}: パブリック IPv4 ")
    assert "a-long-stack-name" in shown[at - 2]
    assert len({wide(each) for each in shown[at - 2 : at + 2]}) == 1
