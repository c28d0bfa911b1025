"""Times: AWS answers in several time zones; people see the local one (screens.txt), scripts ISO 8601 with an offset."""

from datetime import UTC, datetime

import pytest

from ecs_gate import screen
from tools.tests import stacks as a


@pytest.fixture(autouse=True)
def tokyo(clock_in, monkeypatch):
    clock_in("JST-9")
    monkeypatch.setattr(screen, "now", lambda: a.NOW)


def test_a_time_of_another_day_has_its_date():
    evening, night = (
        datetime(2026, 11, 25, 14, 59, tzinfo=UTC),
        datetime(2026, 11, 25, 15, tzinfo=UTC),
    )
    assert screen.short_time(evening, a.NOW) == "23:59:00"
    assert screen.short_time(night, a.NOW) == "11-26 00:00:00"
    assert screen.short_time(evening) == "23:59:00"
    assert screen.dated_time(night) == "11-26 00:00:00"
    assert screen.zoned_time(night) == "2026-11-26 00:00 JST"
