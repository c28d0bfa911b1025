"""Service Quotas of the local cloud: Fargate's vCPUs, and how to be given more."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from rehearsal.aws import quotas

ON_DEMAND, SPOT = "L-3032A538", "L-36FBB829"


@pytest.fixture(autouse=True)
def new_account():
    quotas.install()
    yield
    quotas.install()


def ask(calls, operation, **params):
    return calls("service-quotas", operation, {"ServiceCode": "fargate", **params})


def value(calls, code):
    return ask(calls, "get_service_quota", QuotaCode=code)["Quota"]["Value"]


def test_fargate_has_one_quota_on_demand_and_one_for_spot(calls):
    found = ask(calls, "list_service_quotas")["Quotas"]
    assert [(each["QuotaCode"], each["QuotaName"], each["Value"]) for each in found] == [
        (ON_DEMAND, "Fargate On-Demand vCPU resource count", 6.0),
        (SPOT, "Fargate Spot vCPU resource count", 6.0),
    ]
    assert found[0]["QuotaArn"].endswith(f":fargate/{ON_DEMAND}")


def test_what_is_asked_for_is_granted_and_the_default_stays(calls):
    answer = ask(calls, "request_service_quota_increase", QuotaCode=ON_DEMAND, DesiredValue=16.0)[
        "RequestedQuota"
    ]
    assert (answer["Status"], answer["DesiredValue"]) == ("APPROVED", 16.0)
    assert (value(calls, ON_DEMAND), value(calls, SPOT)) == (16.0, 6.0)
    default = ask(calls, "get_aws_default_service_quota", QuotaCode=ON_DEMAND)
    assert default["Quota"]["Value"] == 6.0


def test_no_more_than_there_is_is_no_increase(calls):
    with pytest.raises(ClientError, match="IllegalArgumentException"):
        ask(calls, "request_service_quota_increase", QuotaCode=SPOT, DesiredValue=6.0)
    assert value(calls, SPOT) == 6.0


def test_an_unknown_quota_is_told_and_the_vpc_s_are_still_there(calls):
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        value(calls, "L-00000000")
    found = calls("service-quotas", "list_service_quotas", {"ServiceCode": "vpc"})["Quotas"]
    assert len(found) > 10
