"""Every line on stdout is one JSON object with what one searches for."""

import json
import logging
import threading

import pytest

from tests.webapp.conftest import MakeApp
from webapp import logs

AT = 1764030434.288


def test_a_record_is_one_object_with_its_fields() -> None:
    record = logging.LogRecord("webapp.x", logging.WARNING, "f", 1, "%s of\n%s", (1, 2), None)
    record.created = AT
    record.lines, record.host, record.up = 3, "db", True  # type: ignore[attr-defined]
    line = logs.Formatter().format(record)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2025-11-25T00:27:14.288000Z",
        "level": "warning",
        "message": "1 of\n2",
        "logger": "webapp.x",
        "lines": 3,
        "host": "db",
        "up": True,
    }


def test_a_request_is_one_line_with_the_id_that_the_client_is_told(
    make_app: MakeApp, capfd: pytest.CaptureFixture[str]
) -> None:
    client = make_app().test_client()
    given = {"X-Amzn-Trace-Id": 'Root=1-67-ab;Parent=5 bad"chars'}
    answer = client.get('/a"é?token=canary', headers=given)
    [line] = [each for each in capfd.readouterr().out.splitlines() if "request_id" in each]
    said = json.loads(line)
    assert 0 < said.pop("duration_ms") < 1000
    del said["time"]
    assert said == {
        "level": "info",
        "message": "request",
        "logger": "webapp.logs",
        "request_id": answer.headers["X-Request-ID"],
        "trace_id": "Root=1-67-ab;Parent=5badchars",
        "method": "GET",
        "path": '/a"é',
        "status": 404,
    }


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
