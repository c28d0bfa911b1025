"""What `pulumi destroy` leaves, how resource graphs are read, and the comparison of bills."""

import json

import pytest

from ops.cost.bill import Assumptions
from ops.cost.comparison import Subject, after_destroy, compare, row_of
from ops.cost.graph import UNKNOWN, UnknownInput, config_of, read_graph
from ops.cost.prices import PriceBook
from ops.cost.restores import drills, usd
from ops.cost.screen import remarks
from stack.file import StackError
from tests.ops.cost_graphs import MICRO, SMALL, exported, graph, made

BOOK = PriceBook.load()
DATABASE = {**MICRO, "allocatedStorage": 40, "backupRetentionPeriod": 15}


def left(*resources):
    found = after_destroy(graph(*resources), BOOK, Assumptions())
    assert found.unpriced == ()
    return {str(item.what): round(item.usd, 2) for item in found.items}


def test_nothing_is_left_of_a_stack_that_keeps_nothing():
    gone = made("Database", **DATABASE, skipFinalSnapshot=True, deleteAutomatedBackups=True)
    assert left(gone, made("Eip"), made("LogGroup", name="/ecs/x")) == {}


def test_a_kept_database_leaves_its_snapshot_and_for_a_while_its_backups():
    kept = made("Database", **DATABASE, skipFinalSnapshot=False, deleteAutomatedBackups=False)
    assert left(kept) == {"final snapshot, GB": 3.8, "backups until they expire, GB": 1.9}


def test_a_resource_that_a_destroy_skips_is_still_billed():
    group = made("LogGroup", name="/ecs/x", retentionInDays=365, skipDestroy=True)
    assert left(group, made("Eip", retained=True)) == {
        "written, GB": 0.38,
        "kept, GB": 0.2,
        "public IPv4": 3.65,
    }


def test_a_retained_database_is_billed_as_before_and_leaves_no_snapshot():
    kept = made("Database", **DATABASE, retained=True)
    assert left(kept) == {"hours": 18.25, "disk, GB": 5.52}


def test_an_unknown_remainder_is_unpriced():
    found = after_destroy(
        graph(made("Database", **MICRO, allocatedStorage=UNKNOWN)), BOOK, Assumptions()
    )
    assert [str(each.why) for each in found.unpriced] == [
        "what stays of it is not known: allocatedStorage"
    ]


def test_an_export_and_a_preview_of_the_same_stack_are_the_same_graph():
    resources = [made("Eip", protect=True), made("Database", **MICRO, retained=True)]
    export = exported(*resources)
    steps = [{"op": "create", "newState": each} for each in export["deployment"]["resources"]]
    preview = {"steps": steps, "changeSummary": {"create": 2}}
    assert (
        read_graph(json.dumps(export), "x")
        == read_graph(json.dumps(preview), "x")
        == graph(*resources)
    )


def test_components_providers_deleted_and_read_resources_are_not_billed():
    states = exported(made("Eip"))["deployment"]["resources"]
    (eip,) = states
    more = [
        {**eip, "custom": False, "urn": "urn:pulumi:poc::careapp::careapp:infra:Network::n"},
        {**eip, "type": "pulumi:providers:aws", "urn": "urn:pulumi:poc::careapp::p::p"},
        {**eip, "delete": True, "urn": "urn:pulumi:poc::careapp::x::replaced"},
        {**eip, "external": True, "urn": "urn:pulumi:poc::careapp::x::read"},
        eip,
    ]
    export = {"deployment": {"resources": more}}
    assert len(read_graph(json.dumps(export), "x").resources) == 1
    gone = {"steps": [{"op": "delete", "newState": eip}], "changeSummary": {"delete": 1}}
    assert read_graph(json.dumps(gone), "x").resources == ()


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"deployment": null}'])
def test_other_text_than_a_graph_is_refused_in_a_sentence(text):
    with pytest.raises(StackError) as refused:
        read_graph(text, "file.json")
    assert str(refused.value) == (
        "file.json is not a resource graph: give it what `pulumi preview --json` or "
        "`pulumi stack export` printed."
    )


def test_an_unknown_input_raises():
    with pytest.raises(UnknownInput, match="desiredCount"):
        made("Service", desiredCount=UNKNOWN).get("desiredCount", 1)
    assert made("Service", desiredCount=None).get("desiredCount", 1) == 1


def test_a_service_finds_its_own_task_definition_among_several():
    one, two = made("TaskDefinition", "1", **SMALL), made("TaskDefinition", "2", **SMALL)
    service = made("Service", needs=[two])
    assert graph(one, two, service).needed(service, "ecs:TaskDefinition") is two
    assert graph(one, two, made("Service")).needed(made("Service"), "ecs:TaskDefinition") is None


def test_a_row_is_the_same_in_every_stack():
    (item,) = compare(
        [Subject(stack="poc", state="stage1", graph=graph(made("Eip", "1")))], BOOK, Assumptions()
    ).columns[0].bill.items  # fmt: skip
    assert row_of(item) == ("Eip", "1")


def compared():
    nat = graph(made("NatGateway"), made("Eip"), made("Database", **DATABASE, protect=True))
    none = graph(made("Database", **DATABASE))
    return compare(
        [
            Subject(stack="poc", state="stage1", graph=nat),
            Subject(stack="poc", state="stage2", graph=nat),
            Subject(stack="poc", state="stage2", graph=none, changed=True),
        ],
        BOOK,
        Assumptions(),
        ["natStrategy=none"],
    )


def test_a_change_is_compared_with_the_same_stage_and_with_what_is_left():
    pairs = {
        before.key: after.bill.month - before.bill.month for before, after in compared().changes()
    }
    assert pairs == {"poc stage2": pytest.approx(-48.91), "poc destroyed": 0}


def test_each_stack_has_one_column_of_what_a_destroy_leaves():
    columns = compared().columns
    assert [each.key for each in columns] == [
        "poc stage1",
        "poc stage2",
        "poc stage2 changed",
        "poc destroyed",
        "poc destroyed changed",
    ]
    assert [each.protected for each in columns] == [True, True, False, True, False]


def stack_file(folder, text):
    (folder / "Pulumi.yaml").write_text("name: careapp\nconfig: {}\n")
    (folder / "Pulumi.poc.yaml").write_text(text)
    return folder


def test_another_region_than_the_table_s_is_refused(tmp_path):
    stack_file(tmp_path, "config:\n  aws:region: eu-west-1\n")
    with pytest.raises(StackError) as refused:
        config_of("poc", tmp_path, {})
    assert str(refused.value) == (
        "The price table is that of ap-northeast-1, and aws:region of stack poc is eu-west-1."
    )


def test_an_encrypted_value_must_be_set(tmp_path):
    stack_file(
        tmp_path,
        "encryptionsalt: v1:x\nconfig:\n  aws:region: ap-northeast-1\n"
        "  careapp:alarmEmail:\n    secure: v1:y\n",
    )
    with pytest.raises(StackError, match=r"careapp:alarmEmail is encrypted.*--set careapp:alarmE"):
        config_of("poc", tmp_path, {})
    given = config_of("poc", tmp_path, {"careapp:alarmEmail": "x"})
    assert given == {"aws:region": "ap-northeast-1", "careapp:alarmEmail": "x"}


def test_a_drill_is_priced_for_each_stack_as_it_is():
    small = {**MICRO, "allocatedStorage": 20}
    single = graph(made("Database", **small))
    multi = graph(made("Database", **small, multiAz=True))
    larger = graph(made("Database", **{**small, "allocatedStorage": 400}))
    subjects = [
        Subject(stack="poc", state="stage2", graph=single),
        Subject(stack="prod", state="stage2", graph=multi),
        Subject(stack="poc", state="stage2", graph=larger, changed=True),
        Subject(stack="pr-7", state="given", graph=single),
        Subject(stack="empty", state="stage2", graph=graph(made("Eip"))),
        Subject(stack="odd", state="stage2", graph=graph(made("Database", **{**small, "allocatedStorage": UNKNOWN}))),
    ]  # fmt: skip
    found = compare(subjects, BOOK, Assumptions())
    half_an_hour = usd(BOOK, "db.t4g.micro", 20, "gp3", 1800)
    assert drills(found) == {"poc": half_an_hour, "prod": half_an_hour}
    words = "Once: a drill of a restore (./careapp db drill) of 30 minutes costs poc $0.015, prod $0.015."
    assert words in [str(each) for each in remarks(found)]
