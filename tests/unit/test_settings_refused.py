"""The stack file: what is said when it cannot be used."""

import re
from dataclasses import replace
from operator import attrgetter

import boto3
import pulumi_aws.config
import pytest

from careapp.settings.allowed_cidrs import weight
from careapp.settings.file import OTHER_CREDENTIALS, StackError
from careapp.settings.rules import Choice, Integer
from careapp.settings.settings import KEYS
from tests.support.refusals import cases, said


def problems(load, **changes):
    """The lines between the heading and the advice."""
    with pytest.raises(StackError) as refused:
        load(**changes)
    first, *lines, last = str(refused.value).splitlines()
    assert first == "the settings of stack poc are invalid (1 problem):"
    assert last == "Nothing was changed. `pulumi config set KEY VALUE` sets a key."
    return [line.strip() for line in lines]


INTEGERS = {
    key.name: (key.rule.low, key.rule.high) for key in KEYS if isinstance(key.rule, Integer)
} | {"maxCount": (0, 500)}  # the targets of a load balancer
PAIR = ("taskCpu", "taskMemory")
"""Fargate has only some sizes between their bounds."""
ENOUGH = {"databaseInstanceClass": "db.m7g.4xlarge"}
LARGE = {"databaseInstanceClass": "db.r7g.2xlarge", "appConnections": "2"}
ROOM = {
    "appConnections": ENOUGH,
    "desiredCount": ENOUGH,
    "maxCount": {**ENOUGH, "appConnections": "2"},
}
"""What a key's bounds need of others: times that differ, connections for all tasks."""


@pytest.mark.parametrize("key", [key for key in INTEGERS if key not in PAIR])
def test_a_number_may_be_at_its_bounds_and_not_beyond(configured, key):
    low, high = INTEGERS[key]
    for allowed in (low, high):
        configured(**{key: str(allowed)}, **ROOM.get(key, {}))
    for beyond in (low - 1, high + 1):
        [problem] = problems(configured, **{key: str(beyond)}, **ROOM.get(key, {}))
        assert problem.startswith(f"{key}: {beyond} ")
    [problem] = problems(configured, **{key: "2.5"})
    assert problem.startswith(f"{key}: '2.5' is not a whole number; it must be ")


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [
        ({}, 15),
        ({"deployStrategy": "blueGreen"}, 15),
        ({"deployStrategy": "canary"}, 20),
        ({"deployStrategy": "linear"}, 60),
        ({"deployStrategy": "canary", "bakeMinutes": "60"}, 130),
        ({"deployStrategy": "canary", "maxCount": "101", **LARGE}, 21),
        ({"deployStrategy": "canary", "rolloutTimeoutMinutes": "30"}, 30),
        # Without waits, from a person's own machine, and by push.
        ({"rolloutTimeoutMinutes": "1", "bakeMinutes": "60"}, 1),
        ({"rolloutTimeoutMinutes": "1440"}, 1440),
        (
            {"rolloutTimeoutMinutes": "60", "permissionsBoundary": "careapp-delivery-poc-boundary"},
            60,
        ),
    ],
    ids=str,
)
def test_the_limit_of_a_rollout_is_as_long_as_it_needs(configured, changes, minutes):
    assert configured(**changes).rollout_minutes == minutes


def documented(key):
    """The values that docs/settings.md has for a key."""
    rule = key.rule
    numbers = map(str, (rule.low, rule.high)) if isinstance(rule, Integer) else ()
    choices = rule.options if isinstance(rule, Choice) else ()
    return {key.default, key.another(key.default), *numbers, *choices}


OF_SEVERAL = ("taskCpu", "loginClientId", "loginSecretArn", "appDockerfile")
"""What is nothing without another: Fargate's pairs, a time below another one, a login, a file of a folder."""


@pytest.mark.parametrize("key", KEYS, ids=attrgetter("name"))
def test_a_refusal_names_the_setting_that_was_set(configured, key):
    """A default is never refused: whatever one setting says, the others need no change."""
    for value in documented(key):
        try:
            configured(**{key.name: value})
        except StackError as refused:
            found = str(refused).splitlines()[1:-1]
            if key.name in OF_SEVERAL:
                assert any(key.name in line for line in found), value
            else:
                assert [line.partition(": ")[0].strip() for line in found] == [key.name], value


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["set"])[:60])
def test_a_refused_stack_file_says_what_is_recorded(case):
    """Each problem with its key, the rule and the way out, all at once, and no setting is blamed twice."""
    assert said(case) == case, "read the change, then write it down: python -m tests.recorded"
    subjects = (*case["set"], *map(str, case["set"].values()), "name: ", "stack: ", "aws:")
    assert [line for line in case["en"] if not any(key in line for key in subjects)] == []
    assert "hunter2" not in str([case["en"], case["ja"]]), "what may be a secret is not repeated"


@pytest.mark.parametrize("key", OTHER_CREDENTIALS)
def test_credentials_that_only_the_provider_would_use_are_refused(configured, key):
    [problem] = problems(configured, others={"aws:region": "ap-northeast-1", key: "x"})
    assert problem.startswith(f"{key}: gives credentials to the provider only")


def test_what_elb_takes_for_status_codes_is_accepted(configured):
    for codes in ("200", "499", "200,204,301", "200-299", "200-299,302"):
        assert configured(healthMatcher=codes).health.matcher == codes


def test_the_regions_are_those_of_the_partition(configured):
    known = boto3.Session().get_available_regions("ec2")
    assert len(known) > 30
    assert [region for region in known if configured({"aws:region": region}).region != region] == []


def test_the_keys_that_give_credentials_are_those_of_the_provider():
    keys = {
        "aws:" + re.sub("_(.)", lambda found: found[1].upper(), name)
        for name in vars(pulumi_aws.config.vars._ExportableConfig)
        if re.fullmatch(r".*_key|token|assume_.*|shared_.*", name)
    }
    assert keys == set(OTHER_CREDENTIALS)


def test_other_packages_keys_are_accepted_unless_they_give_credentials(configured):
    others = {"aws:region": "ap-northeast-1", "aws:profile": "me", "aws:maxRetries": "9"}
    others |= {"docker:host": "unix:///run/docker.sock"}
    assert configured(others) == replace(configured(), profile="me")


def test_clients_are_addresses_ranges_and_prefix_lists(configured):
    found = configured(allowedCidrs="203.0.113.7, 198.51.100.0/24 ,pl-01234567").allowed
    assert str(found) == "203.0.113.7/32, 198.51.100.0/24, pl-01234567"
    assert (found.everyone, configured().allowed.everyone) == (False, True)
    asked = ("198.51.100.9", "203.0.113.7", "203.0.113.8")
    assert [found.has(client) for client in asked] == [True, True, False]


@pytest.mark.parametrize(
    ("name", "most", "counts"),
    [
        ("com.amazonaws.global.cloudfront.origin-facing", 0, 55),
        ("com.amazonaws.ap-northeast-1.s3", 0, 1),
        ("office", 20, 20),
    ],
)
def test_a_prefix_list_counts_for_its_weight(name, most, counts):
    assert weight(name, most) == counts
