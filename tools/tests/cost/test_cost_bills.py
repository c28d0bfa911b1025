"""Prices of the table and of the Price List API, resource graphs, what a destroy leaves, and compared bills."""

import json
import tomllib
from datetime import date
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from stack.file import StackError
from tools.aws.errors import AwsProblem
from tools.aws.session import Session
from tools.cost import prices
from tools.cost.bill import Assumptions
from tools.cost.comparison import Subject, after_destroy, books_of, compare, row_of
from tools.cost.graph import UNKNOWN, UnknownInput, read_state
from tools.cost.prices import CODES, FOLDER, UNITS, NoPrice, PriceBook
from tools.cost.restores import drills, usd
from tools.cost.screen import remarks
from tools.rehearsal.cost import file_of
from tools.tests.cost.cost_graphs import MICRO, SMALL, exported, graph, made

BOOK = PriceBook.load("ap-northeast-1")
BOOKS = {"ap-northeast-1": BOOK}
TABLES = [file.stem for file in FOLDER.glob("*.toml") if file.name != UNITS]
ENTRIES = [
    (region, key)
    for region in TABLES
    for key, entry in PriceBook.load(region).table.items()
    if "usd" in entry
]


def test_a_table_has_the_name_of_a_region_and_prices_for_known_units_only():
    units = tomllib.loads((FOLDER / UNITS).read_text())
    assert set(TABLES) <= set(CODES)
    for region in TABLES:
        assert set(tomllib.loads((FOLDER / f"{region}.toml").read_text())) <= set(units)
    assert set(units) == {key for region, key in ENTRIES if region == "ap-northeast-1"}


def test_every_region_of_the_partition_has_its_billing_code():
    assert set(CODES) == set(boto3.Session().get_available_regions("ec2"))
    assert len(set(CODES.values())) == len(CODES)


@pytest.mark.parametrize(("region", "key"), ENTRIES)
def test_every_price_is_above_nothing_with_a_page_of_aws_and_a_day_or_month_or_none(region, key):
    entry = PriceBook.load(region).table[key]
    usd = entry["usd"].values() if isinstance(entry["usd"], dict) else [entry["usd"]]
    days = entry["checked"].values() if isinstance(entry["checked"], dict) else [entry["checked"]]
    assert all(each > 0 for each in usd)
    assert urlsplit(entry["page"]).hostname == "aws.amazon.com"
    assert all(date.fromisoformat(f"{each}-01"[:10]) for each in days if each)


def test_a_kind_whose_price_was_not_checked_says_so():
    assert BOOK.price("rds-hour:db.t4g.micro").checked == "2026-10-08"
    assert BOOK.price("rds-hour:db.t4g.small").checked == ""
    assert BOOK.price("ec2-hour:t4g.nano").checked == ""


@pytest.mark.parametrize("key", ["rds-hour:db.r7g.large", "rds-hour", "nothing", "region"])
def test_a_key_without_a_price_raises(key):
    with pytest.raises(NoPrice, match=key):
        BOOK.price(key)


def test_the_table_is_as_old_as_its_youngest_check():
    assert BOOK.date == "2026-10-08"


def product(*tiers):
    """A product as the Price List API answers: a JSON text (botocore's model: PriceListItemJSON)."""
    dimensions = {
        f"S.T.{begin}": {"beginRange": begin, "unit": "Hrs", "pricePerUnit": {"USD": usd}}
        for begin, usd in tiers
    }
    terms = {"OnDemand": {"S.T": {"offerTermCode": "T", "priceDimensions": dimensions}}}
    reserved = {"S.R": {"priceDimensions": {"S.R.1": {"pricePerUnit": {"USD": "0.001"}}}}}
    return json.dumps({"product": {"sku": "S"}, "terms": {**terms, "Reserved": reserved}})


@pytest.fixture
def answers(monkeypatch):
    """The Price List API with these answers, by service and usage type; what was asked is kept."""
    given, asked = {}, []

    def answer(self, operation, params):
        assert (self.meta.region_name, operation) == ("us-east-1", "GetProducts")
        filters = {each["Field"]: each["Value"] for each in params["Filters"]}
        asked.append((params["ServiceCode"], filters))
        return {"PriceList": given.get((params["ServiceCode"], filters["usagetype"]), [])}

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return given, asked


def looked_up(*keys, region="ap-northeast-1"):
    return prices.look_up(Session("us-east-1"), PriceBook.load(region), keys)


def test_in_virginia_a_usage_type_has_a_code_or_none(answers):
    given, _ = answers
    given["AmazonECS", "USE1-Fargate-GB-Hours"] = [product(("0", "0.0045"))]
    given["AWSELB", "LCUUsage"] = [product(("0", "0.0081"))]
    found, missing = looked_up("fargate-gb:X86_64", "alb-lcu", region="us-east-1")
    assert {key: each.usd for key, each in found.items()} == {
        "fargate-gb:X86_64": 0.0045,
        "alb-lcu": 0.0081,
    }
    assert missing == []


def test_a_region_without_a_table_has_live_prices_only(answers):
    given, asked = answers
    given["AmazonEC2", "EUW2-NatGateway-Hours"] = [product(("0", "0.05"))]
    book = PriceBook.load("eu-west-2")
    with pytest.raises(NoPrice, match="nat-hour"):
        book.price("nat-hour")
    found, _ = looked_up("nat-hour", region="eu-west-2")
    assert book.updated(found).price("nat-hour").usd == 0.05
    assert asked[0][1]["regionCode"] == "eu-west-2"
    assert book.date == ""


def test_a_live_price_takes_precedence(answers):
    given, asked = answers
    given["AmazonRDS", "APN1-InstanceUsage:db.r7g.large"] = [product(("0", "0.3010000000"))]
    found, missing = looked_up("rds-hour:db.r7g.large")
    price = BOOK.updated(found).price("rds-hour:db.r7g.large")
    assert (price.usd, price.live, price.checked) == (0.301, True, date.today().isoformat())
    assert missing == []
    assert asked == [
        (
            "AmazonRDS",
            {
                "usagetype": "APN1-InstanceUsage:db.r7g.large",
                "databaseEngine": "PostgreSQL",
                "deploymentOption": "Single-AZ",
                "regionCode": "ap-northeast-1",
            },
        )
    ]


def test_the_table_s_price_is_used_when_aws_has_none_or_several(answers):
    given, _ = answers
    given["AWSELB", "APN1-LoadBalancerUsage"] = [product(("0", "0.1")), product(("0", "0.2"))]
    assert looked_up("alb-hour", "kms-key", "zone") == ({}, ["alb-hour", "kms-key", "zone"])


def test_the_second_service_is_queried_when_the_first_has_no_product(answers):
    given, asked = answers
    given["AmazonVPC", "APN1-NatGateway-Hours"] = [product(("0", "0.07"))]
    found, _ = looked_up("nat-hour")
    assert (found["nat-hour"].usd, [service for service, _ in asked]) == (
        0.07,
        ["AmazonEC2", "AmazonVPC"],
    )


def test_the_first_tier_that_is_paid_counts(answers):
    given, _ = answers
    tiers = [("0", "0.0000000000"), ("1", "0.1140000000"), ("10240", "0.0890000000")]
    given["AWSDataTransfer", "APN1-DataTransfer-Out-Bytes"] = [product(*tiers)]
    assert looked_up("out-gb")[0]["out-gb"].usd == 0.114


def test_a_global_product_is_queried_without_a_region(answers):
    _, asked = answers
    looked_up("dashboard")
    assert asked == [("AmazonCloudWatch", {"usagetype": "DashboardsUsageHour"})]


def test_a_missing_permission_for_prices_is_named(monkeypatch):
    def refuse(_self, operation, _params):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(AwsProblem, match=r"has no permission for pricing:GetProducts on \*"):
        looked_up("nat-hour")


def test_prices_are_not_read_from_the_local_cloud(folder, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(AwsProblem) as refused:
        prices.api_session("poc", folder)
    assert str(refused.value) == (
        "The local cloud does not know AWS's prices. "
        "Leave its shell for --live, or leave --live out."
    )


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


def test_a_graph_is_what_the_state_holds():
    resources = [made("Eip", protect=True), made("Database", **MICRO, retained=True)]
    assert read_state(json.dumps(exported(*resources))) == graph(*resources, region="")


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
    assert len(read_state(json.dumps(export)).resources) == 1


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
        [Subject(stack="poc", state="stage1", graph=graph(made("Eip", "1")))], BOOKS, Assumptions()
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
        BOOKS,
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


def test_each_stack_is_priced_in_its_own_region():
    subjects = [
        Subject(stack=name, state="stage1", graph=graph(made("NatGateway"), region=region))
        for name, region in (("poc", "us-east-1"), ("prod", "ap-northeast-1"), ("new", "eu-west-2"))
    ]
    found = compare(subjects, books_of(subjects), Assumptions())
    columns = {each.stack: each for each in found.columns if each.state == "stage1"}
    assert {
        name: [(item.price.key, item.price.usd) for item in column.bill.items]
        for name, column in columns.items()
    } == {
        "poc": [("nat-hour", 0.045)],
        "prod": [("nat-hour", 0.062)],
        "new": [],
    }
    assert len(columns["new"].bill.unpriced) == 1
    assert found.needed("eu-west-2") == {"nat-hour"}
    assert found.price("us-east-1", "nat-hour") == "nat-hour (us-east-1)"


def test_a_graph_has_the_region_of_its_provider():
    text = exported(made("Eip", "1"))
    provider = {
        "type": "pulumi:providers:aws",
        "custom": True,
        "urn": "u",
        "inputs": {"region": "eu-west-2"},
    }
    assert read_state(json.dumps(text)).region == ""
    text["deployment"]["resources"].append(provider)
    found = read_state(json.dumps(text))
    assert (found.region, [each.kind for each in found]) == ("eu-west-2", ["Eip"])


def test_an_encrypted_value_must_be_set(tmp_path):
    stack_file(
        tmp_path,
        "encryptionsalt: v1:x\nconfig:\n  aws:region: ap-northeast-1\n"
        "  careapp:alarmEmail:\n    secure: v1:y\n",
    )
    with pytest.raises(StackError, match=r"careapp:alarmEmail is encrypted.*-c careapp:alarmE"):
        file_of("poc", tmp_path, {})
    given = file_of("poc", tmp_path, {"careapp:alarmEmail": "x"})
    assert given.values == {"aws:region": "ap-northeast-1", "careapp:alarmEmail": "x"}


def test_a_drill_is_priced_for_each_stack_as_it_is():
    small = {**MICRO, "allocatedStorage": 20}
    single = graph(made("Database", **small))
    multi = graph(made("Database", **small, multiAz=True))
    larger = graph(made("Database", **{**small, "allocatedStorage": 400}))
    subjects = [
        Subject(stack="poc", state="stage2", graph=single),
        Subject(stack="prod", state="stage2", graph=multi),
        Subject(stack="poc", state="stage2", graph=larger, changed=True),
        Subject(stack="empty", state="stage2", graph=graph(made("Eip"))),
        Subject(stack="odd", state="stage2", graph=graph(made("Database", **{**small, "allocatedStorage": UNKNOWN}))),
    ]  # fmt: skip
    found = compare(subjects, BOOKS, Assumptions())
    half_an_hour = usd(BOOK, "db.t4g.micro", 20, "gp3", 1800)
    assert drills(found) == {"poc": half_an_hour, "prod": half_an_hour}
    words = "Once: a drill of a restore (./careapp db drill) of 30 minutes costs poc $0.015, prod $0.015."
    assert words in [str(each) for each in remarks(found)]
