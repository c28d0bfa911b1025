"""StartLiveTail of the local cloud: events as they come, by the endpoint that the shell gives."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from contextlib import closing

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from rehearsal.control import live_tail
from rehearsal.project import led_to_local_cloud

REGION = "ap-northeast-1"
counter = itertools.count(1)


@pytest.fixture
def logs(calls):
    config = Config(inject_host_prefix=False, read_timeout=10, retries={"max_attempts": 0})
    return boto3.client(
        "logs",
        endpoint_url=calls.endpoint,
        region_name=REGION,
        config=config,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


@pytest.fixture
def group(logs):
    name = f"/ecs/tailed-{next(counter)}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="app/old")
    put(logs, name, "app/old", "before")
    return name


def put(logs, group, stream, *messages):
    now = int(time.time() * 1000)
    events = [{"timestamp": now + index, "message": text} for index, text in enumerate(messages)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def arn(group):
    return f"arn:aws:logs:{REGION}:123456789012:log-group:{group}"


def tail(logs, group, **more):
    return logs.start_live_tail(logGroupIdentifiers=[arn(group)], **more)["responseStream"]


def until(events, count):
    """The messages of so many updates that have some; fails after ten updates."""
    found = []
    for event in itertools.islice(events, 10):
        found += [each["message"] for each in event["sessionUpdate"]["sessionResults"]]
        if len(found) >= count:
            return found
    pytest.fail(f"only {found} came")


def test_a_session_begins_and_goes_on_with_what_is_new(logs, group):
    with closing(tail(logs, group)) as stream:
        events = iter(stream)
        begun = next(events)["sessionStart"]
        assert begun["logGroupIdentifiers"] == [arn(group)]
        put(logs, group, "app/old", "one", "two")
        assert until(events, 2) == ["one", "two"]
        logs.create_log_stream(logGroupName=group, logStreamName="app/new")
        put(logs, group, "app/new", "three")
        (row,) = next(
            found
            for event in itertools.islice(events, 10)
            if (found := event["sessionUpdate"]["sessionResults"])
        )
        assert (row["message"], row["logStreamName"]) == ("three", "app/new")
        assert row["logGroupIdentifier"] == arn(group)


def test_an_update_comes_every_second_even_without_news(logs, group):
    with closing(tail(logs, group)) as stream:
        events = iter(stream)
        next(events)
        next(events)
        begin = time.monotonic()
        quiet = [next(events)["sessionUpdate"] for _ in range(2)]
        assert 1.5 < time.monotonic() - begin < 4
    assert quiet == [{"sessionMetadata": {"sampled": False}, "sessionResults": []}] * 2


def test_the_filter_pattern_and_the_streams_are_obeyed(logs, group):
    logs.create_log_stream(logGroupName=group, logStreamName="other/x")
    pattern = '{ $.level = "ERROR" }'
    wanted = {"logEventFilterPattern": pattern, "logStreamNamePrefixes": ["app/"]}
    with closing(tail(logs, group, **wanted)) as stream:
        events = iter(stream)
        assert next(events)["sessionStart"]["logEventFilterPattern"] == pattern
        put(logs, group, "other/x", '{"level": "ERROR", "of": "other"}')
        put(logs, group, "app/old", '{"level": "INFO"}', '{"level": "ERROR"}')
        put(logs, group, "app/old", '{"level": "ERROR", "n": 2}')
        assert until(events, 2) == ['{"level": "ERROR"}', '{"level": "ERROR", "n": 2}']


def test_of_too_many_events_a_sample_is_sent(logs, group):
    with closing(tail(logs, group)) as stream:
        events = iter(stream)
        next(events)
        put(logs, group, "app/old", *[f"{number}" for number in range(501)])
        update = next(
            event["sessionUpdate"]
            for event in itertools.islice(events, 10)
            if event["sessionUpdate"]["sessionResults"]
        )
    assert (update["sessionMetadata"]["sampled"], len(update["sessionResults"])) == (True, 500)


def test_a_session_ends_after_its_time(logs, group, monkeypatch):
    monkeypatch.setattr(live_tail, "LONGEST_SECONDS", 0.5)
    with closing(tail(logs, group)) as stream, pytest.raises(EventStreamError, match="timed out"):
        list(itertools.islice(stream, 5))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"logEventFilterPattern": "{ $.a"}, "InvalidParameterException"),
        ({"logGroupIdentifiers": [arn("/ecs/nothing")]}, "ResourceNotFoundException"),
        ({"logGroupIdentifiers": ["/ecs/by-name"]}, "InvalidParameterException"),
        ({"logGroupIdentifiers": [arn("/ecs/x") + ":*"]}, "InvalidParameterException"),
        ({"logStreamNames": ["a"], "logStreamNamePrefixes": ["b"]}, "InvalidParameterException"),
    ],
)
def test_what_makes_no_session_is_refused(logs, group, change, code):
    with pytest.raises(ClientError) as refused:
        logs.start_live_tail(**{"logGroupIdentifiers": [arn(group)], **change})
    assert refused.value.response["Error"]["Code"] == code


def test_several_groups_are_followed_at_once_and_no_other_one(logs, group):
    second, third = f"{group}-second", f"{group}-third"
    for name in (second, third):
        logs.create_log_group(logGroupName=name)
        logs.create_log_stream(logGroupName=name, logStreamName="app/x")
    both = [arn(group), arn(second)]
    with pytest.raises(ClientError, match="only be used with a single log group"):
        logs.start_live_tail(logGroupIdentifiers=both, logStreamNames=["app/x"])
    with closing(logs.start_live_tail(logGroupIdentifiers=both)["responseStream"]) as stream:
        events = iter(stream)
        next(events)
        put(logs, third, "app/x", "third")
        put(logs, group, "app/old", "first")
        put(logs, second, "app/x", "second")
        assert sorted(until(events, 2)) == ["first", "second"]


def test_other_calls_are_answered_while_somebody_listens_and_leaving_ends_the_session(logs, group):
    before = threading.active_count()
    with closing(tail(logs, group)) as stream:
        next(iter(stream))
        assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.1)
    assert threading.active_count() <= before


PLAIN = """
import boto3, json, sys
stream = boto3.client("logs").start_live_tail(logGroupIdentifiers=[sys.argv[1]])["responseStream"]
print(json.dumps(next(iter(stream)), default=str))
"""


def test_a_plain_client_in_the_local_cloud_s_shell_reaches_it(calls, group, tmp_path):
    """Without the shell's variable boto3 asks the host stream-127.0.0.1, which does not exist."""
    environment = led_to_local_cloud(calls.endpoint, REGION, tmp_path / "cloud.json")
    command = [sys.executable, "-c", PLAIN, arn(group)]
    found = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(found.stdout)["sessionStart"]["logGroupIdentifiers"] == [arn(group)]
    del environment["AWS_DISABLE_HOST_PREFIX_INJECTION"]
    lost = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "stream-127.0.0.1" in lost.stderr


def test_stopping_the_api_ends_the_sessions(logs, group):
    with closing(tail(logs, group)) as stream:
        events = iter(stream)
        next(events)
        live_tail.stop()
        try:
            assert list(itertools.islice(events, 5)) == []
        finally:
            live_tail.install()
