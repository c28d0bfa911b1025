"""A target's health after each check."""

from __future__ import annotations

import pytest

from rehearsal.aws.elb.targets import (
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
    matches,
)

CHECK = Check(healthy_threshold=3, unhealthy_threshold=2)
BAD = Outcome(FAILED)


def after(*outcomes: Outcome) -> list[str]:
    health, seen = Health().begin(), []
    for outcome in outcomes:
        health = health.after(outcome, CHECK)
        seen.append(health.state)
    return seen


def test_a_new_target_is_registering_until_its_first_check_begins() -> None:
    assert (Health().state, Health().why) == ("initial", REGISTERING)
    assert (Health().begin().state, Health().begin().why) == ("initial", CHECKING)


def test_the_first_pass_makes_a_new_target_healthy_whatever_the_threshold() -> None:
    assert after(PASSED) == ["healthy"]
    assert after(BAD, PASSED) == ["initial", "healthy"]


def test_only_failures_in_a_row_make_it_unhealthy() -> None:
    assert after(BAD, BAD) == ["initial", "unhealthy"]
    assert after(PASSED, BAD, PASSED, BAD, BAD) == [
        "healthy",
        "healthy",
        "healthy",
        "healthy",
        "unhealthy",
    ]


def test_an_unhealthy_target_needs_the_healthy_threshold_in_a_row() -> None:
    assert after(BAD, BAD, PASSED, PASSED, BAD, PASSED, PASSED, PASSED)[2:] == [
        "unhealthy",
        "unhealthy",
        "unhealthy",
        "unhealthy",
        "unhealthy",
        "healthy",
    ]


def test_the_reason_is_that_of_the_latest_failure() -> None:
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
def test_a_matcher_is_a_list_of_codes_and_ranges(status: int, matcher: str, fits: bool) -> None:
    assert matches(status, matcher) is fits


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
def test_requests_go_to_healthy_targets_and_to_all_when_every_one_is_unhealthy(
    states: list[str], chosen: list[int]
) -> None:
    assert choose(states) == chosen
