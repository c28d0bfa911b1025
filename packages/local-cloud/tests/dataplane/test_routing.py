"""Where a load balancer sends a request: its listener's rules and redirects, and the health of its targets."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from local_cloud.aws.elb.listener import (
    ListenerRule,
    Request,
    choose_rule,
    matches,
    redirect_location,
)
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


TABLES = yaml.safe_load(Path(__file__).with_name("routing.yaml").read_text())


@pytest.mark.parametrize(("given", "holds"), TABLES["conditions"])
def test_condition_of_each_kind(given, holds):
    assert matches(given, REQUEST) is holds


def test_condition_of_an_unknown_kind_is_an_error():
    with pytest.raises(ValueError, match="'moon-phase'"):
        matches({"Field": "moon-phase"}, REQUEST)


def test_rule_with_the_lowest_number_wins_if_all_its_conditions_hold():
    both = (
        {"Field": "path-pattern", "Values": ["/shop/*"]},
        {"Field": "host-header", "Values": ["other"]},
    )
    rules = [
        ListenerRule(1 << 30, (), ({"Type": "default"},)),
        ListenerRule(
            20, ({"Field": "path-pattern", "Values": ["/shop/*"]},), ({"Type": "twenty"},)
        ),
        ListenerRule(5, both, ({"Type": "five"},)),
        ListenerRule(30, ({"Field": "path-pattern", "Values": ["*"]},), ({"Type": "thirty"},)),
    ]
    assert choose_rule(rules, REQUEST).priority == 20
    assert choose_rule(rules, replace(REQUEST, path="/")).priority == 30
    assert choose_rule(rules[:3], replace(REQUEST, path="/")).priority == 1 << 30


CHECK = Check(healthy_threshold=3, unhealthy_threshold=2)
PASSED, BAD = None, FAILED


def test_target_is_registering_until_its_first_check_begins():
    assert (Health().state, Health().why) == ("initial", REGISTERING)
    assert (Health().begin().state, Health().begin().why) == ("initial", CHECKING)


def test_health_s_reason_is_that_of_the_latest_failure():
    health = Health().begin()
    for outcome in (BAD, TIMED_OUT, answered(404, "200")):
        health = health.after(outcome, CHECK)
    words = "Health checks failed with these codes: [404]"
    assert health.why == ("Target.ResponseCodeMismatch", words)


@pytest.mark.parametrize(("config", "location"), TABLES["redirects"])
def test_redirect_keeps_the_parts_that_it_does_not_change(config, location):
    assert redirect_location(config, REQUEST, "HTTP", 80) == location


@pytest.mark.parametrize(("outcomes", "states"), TABLES["health"])
def test_health_of_a_target_after_each_check(outcomes, states):
    health, seen = Health().begin(), []
    for outcome in outcomes:
        health = health.after(PASSED if outcome == "+" else BAD, CHECK)
        seen.append(health.state)
    assert seen == states


@pytest.mark.parametrize(("status", "matcher", "fits"), TABLES["matchers"])
def test_matcher_is_a_list_of_codes_and_ranges(status, matcher, fits):
    assert (answered(status, matcher) is None) is fits


@pytest.mark.parametrize(("states", "chosen"), TABLES["chosen"])
def test_requests_go_to_healthy_targets_and_to_all_when_every_one_is_unhealthy(states, chosen):
    assert choose(states) == chosen
