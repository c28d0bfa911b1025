"""FilterLogEvents of the local cloud: words decide, streams come in one order."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

NAME = "/ecs/filtered"


@pytest.fixture
def found(calls):
    """Searches four lines of two streams."""
    calls("logs", "create_log_group", {"logGroupName": NAME})
    now = int(time.time() * 1000)
    written = {
        "a": [(0, "started"), (20, "disk is full")],
        "b": [(10, "disk is slow"), (30, "end")],
    }
    for stream, lines in written.items():
        place = {"logGroupName": NAME, "logStreamName": stream}
        calls("logs", "create_log_stream", place)
        events = [{"timestamp": now + at, "message": text} for at, text in lines]
        calls("logs", "put_log_events", {**place, "logEvents": events})

    def search(pattern):
        answer = calls(
            "logs", "filter_log_events", {"logGroupName": NAME, "filterPattern": pattern}
        )
        return [each["message"] for each in answer["events"]]

    yield search
    calls("logs", "delete_log_group", {"logGroupName": NAME})


def test_all_streams_come_in_one_order_of_time(found):
    assert found("") == ["started", "disk is slow", "disk is full", "end"]


def test_words_and_phrases_decide_and_no_other_pattern_finds_everything(found):
    assert found("disk") == ["disk is slow", "disk is full"]
    assert found('"is full"') == ["disk is full"]
    with pytest.raises(ClientError, match=r"'\{ \$.level = 1 \}' works on AWS"):
        found("{ $.level = 1 }")
