"""A secret is written in no form in which it could be read back."""

import json
import logging
import traceback
from urllib.parse import quote, quote_plus

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from webapp import logs

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
def test_it_is_masked_in_every_form(text: str) -> None:
    redacted = logs.redact(f"before {text} after")
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    assert "[redacted]" in redacted
    for part in ("p'w", "%27w", "秘", "\\u79d8", "%E7%A7%98"):
        assert part not in redacted


def test_other_text_stays() -> None:
    assert logs.redact("pw d 秘密") == "pw d 秘密"


def test_several_secrets_are_masked_the_longer_first() -> None:
    logs.hide("alpha")
    logs.hide("alpha-beta")
    assert logs.redact("alpha-beta alpha") == "[redacted] [redacted]"


def test_nothing_is_hidden_by_an_empty_secret() -> None:
    logs.hide("")
    assert logs.redact("text") == "text"


@settings(max_examples=20)
@given(st.text(min_size=4), st.text(), st.text())
def test_no_secret_is_left_in_any_surroundings(secret: str, before: str, after: str) -> None:
    logs.hide(secret)
    assert secret not in logs.redact(before + secret + after).replace(logs.MASK, "\0")


def test_a_log_line_has_no_secret_in_message_fields_or_traceback() -> None:
    def fails(password: str) -> None:
        raise psycopg.OperationalError(f"cannot connect with {make_conninfo(password=password)}")

    try:
        fails(SECRET)
    except psycopg.OperationalError as error:
        record = logging.LogRecord(
            "webapp", logging.ERROR, __file__, 1, "it is %r", (SECRET,), _info(error)
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


def _info(error: Exception) -> tuple[type[Exception], Exception, object]:
    assert traceback.format_exception(error)
    return type(error), error, error.__traceback__
