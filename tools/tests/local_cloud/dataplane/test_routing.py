"""Where a load balancer sends a request: its listener's rules and redirects, and the health of its targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tools.local_cloud.aws.elb.listener import (
    Request,
    Rule,
    choose_rule,
    matches,
    redirect_location,
)
from tools.local_cloud.aws.elb.targets import (
    CHECKING,
    FAILED,
    PASSED,
    REGISTERING,
    TIMED_OUT,
    Check,
    Health,
    Outcome,
    answered,
    choose,
)
from tools.local_cloud.aws.elb.targets import (
    matches as matches_code,
)

REQUEST = Request(
    method="GET",
    path="/shop/items",
    query="kind=Tea&empty=",
    host="Shop.example:8080",
    headers=[("x-kind", "Green"), ("host", "shop.example:8080")],
    client="192.0.2.44",
)


def condition(field: str, config: str, **values) -> dict[str, Any]:
    return {"Field": field, config: values}


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ({"Field": "path-pattern", "Values": ["/shop/*"]}, True),
        ({"Field": "path-pattern", "Values": ["/SHOP/*"]}, False),
        ({"Field": "path-pattern", "Values": ["/shop/item?"]}, True),
        ({"Field": "path-pattern", "Values": ["/shop/item[s]"]}, False),
        ({"Field": "path-pattern", "Values": ["/shop/item"]}, False),
        (condition("path-pattern", "PathPatternConfig", Values=["/x", "/shop/items"]), True),
        (condition("host-header", "HostHeaderConfig", Values=["SHOP.example"]), True),
        (condition("host-header", "HostHeaderConfig", Values=["*.shop.example"]), False),
        (condition("http-request-method", "HttpRequestMethodConfig", Values=["POST"]), False),
        (
            condition("http-header", "HttpHeaderConfig", HttpHeaderName="X-Kind", Values=["gr*"]),
            True,
        ),
        (condition("http-header", "HttpHeaderConfig", HttpHeaderName="X-No", Values=["*"]), False),
        (
            condition("query-string", "QueryStringConfig", Values=[{"Key": "KIND", "Value": "t*"}]),
            True,
        ),
        (condition("query-string", "QueryStringConfig", Values=[{"Value": "coffee"}]), False),
        (condition("source-ip", "SourceIpConfig", Values=["192.0.2.0/24"]), True),
        (condition("source-ip", "SourceIpConfig", Values=["198.51.100.0/24"]), False),
    ],
)
def test_each_kind_of_condition(given, holds):
    assert matches(given, REQUEST) is holds


def test_a_condition_that_no_balancer_knows_is_an_error():
    with pytest.raises(ValueError, match="'moon-phase'"):
        matches({"Field": "moon-phase"}, REQUEST)


def test_the_lowest_number_that_matches_wins_and_all_conditions_must_hold():
    both = [
        {"Field": "path-pattern", "Values": ["/shop/*"]},
        {"Field": "host-header", "Values": ["other"]},
    ]
    rules = [
        Rule(1 << 30, (), ({"Type": "default"},)),
        Rule(20, ({"Field": "path-pattern", "Values": ["/shop/*"]},), ({"Type": "twenty"},)),
        Rule(5, tuple(both), ({"Type": "five"},)),
        Rule(30, ({"Field": "path-pattern", "Values": ["*"]},), ({"Type": "thirty"},)),
    ]
    assert choose_rule(rules, REQUEST).priority == 20
    assert choose_rule(rules, replace(REQUEST, path="/")).priority == 30
    assert choose_rule(rules[:3], replace(REQUEST, path="/")).priority == 1 << 30


@pytest.mark.parametrize(
    ("config", "leads_to"),
    [
        (
            {"Protocol": "HTTPS", "Port": "443"},
            "https://Shop.example/shop/items?kind=Tea&empty=",
        ),
        ({"Host": "www.#{host}"}, "http://www.Shop.example/shop/items?kind=Tea&empty="),
        (
            {"Path": "/new/#{path}", "Query": "from=#{port}", "Port": "8443"},
            "http://Shop.example:8443/new/shop/items?from=80",
        ),
    ],
)
def test_a_redirect_keeps_the_parts_that_it_does_not_change(config, leads_to):
    assert redirect_location(config, REQUEST, "HTTP", 80) == leads_to


CHECK = Check(healthy_threshold=3, unhealthy_threshold=2)
BAD = Outcome(FAILED)


def test_a_new_target_is_registering_until_its_first_check_begins():
    assert (Health().state, Health().why) == ("initial", REGISTERING)
    assert (Health().begin().state, Health().begin().why) == ("initial", CHECKING)


@pytest.mark.parametrize(
    ("outcomes", "states"),
    [
        ([PASSED], ["healthy"]),
        ([BAD, PASSED], ["initial", "healthy"]),
        ([BAD, BAD], ["initial", "unhealthy"]),
        ([PASSED, BAD, PASSED, BAD, BAD], ["healthy"] * 4 + ["unhealthy"]),
        (
            [BAD, BAD, PASSED, PASSED, BAD, PASSED, PASSED, PASSED],
            ["initial"] + ["unhealthy"] * 6 + ["healthy"],
        ),
    ],
    ids=[
        "the first pass is enough",
        "and later",
        "two failures",
        "in a row",
        "three passes in a row",
    ],
)
def test_the_health_of_a_target_after_each_check(outcomes, states):
    health, seen = Health().begin(), []
    for outcome in outcomes:
        health = health.after(outcome, CHECK)
        seen.append(health.state)
    assert seen == states


def test_the_reason_is_that_of_the_latest_failure():
    health = Health().begin()
    for outcome in (BAD, Outcome(TIMED_OUT), answered(404, "200")):
        health = health.after(outcome, CHECK)
    assert health.why == (
        "Target.ResponseCodeMismatch",
        "Health checks failed with these codes: [404]",
    )


@pytest.mark.parametrize(
    ("status", "matcher", "fits"),
    [
        (200, "200", True),
        (301, "200", False),
        (301, "200,301", True),
        (204, "200-299", True),
        (300, "200-299", False),
        (404, "200-299,404", True),
    ],
)
def test_a_matcher_is_a_list_of_codes_and_ranges(status, matcher, fits):
    assert matches_code(status, matcher) is fits


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        (["healthy", "unhealthy", "healthy"], [0, 2]),
        (["unhealthy", "unhealthy"], [0, 1]),
        (["unhealthy", "initial"], [0, 1]),
        (["initial"], []),
        ([], []),
    ],
)
def test_requests_go_to_healthy_targets_and_to_all_when_every_one_is_unhealthy(states, chosen):
    assert choose(states) == chosen
