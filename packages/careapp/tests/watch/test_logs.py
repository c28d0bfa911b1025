"""The log: which lines are searched, followed and shown, and how."""

import json
import time
import weakref
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.logs.exceptions import InvalidParameterException
from moto.logs.models import LogsBackend, LogStream

from careapp.watch import events, logs
from careapp.watch.logs import LogEvent, LogQuery, LogScreen
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.text.masking import visible
from tests.conftest import NAMES, client


class Written:
    """A session over a log that is given as ages in seconds, which answers in pages of some lines."""

    def __init__(self, *ages, page=7):
        self.stamps = sorted(int((time.time() - age) * 1000) for age in ages)
        self.page, self.asked, self.read = page, [], 0

    def call(self, _service, operation, **_params):
        assert operation == "describe_log_streams"
        return {"logStreams": []}

    def pages(self, _service, operation, **params):
        assert operation == "filter_log_events"
        self.asked.append(params)
        begin, end = params["startTime"], params.get("endTime", 10**15)
        chosen = [stamp for stamp in self.stamps if begin <= stamp <= end]
        yield {"events": []}
        while chosen:
            page, chosen = chosen[: self.page], chosen[self.page :]
            self.read += len(page)
            yield {"events": [event(line) for line in page]}


def event(stamp):
    return {
        "timestamp": stamp, "logStreamName": f"app/app/{'a' * 32}", "message": str(stamp),
        "eventId": str(stamp),
    }  # fmt: skip


def last(session, most, **wanted):
    return [line.text for line in logs.read(session, NAMES, LogQuery(last=most, **wanted))]


@given(st.lists(st.floats(0, 9), max_size=60), st.integers(1, 70))
def test_the_last_lines_are_found_however_old_they_are_each_once_and_in_order(powers, most):
    session = Written(*(10**power for power in powers))
    assert last(session, most, pattern="x") == [str(stamp) for stamp in session.stamps[-most:]]


def test_a_line_between_two_spans_is_neither_missed_nor_shown_twice(monkeypatch):
    now = datetime.now(UTC).replace(microsecond=0)
    monkeypatch.setattr(logs.Search, "newest", lambda _: now)
    session = Written()
    edge = int((now - logs.SPANS[0]).timestamp() * 1000)
    session.stamps = [edge - 1, edge, edge + 1]
    assert last(session, 9) == [str(stamp) for stamp in session.stamps]


def test_a_log_of_a_year_is_not_read_for_its_last_lines():
    begun = time.time()
    session = Written(*range(1, 100), *(86400 * day for day in range(1, 365)))
    assert len(last(session, 20, pattern="x")) == 20
    [asked] = session.asked
    assert asked["startTime"] > (begun - 61) * 1000


def test_no_more_lines_are_held_than_requested(monkeypatch):
    held, line = weakref.WeakSet(), logs._line
    most = []

    def counted(raw):
        made = line(raw)
        held.add(made)
        most.append(len(held))
        return made

    monkeypatch.setattr(logs, "_line", counted)
    found = last(Written(*(number / 100 for number in range(3000)), page=100), 10, pattern="x")
    assert (len(found), max(most) <= 12) == (10, True)
    session = Written(*range(1, 500), page=100)
    next(iter(logs.read(session, NAMES, LogQuery(since=timedelta(hours=1)))))
    assert session.read == 100


@pytest.fixture
def asked(monkeypatch):
    """The time from which each search of the log is asked for."""
    found, search = [], LogsBackend.filter_log_events
    monkeypatch.setattr(
        LogsBackend,
        "filter_log_events",
        lambda self, *given: (found.append(given[2]), search(self, *given))[1],
    )
    return found


@pytest.fixture
def put(stack):
    """Write lines into a task's stream, each so many minutes ago."""
    logs, group = client("logs"), stack.log_group
    logs.delete_log_group(logGroupName=group)
    logs.create_log_group(logGroupName=group)

    def put(task, *lines, process="app"):
        place = {"logGroupName": group, "logStreamName": f"{process}/app/{task}"}
        logs.create_log_stream(**place)
        events = [
            {"timestamp": int((time.time() - 60 * ago) * 1000), "message": text}
            for ago, text in lines
        ]
        logs.put_log_events(**place, logEvents=events)

    return put


def test_a_running_task_is_found_though_the_time_of_its_stream_lags(run, put, monkeypatch):
    """LastEventTime "typically updates in less than an hour" (API reference, LogStream)."""
    for number in range(60):
        put(f"{number:032}", (30 + number, "crashed"))
    put("f" * 32, (1, "serving"))
    told = LogStream.to_describe_dict

    def lags(stream):
        late = {"lastEventTimestamp": 1} if stream.log_stream_name.endswith("f") else {}
        return told(stream) | late

    monkeypatch.setattr(LogStream, "to_describe_dict", lags)
    assert run("logs", "-n", "3")[1].endswith("ffffffff serving\n")
    assert run("logs", "--task", "fff")[1].endswith("ffffffff serving\n")
    code, shown, complaint = run("logs", "--task", "zzz")
    assert (code > 0, shown) == (True, "")
    assert "There is no log of a task whose id begins with zzz." in complaint


def test_events_since_a_time_search_the_log_only_since_then(stack, put, asked, run):
    put("a" * 32, (5, "young"))
    put("b" * 32, (50, "old"))
    begun = time.time()
    code, shown, _ = run("events", "--logs", "--since", "10m")
    assert (code, "young" in shown, "old" in shown) == (0, True, False)
    assert min(asked) >= (begun - 24 * 3600) * 1000


def test_a_timeline_keeps_the_last_lines_of_a_long_log():
    session = Written(*range(2000), page=500)
    found = events._lines(session, NAMES, None)
    assert [str(line.text) for line in found] == [
        str(stamp) for stamp in session.stamps[-events.LOG_LINES :]
    ]


def test_logs_of_all_tasks_are_in_one_order_and_for_scripts_an_object_a_line(run, put):
    put("a" * 32, (59, "one"), (57, "three"))
    put("b" * 32, (58, "two"))
    shown = [line.split(" ", 2)[2] for line in run("logs")[1].splitlines()]
    assert shown == ["aaaaaaaa one", "bbbbbbbb two", "aaaaaaaa three"]
    found = [json.loads(line) for line in run("logs", "--json")[1].splitlines()]
    assert [list(line) for line in found] == [["time", "task", "message"]] * 3
    assert [line["message"] for line in found] == ["one", "two", "three"]


def test_a_log_line_that_is_json_is_an_object_itself():
    each = LogEvent(datetime(2026, 1, 2, tzinfo=UTC), "b" * 32, '{"level": "info"}\n')
    assert json.loads(next(LogScreen(as_json=True).lines([each], lambda: None)).text) == {
        "time": "2026-01-02T00:00:00+00:00",
        "task": "b" * 32,
        "message": {"level": "info"},
    }


@pytest.mark.parametrize(
    "command",
    [
        *("logs", "logs --json", "events --logs", "events --logs --json"),
        *("logs --raw", "logs --json --raw"),
    ],
)
def test_line_of_the_log_shows_no_secret_and_does_not_drive_the_terminal(run, put, command):
    put("a" * 32, (59, "refused: redis://app:p9w@h/0"), (58, '{"token": 7777, "level": "info"}'))
    put("c" * 32, (1, "one\x1b]0;title\x07 \u202etxt.exe \x9b2J"))
    shown = run(*command.split())[1]
    assert r"one\u001b]0;title\u0007 \u202etxt.exe \u009b2J" in shown.replace("\\\\", "\\")
    assert visible(shown) == shown
    masked = "redis://app:***@h/0" in shown and "p9w" not in shown and "7777" not in shown
    assert masked is ("--raw" not in command)


def test_a_private_key_in_the_log_is_masked_while_another_task_logs_in_between(run, put):
    put("a" * 32, (59, "-----BEGIN PRIVATE KEY-----"), (57, "bm9uZQ=="), (55, "-----END X-----"))
    put("b" * 32, (58, "bm9uZQ=="))
    shown = [line.split(" ", 2)[2] for line in run("logs")[1].splitlines()]
    assert shown[1:3] == ["bbbbbbbb bm9uZQ==", "aaaaaaaa ***"]


def test_logs_are_limited_filtered_and_chosen(run, put):
    put("a" * 32, (59, "one"), (58, "two"))
    put("b" * 32, (57, "two again"))
    assert run("logs", "-n", "1")[1].endswith("bbbbbbbb two again\n")
    assert run("logs", "--task", "aa", "-n", "1")[1].endswith("aaaaaaaa two\n")
    assert len(run("logs", "--filter", "two")[1].splitlines()) == 2
    assert len(run("logs", "--since", "58m")[1].splitlines()) == 1
    assert len(run("logs", "--since", "2h")[1].splitlines()) == 3


def test_the_log_of_a_worker_has_its_lines_only(run, put, folder):
    declared = "  careapp:workers:\n    mail: {command: sleep 1}\n    mailing: {command: sleep 1}\n"
    with (folder / "Pulumi.poc.yaml").open("a") as file:
        file.write(declared)
    put("a" * 32, (59, "of the page"))
    put("b" * 32, (58, "of the worker"), process="worker-mail")
    put("c" * 32, (57, "of another one"), process="worker-mailing")
    [line] = run("logs", "--worker", "mail")[1].splitlines()
    assert line.endswith(" bbbbbbbb of the worker")
    assert run("logs", "--worker", "mail", "--task", "a")[1] == ""
    code, _, complaint = run("logs", "--worker", "post")
    words = "careapp: There is no worker 'post'; the stack file has: mail, mailing.\n"
    assert (code, complaint) == (2, words)


def test_a_bad_filter_is_one_sentence_with_aws_s_words_and_a_way_out(run, put, monkeypatch):
    put("a" * 32, (59, "one"))
    asked = []

    def refuse(self, *given):
        asked.extend(given)
        raise InvalidParameterException(msg="Invalid character(s) in term ':'")

    monkeypatch.setattr(LogsBackend, "filter_log_events", refuse)
    code, shown, complaint = run("logs", "--filter", "level:ERROR")
    assert "level:ERROR" in asked
    assert (code, shown) == (2, "")
    assert complaint == (
        "careapp: --filter level:ERROR is not a filter pattern of CloudWatch Logs (Invalid character(s) "
        "in term ':'). Put terms with characters other than letters, digits and _ in double quotes, "
        """as in '"went away" -retry', or match fields: '{ $.level = "error" }'.\n"""
    )


@pytest.mark.parametrize(
    ("query", "first"),
    [
        (LogQuery(since=timedelta(hours=5)), ["one", "two"]),
        (LogQuery(last=2), ["one", "two"]),
        (LogQuery(last=1), ["two"]),
    ],
)
def test_following_shows_the_last_lines_and_each_new_one_once(put, session, query, first):
    """However long ago the last lines were written; what came before them is not shown later."""
    put("a" * 32, (200, "one"), (100, "two"))
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 1:
            put("b" * 32, (1.1, "late"))
        if len(slept) == 3:
            raise KeyboardInterrupt

    seen = []
    found = logs.follow(session, NAMES, query, sleep)
    with pytest.raises(KeyboardInterrupt):
        seen.extend(line.text for line in found)
    assert seen == [*first, "late"]


def test_following_begins_again_where_its_first_call_was_throttled(put, session, monkeypatch):
    put("a" * 32, (200, "one"))
    read, throttled = logs.read, AwsProblem("throttled", "", "")

    def once(*_):
        monkeypatch.setattr(logs, "read", read)
        raise throttled

    monkeypatch.setattr(logs, "read", once)
    waits = iter([None])
    found = logs.follow(session, NAMES, LogQuery(), lambda _: next(waits))
    assert next(found).text == "one"


@pytest.mark.parametrize(("pattern", "days"), [("refused", 1), ("", 30_000)])
def test_following_looks_for_a_pattern_in_the_last_day_alone(pattern, days):
    session, begun = Written(), time.time()

    def stop(_seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(logs.follow(session, NAMES, LogQuery(pattern=pattern), stop))
    first = min(asked["startTime"] for asked in session.asked)
    earliest, latest = (max(at - 86400 * days, 0) for at in (begun, time.time()))
    assert earliest - 0.001 <= first / 1000 <= latest
