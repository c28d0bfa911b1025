"""The price table, and prices from the Price List API."""

import json
from datetime import date
from urllib.parse import urlsplit

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from ops.aws.errors import AwsProblem
from ops.aws.session import Session
from ops.cost import prices
from ops.cost.prices import NoPrice, PriceBook

BOOK = PriceBook.load()
ENTRIES = {key: entry for key, entry in BOOK.table.items() if isinstance(entry, dict)}


@pytest.mark.parametrize("key", ENTRIES)
def test_every_price_is_above_nothing_with_a_page_of_aws_and_a_day_or_month_or_none(key):
    entry = ENTRIES[key]
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


def looked_up(*keys):
    return prices.look_up(Session("us-east-1"), BOOK, keys)


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
