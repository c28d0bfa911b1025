"""Log lines, and the redaction of secrets in them."""

import json
import logging
import sys
import threading
import time
from urllib.parse import quote, quote_plus

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from webapp import db, logs

AT = 1764030434.288


def test_a_record_is_one_object_with_its_fields():
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


def test_a_request_is_one_line_with_the_id_that_the_client_is_told(make_app, capfd):
    app = make_app()
    given = {"X-Amzn-Trace-Id": 'Root=1-67-ab;Parent=5 bad"chars'}
    begun = time.monotonic()
    answer = app.test_client().get('/a"é?token=canary', headers=given)
    waited = (time.monotonic() - begun) * 1000
    # capfd rewinds the file to read it: a line written by a thread meanwhile would overwrite this one.
    assert db.of(app).migrator.done.wait(60)
    [line] = [each for each in capfd.readouterr().out.splitlines() if "request_id" in each]
    said = json.loads(line)
    assert waited / 500 < said.pop("duration_ms") <= waited
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
def test_no_library_that_logs_secrets_logs_at_debug(level):
    logs.configure(level)
    for name in ("botocore.parsers", "boto3", "urllib3.connectionpool"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
    assert logging.getLogger("webapp").isEnabledFor(logging.DEBUG) == (level == "debug")


@pytest.mark.usefixtures("logging_restored")
def test_an_exception_that_nobody_catches_in_a_thread_is_one_line(capfd):
    logs.configure("info")
    thread = threading.Thread(target=lambda: 1 // 0)
    thread.start()
    thread.join()
    said = json.loads(capfd.readouterr().out)
    assert said["message"] == "uncaught exception in a thread"
    assert said["traceback"].endswith("ZeroDivisionError: integer division or modulo by zero")


SECRET = "p'w\"\\d/+ 秘%&"


@pytest.fixture(autouse=True)
def _hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_forms", set())
    monkeypatch.setattr(logs, "_pattern", None)
    logs.hide(SECRET)


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        repr(SECRET),
        ascii(SECRET),
        json.dumps(SECRET),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        make_conninfo("", password=SECRET),
    ],
)
def test_it_is_masked_in_every_form(text):
    redacted = logs.redact(f"before {text} after")
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert "[redacted]" in redacted
    for part in ("p'w", "%27w", "秘", "\\u79d8", "%E7%A7%98"):
        assert part not in redacted


def test_the_longer_of_two_secrets_is_masked_first_and_other_text_stays():
    for secret in ("alpha", "alpha-beta", ""):
        logs.hide(secret)
    assert logs.redact("alpha-beta alpha pw d 秘密") == "[redacted] [redacted] pw d 秘密"


@pytest.mark.slow
@settings(max_examples=20)
@given(st.text(min_size=4), st.text(), st.text())
def test_no_secret_is_left_in_any_surroundings(secret, before, after):
    logs.hide(secret)
    assert secret not in logs.redact(before + secret + after).replace(logs.MASK, "\0")


def test_a_log_line_has_no_secret_in_message_fields_or_traceback():
    def fails(password):
        raise psycopg.OperationalError(f"cannot connect with {make_conninfo(password=password)}")

    try:
        fails(SECRET)
    except psycopg.OperationalError:
        record = logging.LogRecord(
            "webapp", logging.ERROR, __file__, 1, "it is %r", (SECRET,), sys.exc_info()
        )
    record.given = SECRET
    line = logs.Formatter().format(record)
    said = json.loads(line)
    assert said["message"] == "it is '[redacted]'"
    assert said["given"] == "[redacted]"
    assert said["traceback"].splitlines()[-1] == (
        "psycopg.OperationalError: cannot connect with password='[redacted]'"
    )
    assert "\n" not in line
