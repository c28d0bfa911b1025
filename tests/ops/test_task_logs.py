"""A running task's log: of what it says of its database the newest word counts."""

from datetime import UTC, datetime, timedelta

import pytest

from ops.doctor.diagnose import judge
from ops.snapshot import task_logs
from ops.snapshot.task_logs import Line, Logs
from ops.watch.logs import stream_end
from tests.ops import stacks as a
from tests.ops.conftest import NAMES, client
from tests.ops.situations import MIGRATED, UNMIGRATED

GROUP, STREAM = "/ecs/of-a-test", "app/app/{}"
LOST = '{"level": "error", "message": "database away", "reason": "connection timeout expired"}'
FOUND = '{"level": "info", "message": "database connected"}'
HALF = task_logs.HEAD
BEGUN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
"""CloudWatch Logs takes no line of another year."""


@pytest.fixture(scope="module")
def written(account):
    """Writes a task's log of so many lines, some of them given by number, and reads it."""
    logs = client("logs")
    logs.create_log_group(logGroupName=GROUP)
    begin = int(BEGUN.timestamp() * 1000)

    def write(session, name, count, **said):
        stream = STREAM.format(name * 32)
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        lines = {int(key[1:]): words for key, words in said.items()}
        events = [
            {"timestamp": begin + 1000 * each, "message": lines.get(each, f"line {each}")}
            for each in range(count)
        ]
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)
        main = a.definition(log_group=GROUP)
        found = task_logs.logs(session, GROUP, [a.task(name * 32)], {a.NEW: main})
        resumed = found.resumed.get(name * 32)
        return Logs(
            group=GROUP,
            exists=True,
            lines={"a" * 32: found.lines[name * 32]},
            resumed={"a" * 32: resumed} if resumed else {},
        )

    return write


def causes(logs):
    return [each.id for each in judge(a.stack(logs=logs)).causes]


def test_what_the_gap_between_head_and_tail_took_back_is_no_cause(written, session):
    logs = written(session, "b", 400, n10=LOST, n200=FOUND)
    assert [each.text for each in logs.lines["a" * 32]].count(FOUND) == 1
    assert causes(logs) == []


def test_what_was_never_taken_back_stays_a_cause(written, session):
    assert causes(written(session, "c", 400, n10=LOST)) == ["app-database-timeout"]
    assert causes(written(session, "d", 400, n10=LOST, n150=FOUND, n200=LOST)) == [
        "app-database-timeout"
    ]
    assert causes(written(session, "e", 400, n10=FOUND, n390=LOST)) == ["app-database-timeout"]


def test_a_failed_migration_of_the_head_is_looked_for_in_the_gap_too(written, session):
    assert causes(written(session, "11", 400, n10=UNMIGRATED, n200=MIGRATED)) == []
    assert causes(written(session, "12", 400, n10=UNMIGRATED)) == ["app-cannot-migrate"]
    both = written(session, "13", 400, n9=LOST, n10=UNMIGRATED, n200=MIGRATED, n390=FOUND)
    assert causes(both) == []


def test_the_gap_is_asked_for_only_where_it_matters(written, session, monkeypatch):
    asked = []
    all_ = type(session).all
    monkeypatch.setattr(
        type(session),
        "all",
        lambda self, service, operation, *rest, **more: (
            asked.append(operation),
            all_(self, service, operation, *rest, **more),
        )[1],
    )
    written(session, "f", 400, n10=FOUND)
    written(session, "0", 400, n10=LOST, n20=FOUND)
    written(session, "1", 400, n10=LOST, n399=FOUND)
    written(session, "2", 2 * HALF - 1, n10=LOST)
    assert "filter_log_events" not in asked
    written(session, "3", 400, n10=LOST)
    assert "filter_log_events" in asked


def test_where_head_and_tail_meet_no_line_is_missing_or_double(written, session):
    for name, count in (("4", HALF - 1), ("5", HALF), ("6", HALF + 1), ("7", 2 * HALF - 1)):
        logs = written(session, name, count)
        assert [each.text for each in logs.lines["a" * 32]] == [f"line {n}" for n in range(count)]
        assert logs.resumed == {}
    assert written(session, "8", 400).resumed == {"a" * 32: BEGUN + timedelta(seconds=400 - HALF)}


def test_an_error_before_a_gap_that_nothing_would_take_back_does_not_count():
    error = 'FATAL: password authentication failed for user "postgres"'
    lines = (Line(a.at(0), error), Line(a.at(100), "fine"))
    held = Logs(group="x", exists=True, lines={"a" * 32: lines})
    assert causes(held) == ["app-wrong-password"]
    assert causes(Logs(group="x", exists=True, lines={"a" * 32: lines},
                       resumed={"a" * 32: a.at(100)})) == []  # fmt: skip


class Paged:
    """A session over one stream, whose pages may be empty though more follow (API reference, GetLogEvents)."""

    def __init__(self, *pages, ends=True):
        self.book, self.asked, self.ends = pages, 0, ends

    def all(self, *_, **__):
        return [{"logGroupName": GROUP}]

    def call(self, _service, operation, startFromHead=False, nextToken=None, limit=0, **_):
        assert operation == "get_log_events"
        self.asked += 1
        pages = [*self.book] if startFromHead else [*reversed(self.book)]
        at = int(nextToken or 0)
        page = pages[at] if at < len(pages) else []
        token = str(at if self.ends and at >= len(pages) else at + 1)
        events = page[:limit] if startFromHead else page[-limit:]
        return {"events": events, "nextForwardToken": token, "nextBackwardToken": token}


def page(*numbers):
    return [{"timestamp": 1000 * each, "message": f"line {each}"} for each in numbers]


def read(session):
    found = task_logs.logs(session, GROUP, [a.task()], {a.NEW: a.definition(log_group=GROUP)})
    return [each.text for each in found.lines[a.task().id]]


def test_an_empty_page_is_not_the_end_of_a_stream():
    session = Paged([], page(1, 2), [], [], page(3), [])
    assert read(session) == ["line 1", "line 2", "line 3"]
    assert session.asked == 7


def test_the_crash_at_the_end_is_read_behind_empty_pages():
    session = Paged(page(*range(50)), [], page(*range(50, 300)), [], [])
    lines = read(session)
    assert lines[:HALF] == [f"line {each}" for each in range(HALF)]
    assert lines[-HALF:] == [f"line {each}" for each in range(300 - HALF, 300)]
    assert len(lines) == 2 * HALF


def test_the_last_lines_of_a_task_are_read_behind_empty_pages():
    session = Paged(page(1, 2), [], page(3), [])
    assert [each.text for each in stream_end(session, NAMES, "app/app/x", 2)] == [
        "line 2",
        "line 3",
    ]


def test_a_stream_of_nothing_but_empty_pages_comes_to_an_end():
    session = Paged(ends=False)
    assert read(session) == []
    assert session.asked <= 2 * task_logs.PAGES


def test_a_head_that_is_not_found_does_not_hide_the_tail():
    session = Paged(*[[]] * 2 * task_logs.PAGES, page(1))
    assert read(session) == ["line 1"]
