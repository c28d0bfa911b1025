"""The benchmark of defaults in a small size: which settings report a failed roll-out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.defaults.compare import Row, compare
from benchmarks.defaults.measure import cloud as defaults_cloud
from benchmarks.defaults.profiles import profiles

SPEED, MINUTES = 50.0, 25.0
"""Enough for the provider's own limit of 20 minutes."""
BUSY = 240.0
"""AWS seconds that a busy machine may be late: five real seconds."""


@pytest.fixture(scope="module")
def rows() -> Iterator[dict[str, Row]]:
    chosen = {name: profiles()[name] for name in ("careapp", "provider-waits")}
    with defaults_cloud(SPEED) as stack:
        yield compare(stack, chosen, MINUTES)


@pytest.mark.parametrize("name", ["careapp", "provider-waits"])
def test_a_good_app_is_steady_and_its_page_answers_with_either_settings(rows, name):
    good = rows[name].good
    assert good.page is not None
    assert good.steady is not None
    assert good.failed is None
    assert good.tasks == 1
    assert good.said is not None
    assert good.said.green


@pytest.mark.parametrize("scenario", ["no_path", "crash"])
def test_our_settings_declare_a_failure_and_the_gate_tells_it_at_once(rows, scenario):
    seen: Any = getattr(rows["careapp"], scenario)
    assert seen.failed is not None
    assert 0 < seen.failed < 60 * MINUTES
    assert not seen.said.green
    assert seen.failed <= seen.said.at < seen.failed + BUSY


@pytest.mark.parametrize("scenario", ["no_path", "crash"])
def test_without_a_circuit_breaker_tasks_are_replaced_until_the_tools_own_limit_and_after_it(
    rows, scenario
):
    seen: Any = getattr(rows["provider-waits"], scenario)
    assert seen.failed is None
    assert seen.steady is None
    assert seen.tasks > 3
    assert seen.watched >= 60 * MINUTES
    assert not seen.said.green
    assert 20 * 60 <= seen.said.at < 20 * 60 + BUSY
