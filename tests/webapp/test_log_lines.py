"""Every line on stdout is one JSON object with what one searches for."""

import json
import logging
import threading
import time

import pytest

from webapp import logs
from webapp.logs import Access, Sink

AT = 1764030434.288


@pytest.fixture
def sink() -> Sink:
    return Sink()


def access(**changed: object) -> Access:
    given = {
        "level": "info",
        "at": AT,
        "request_id": "00ff",
        "trace_id": "",
        "method": "GET",
        "path": "/",
        "status": 200,
        "duration": 0.0012345,
    }
    return Access(**(given | changed))  # type: ignore[arg-type]


def test_a_request_is_one_object() -> None:
    assert json.loads(access(trace_id="Root=1-5f-ab", path='/a"\n\\é').line()) == {
        "time": "2025-11-25T00:27:14.288Z",
        "level": "info",
        "message": "request",
        "request_id": "00ff",
        "method": "GET",
        "path": '/a"\n\\é',
        "status": 200,
        "duration_ms": 1.23,
        "trace_id": "Root=1-5f-ab",
    }


def test_a_request_without_a_trace_id_has_no_such_field() -> None:
    assert "trace_id" not in json.loads(access().line())


def test_a_record_is_one_object_with_its_fields_and_the_request_s_id() -> None:
    record = logging.LogRecord("webapp.x", logging.WARNING, "f", 1, "%s of %s", (1, 2), None)
    record.created = AT
    record.fields = {"lines": 3, "host": "db"}
    token = logs.request_id.set("00ff")
    try:
        line = logs.JsonFormatter().format(record)
    finally:
        logs.request_id.reset(token)
    assert json.loads(line) == {
        "time": "2025-11-25T00:27:14.288Z",
        "level": "warning",
        "message": "1 of 2",
        "logger": "webapp.x",
        "request_id": "00ff",
        "lines": 3,
        "host": "db",
    }


def test_lines_are_written_at_once_before_the_thread_and_all_of_them_at_its_end(
    sink: Sink, capfd: pytest.CaptureFixture[str]
) -> None:
    sink.put("first")
    assert capfd.readouterr().out == "first\n"
    sink.start()
    for number in range(500):
        sink.put(str(number))
    sink.stop()
    assert capfd.readouterr().out.split() == [str(number) for number in range(500)]
    sink.put("last")
    assert capfd.readouterr().out == "last\n"


def test_a_line_waits_only_a_moment(sink: Sink, capfd: pytest.CaptureFixture[str]) -> None:
    sink.start()
    try:
        for text in ("one", "two"):
            sink.put(text)
            time.sleep(logs.BATCH_SECONDS + 0.2)
            assert capfd.readouterr().out == f"{text}\n"
    finally:
        sink.stop()


def test_what_is_too_much_is_dropped_and_counted(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_WAITING", 3)
    stuck = threading.Event()
    written: list[list[str]] = []

    def write(lines: list[str]) -> None:
        written.append(lines)
        if len(written) == 1:
            stuck.wait(5)

    monkeypatch.setattr(logs, "_write", write)
    try:
        sink.start()
        sink.put("a")
        time.sleep(logs.BATCH_SECONDS + 0.1)
        for text in "bcdefg":
            sink.put(text)
        stuck.set()
        time.sleep(2 * logs.BATCH_SECONDS + 0.2)
    finally:
        stuck.set()
        sink.stop()
    (told,) = written.pop(1)
    assert written == [["a"], ["b", "c", "d"]]
    assert json.loads(told)["lines"] == 3


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize("level", ["debug", "info", "error"])
def test_no_library_that_logs_secrets_logs_at_debug(level: str) -> None:
    logs.configure(level)
    for name in ("botocore.parsers", "boto3", "urllib3.connectionpool"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
    assert logging.getLogger("webapp").isEnabledFor(logging.DEBUG) == (level == "debug")


@pytest.mark.usefixtures("logging_restored")
def test_an_exception_that_nobody_catches_in_a_thread_is_one_line(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logs.configure("info")
    thread = threading.Thread(target=lambda: 1 // 0)
    thread.start()
    thread.join()
    said = json.loads(capfd.readouterr().out)
    assert said["message"] == "uncaught exception in a thread"
    assert said["traceback"].endswith("ZeroDivisionError: integer division or modulo by zero")
