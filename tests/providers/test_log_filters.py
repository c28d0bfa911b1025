"""FilterLogEvents of the local cloud: patterns decide, streams come in one order."""

from __future__ import annotations

import itertools
import time

import pytest
from botocore.exceptions import ClientError

counter = itertools.count(1)


@pytest.fixture
def group(calls):
    name = f"/ecs/filtered-{next(counter)}"
    calls("logs", "create_log_group", {"logGroupName": name})
    now = int(time.time() * 1000)
    written = {
        "a": [(0, '{"level": "INFO", "status": 200}'), (20, '{"level": "ERROR", "status": 500}')],
        "b": [(10, '{"level": "ERROR", "status": 404}'), (30, "Traceback (most recent call last)")],
    }
    for stream, lines in written.items():
        place = {"logGroupName": name, "logStreamName": stream}
        calls("logs", "create_log_stream", place)
        events = [{"timestamp": now + at, "message": text} for at, text in lines]
        calls("logs", "put_log_events", {**place, "logEvents": events})
    return name


def messages(calls, group, pattern, **more):
    params = {"logGroupName": group, "filterPattern": pattern, **more}
    return [each["message"] for each in calls("logs", "filter_log_events", params)["events"]]


def test_a_json_pattern_is_obeyed(calls, group):
    assert messages(calls, group, "{ $.status >= 404 }") == [
        '{"level": "ERROR", "status": 404}',
        '{"level": "ERROR", "status": 500}',
    ]
    assert messages(calls, group, '{ $.level = "ERROR" && $.status >= 500 }') == [
        '{"level": "ERROR", "status": 500}'
    ]


def test_terms_and_expressions_are_obeyed(calls, group):
    assert messages(calls, group, "ERROR -404") == ['{"level": "ERROR", "status": 500}']
    assert messages(calls, group, "?Traceback ?INFO") == [
        '{"level": "INFO", "status": 200}',
        "Traceback (most recent call last)",
    ]
    assert messages(calls, group, "%^Trace%") == ["Traceback (most recent call last)"]


def test_all_streams_come_in_one_order_of_time(calls, group):
    assert [each.split()[-1].strip("}") for each in messages(calls, group, "")] == [
        "200",
        "404",
        "500",
        "last)",
    ]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{ $.a = 1", "If a filter pattern starts with '{' it must end with '}'"),
        ("a" * 1025, "Value at 'filterPattern' failed to satisfy constraint"),
    ],
)
def test_a_bad_pattern_is_refused(calls, group, pattern, words):
    with pytest.raises(ClientError) as refused:
        messages(calls, group, pattern)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
    assert words in refused.value.response["Error"]["Message"]


def test_a_metric_filter_s_pattern_is_read_too(calls, group):
    params = {
        "logGroupName": group,
        "filterName": "errors",
        "filterPattern": "level:ERROR",
        "metricTransformations": [
            {"metricName": "errors", "metricNamespace": "careapp", "metricValue": "1"}
        ],
    }
    with pytest.raises(ClientError, match=r"Invalid character\(s\) in term ':'"):
        calls("logs", "put_metric_filter", params)
