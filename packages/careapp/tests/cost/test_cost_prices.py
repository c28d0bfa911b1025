"""Prices of the tables, and of the Price List API."""

import json
from datetime import date
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.client import BaseClient

from careapp.cost.graph import NoPrice
from careapp.cost.prices import CODES, PRICES, PriceBook, _read, api_session
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session

UNIT = {"per", "page", "service", "usagetype", "filters"}
REGIONS = {name for entry in _read(PRICES).values() for name in entry} - UNIT


def test_each_table_is_a_regions_and_each_price_has_page_and_day():
    assert REGIONS <= set(_read(CODES)) == set(boto3.Session().get_available_regions("ec2"))
    assert [name for name, entry in _read(PRICES).items() if "ap-northeast-1" not in entry] == []
    for region in REGIONS:
        for entry in [entry for entry in PriceBook(region).table.values() if "usd" in entry]:
            usd, days = entry["usd"], entry["checked"]
            assert min(usd.values() if isinstance(usd, dict) else [usd]) > 0
            assert urlsplit(entry["page"]).hostname == "aws.amazon.com"
            for day in days.values() if isinstance(days, dict) else [days]:
                assert not day or date.fromisoformat(f"{day}-01"[:10])


def product(*tiers):
    """A product as the Price List API answers: a JSON text (botocore's model: PriceListItemJSON)."""
    dimensions = {
        begin: {"beginRange": begin, "pricePerUnit": {"USD": usd}} for begin, usd in tiers
    }
    return json.dumps({"terms": {"OnDemand": {"S.T": {"priceDimensions": dimensions}}}})


@pytest.fixture
def asked(monkeypatch):
    """What was asked of the Price List API, which has these products by service and usage type."""
    asked = []
    products = {
        ("AmazonRDS", "APN1-InstanceUsage:db.r7g.large"): [product(("0", "0.3010000000"))],
        ("AWSELB", "APN1-LoadBalancerUsage"): [product(("0", "0.1")), product(("0", "0.2"))],
        ("AmazonVPC", "APN1-NatGateway-Hours"): [product(("0", "0.07"))],
        ("AWSDataTransfer", "APN1-DataTransfer-Out-Bytes"): [
            product(("0", "0.0000000000"), ("1", "0.1140000000"), ("10240", "0.0890000000"))
        ],
        ("AWSELB", "LCUUsage"): [product(("0", "0.0081"))],
        ("AmazonEC2", "EUW2-NatGateway-Hours"): [product(("0", "0.05"))],
    }

    def answer(self, operation, params):
        assert (self.meta.region_name, operation) == ("us-east-1", "GetProducts")
        filters = {wanted["Field"]: wanted["Value"] for wanted in params["Filters"]}
        asked.append((params["ServiceCode"], filters))
        return {"PriceList": products.get((params["ServiceCode"], filters["usagetype"]), [])}

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    monkeypatch.delenv("LOCAL_CLOUD_FACTS", raising=False)
    return asked


@pytest.mark.parametrize(
    ("region", "key", "usd", "live"),
    [
        ("ap-northeast-1", "rds-hour:db.r7g.large", 0.301, True),
        ("ap-northeast-1", "alb-hour", 0.0243, False),  # two prices at AWS: the table's
        ("ap-northeast-1", "kms-key", 1, False),
        ("ap-northeast-1", "nat-hour", 0.07, True),  # of the second service
        ("ap-northeast-1", "out-gb", 0.114, True),  # the first tier that is paid
        ("us-east-1", "alb-lcu", 0.0081, True),  # without the region's code
        ("eu-west-2", "nat-hour", 0.05, True),  # a region without a table
    ],
)
def test_a_live_price_takes_precedence_and_is_asked_for_once(asked, region, key, usd, live):
    book = PriceBook(region, Session("us-east-1"))
    price = book.price(key)
    assert (price.usd, price.live) == (usd, live)
    before = len(asked)
    assert (book.price(key), len(asked)) == (price, before)
    if key.startswith("rds-hour"):
        [(service, filters)] = asked
        assert (service, filters["databaseEngine"]) == ("AmazonRDS", "PostgreSQL")
        assert filters["regionCode"] == region


def test_a_price_that_nobody_has_is_none_and_the_local_cloud_has_none(monkeypatch):
    with pytest.raises(NoPrice, match="nat-hour; --live asks AWS"):
        PriceBook("eu-west-2").price("nat-hour")
    monkeypatch.setenv("LOCAL_CLOUD_FACTS", "cloud.json")
    with pytest.raises(AwsProblem, match="does not know AWS's prices"):
        api_session(None)
