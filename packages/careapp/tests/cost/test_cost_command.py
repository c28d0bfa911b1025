"""`./careapp cost` on given graphs, as a person calls it."""

import json

import pytest

from careapp.rehearsal.cost import file_of
from careapp.settings.file import StackError
from tests.cost.cost_graphs import MICRO, SMALL, graph, made

TASK = made("TaskDefinition", **SMALL)
ADDRESS, SERVICE = made("Eip", "1"), made("Service", "service", needs=[TASK])


@pytest.fixture
def call(run, monkeypatch):
    """The command on the resources of each stage; tests/unit has those of the program."""

    def call(stages, *words, region="ap-northeast-1"):
        given = [graph(*stage, region=region) for stage in stages]
        monkeypatch.setattr("careapp.rehearsal.cost.graphs", lambda _: given)
        return run("cost", "-s", "poc", *words)

    return call


def test_the_screen_has_every_resource_the_sums_and_what_is_assumed(call):
    kept = made("Database", "database", **MICRO, allocatedStorage=20)
    code, shown, complaint = call([[ADDRESS], [ADDRESS, TASK, SERVICE, kept]])
    lines = [line.rstrip() for line in shown.splitlines()]
    assert (code, complaint) == (0, "")
    assert lines[0] == "USD a month of 730 hours; price table: ap-northeast-1 2026-10-08"
    assert f"{'Eip 1: public IPv4':44}      3.65      3.65" in lines
    assert f"{'Service service: vCPU hours':44}         -      9.23" in lines
    assert f"{'USD a month':44}      3.65     35.91" in lines
    assert any(line.endswith("they expire, the backups: poc 1.90 a month.") for line in lines)
    assert "  --requests             100,000  requests to the load balancer" in lines


def test_a_setting_that_changes_the_cost_is_shown_with_the_difference(call):
    nat = made("NatGateway", "1")
    stages = [[nat, ADDRESS], [nat, ADDRESS], [], []]
    _, shown, _ = call(stages, "-c", "natStrategy=none")
    assert "natStrategy=none, poc stage 2: -48.91 a month, -0.0670 an hour" in shown
    found = json.loads(call(stages, "-c", "natStrategy=none", "--json")[1])
    assert found["changes"]["poc stage 1"] == pytest.approx(-48.91)
    price = found["columns"][0]["items"][1]["price"]
    assert price["page"].startswith("https://aws.amazon.com/")
    assert price["per"] in ("h", "GB")


def test_an_unpriced_resource_is_listed_with_exit_code_1(call):
    code, shown, _ = call([[ADDRESS, made("NatGateway", "1")]] * 2, region="eu-central-1")
    assert code == 1
    assert ["USD", "a", "month", "3.65+?", "3.65+?"] in [line.split() for line in shown.split("\n")]
    assert "careapp-poc-1: the price table has no nat-hour; --live asks AWS" in shown
    # The columns stand below each other in Japanese, too.
    shown = call([[ADDRESS]] * 2, "--lang", "ja")[1].splitlines()
    assert f"Eip 1: パブリック IPv4{' ' * 22}       3.65       3.65" in shown


def test_an_encrypted_value_must_be_given(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\nconfig: {}\n")
    text = "encryptionsalt: v1:x\nconfig:\n  careapp:alarmEmail:\n    secure: v1:y\n"
    (tmp_path / "Pulumi.poc.yaml").write_text(text)
    with pytest.raises(StackError, match=r"careapp:alarmEmail is encrypted.*-c careapp:alarmE"):
        file_of("poc", tmp_path, {})
    given = {"careapp:alarmEmail": "x"}
    assert file_of("poc", tmp_path, given).values == given
