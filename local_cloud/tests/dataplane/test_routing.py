"""Where a load balancer sends a request: its listener's rules and redirects, and the health of its targets."""

from dataclasses import replace

import pytest

from local_cloud.aws.elb import listener, targets
from local_cloud.aws.elb.listener import Request, choose_rule, matches, redirect_location
from local_cloud.aws.elb.targets import (
    CHECKING,
    FAILED,
    REGISTERING,
    TIMED_OUT,
    Check,
    Health,
    answered,
    choose,
)

REQUEST = Request(
    **{"method": "GET", "path": "/shop/items", "query": "kind=Tea&empty=", "client": "192.0.2.44"},
    **{"host": "Shop.example:8080"},
    headers=[("x-kind", "Green"), ("host", "shop.example:8080")],
)
CONFIGS = {
    **{"path-pattern": "PathPatternConfig", "host-header": "HostHeaderConfig"},
    **{"http-request-method": "HttpRequestMethodConfig", "http-header": "HttpHeaderConfig"},
    **{"query-string": "QueryStringConfig", "source-ip": "SourceIpConfig"},
}


def condition(field: str, *values, **more):
    return {"Field": field, CONFIGS[field]: {"Values": list(values), **more}}


def paths(*values):
    """Return a condition in the short form of ELB's API."""
    return {"Field": "path-pattern", "Values": list(values)}


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        (paths("/shop/*"), True),
        (paths("/SHOP/*"), False),
        (paths("/shop/item?"), True),
        (paths("/shop/item[s]"), False),
        (paths("/shop/item"), False),
        (condition("path-pattern", "/x", "/shop/items"), True),
        (condition("host-header", "SHOP.example"), True),
        (condition("host-header", "*.shop.example"), False),
        (condition("http-request-method", "POST"), False),
        (condition("http-header", "gr*", HttpHeaderName="X-Kind"), True),
        (condition("http-header", "*", HttpHeaderName="X-No"), False),
        (condition("query-string", {"Key": "KIND", "Value": "t*"}), True),
        (condition("query-string", {"Value": "coffee"}), False),
        (condition("source-ip", "192.0.2.0/24"), True),
        (condition("source-ip", "198.51.100.0/24"), False),
    ],
)
def test_condition_of_each_kind(given, holds):
    assert matches(given, REQUEST) is holds


def test_condition_of_an_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="'moon-phase'"):
        matches({"Field": "moon-phase"}, REQUEST)


def test_rule_with_the_lowest_number_wins_if_all_its_conditions_hold():
    both = (paths("/shop/*"), {"Field": "host-header", "Values": ["other"]})
    rules = [
        listener.ListenerRule(1 << 30, (), ({"Type": "default"},)),
        listener.ListenerRule(20, (paths("/shop/*"),), ({"Type": "twenty"},)),
        listener.ListenerRule(5, both, ({"Type": "five"},)),
        listener.ListenerRule(30, (paths("*"),), ({"Type": "thirty"},)),
    ]
    assert choose_rule(rules, REQUEST).priority == 20
    assert choose_rule(rules, replace(REQUEST, path="/")).priority == 30
    assert choose_rule(rules[:3], replace(REQUEST, path="/")).priority == 1 << 30


SAME = "/shop/items?kind=Tea&empty="


@pytest.mark.parametrize(
    ("config", "location"),
    [
        ({"Protocol": "HTTPS", "Port": "443"}, f"https://Shop.example{SAME}"),
        ({"Host": "www.#{host}"}, f"http://www.Shop.example{SAME}"),
        (
            {"Path": "/new/#{path}", "Query": "from=#{port}", "Port": "8443"},
            "http://Shop.example:8443/new/shop/items?from=80",
        ),
    ],
)
def test_redirect_keeps_the_parts_that_it_does_not_change(config, location):
    assert redirect_location(config, REQUEST, "HTTP", 80) == location


CHECK = Check(healthy_threshold=3, unhealthy_threshold=2)
PASSED, BAD = None, FAILED


def test_target_is_registering_until_its_first_check_begins():
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
    ids=["first pass", "later pass", "two failures", "in a row", "three passes in a row"],
)
def test_health_of_a_target_after_each_check(outcomes, states):
    health, seen = Health().begin(), []
    for outcome in outcomes:
        health = health.after(outcome, CHECK)
        seen.append(health.state)
    assert seen == states


def test_health_s_reason_is_that_of_the_latest_failure():
    health = Health().begin()
    for outcome in (BAD, TIMED_OUT, answered(404, "200")):
        health = health.after(outcome, CHECK)
    words = "Health checks failed with these codes: [404]"
    assert health.why == ("Target.ResponseCodeMismatch", words)


@pytest.mark.parametrize(
    ("status", "matcher", "fits"),
    [
        *((200, "200", True), (301, "200", False), (301, "200,301", True)),
        *((204, "200-299", True), (300, "200-299", False), (404, "200-299,404", True)),
    ],
)
def test_matcher_is_a_list_of_codes_and_ranges(status, matcher, fits):
    assert (targets.answered(status, matcher) is None) is fits


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
