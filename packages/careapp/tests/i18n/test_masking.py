"""What leaves careapp shows no secret that is written in a usual way, and everything else as it is.

masked_lines.json has lines as frameworks, servers and AWS write them; ¤ stands for the secret. Most are what these
versions print: SQLAlchemy 2.1.9, Alembic 1.20.1, psycopg 3.3.9, psycopg2 2.9.13, asyncpg 0.32.0, Django 5.2.19,
pydantic 2.14.4, requests 2.34.2, httpx 0.28.1, boto3 1.44.8, kombu 5.7.0, Flask 3.1.3.
"""

import base64
import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_gate.text import t, verbatim
from ecs_gate.text.masking import MASK, mask, mask_data, mask_lines
from tests import catalogues

LINES = json.loads(Path(__file__).with_name("masked_lines.json").read_text())
URLS, NAMED, TOKENS = (LINES[kind] for kind in ("URLS", "NAMED", "TOKENS"))
WHOLE = {**URLS, **NAMED, **TOKENS}
BASE64 = [
    base64.b64encode(f"{before}password=Kx7pW9qz".encode()).decode() for before in ("", "x", "xy")
]
AWS4 = (
    "AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261128/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature="
)
PARTS = [
    *LINES["PARTS"].values(),
    *((f"body {whole} was refused", whole[-12:]) for whole in BASE64),
    *((line.replace("¤", secret), secret) for line, secret in (
        (f"Authorization: {AWS4}¤{'0a1b2c3d' * 7}", "0a1b2c3d"),
        ("key ¤ is not active", "ASIAIOSFODNN7EXAMPLE"),
        ("got eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.¤", "hpRHIctdxFmV6IhdLVa8fcyuxToih"),
        ("remote: ghp_¤ was revoked", "a1B2" * 9),
        ("Invalid API Key provided: sk_" + "live_¤", "a1B2" * 6),
    )),
]  # fmt: skip
"""Lines with what must be gone of them; those that scanners of repositories take for secrets are put together here."""
NOT_OF_RDS = "/'\"@\\"
"""RDS accepts none of these in a password (API reference, CreateDBInstance); JSON doubles the backslash."""
PRINTABLE = [char for char in string.printable if char not in string.whitespace + NOT_OF_RDS]
LETTERS = string.ascii_letters + string.digits + "-._~"


def passwords(letters):
    """Passwords of eight characters and more, the least of RDS, that are no word and no number."""
    return st.text(letters, min_size=8, max_size=40).map(lambda text: f"q{text[:4]}7{text[4:]}Z")


@pytest.mark.parametrize("line", WHOLE.values(), ids=WHOLE)
@given(data=st.data())
def test_no_password_is_left_of_a_line(line, data):
    secret = data.draw(passwords(LETTERS if line in TOKENS.values() else PRINTABLE))
    shown = mask(line.replace("¤", secret))
    assert secret not in shown
    assert secret[:6] not in shown
    assert secret[-6:] not in shown
    assert mask(shown) == shown


@pytest.mark.parametrize(("line", "secret"), PARTS)
def test_a_part_of_a_secret_is_masked(line, secret):
    assert secret in line
    assert secret not in mask(line)
    assert mask(mask(line)) == mask(line)


@pytest.mark.parametrize("line", LINES["KEPT"])
def test_what_is_no_secret_stays(line):
    assert mask(line) == line
    assert "\n".join(mask_lines(line.split("\n"))) == line


def test_the_rest_of_a_line_stays():
    assert mask(URLS["environment"].replace("¤", "x9")) == (
        "DATABASE_URL=postgresql://postgres:***@db.example:5432/careapp?sslmode=require"
    )
    assert mask(TOKENS["Flask, Set-Cookie"]) == "Set-Cookie: session=***; HttpOnly; Path=/"
    assert mask(NAMED["libpq"]) == "host=db.example user=postgres password=*** dbname=careapp"


@pytest.mark.slow
@given(st.text())
def test_masking_twice_changes_no_more(text):
    assert mask(mask(text)) == mask(text)


def test_careapp_s_own_messages_stay():
    entries = [message for file in catalogues.catalogues() for message in catalogues.read(file)]
    # In a help text click has a backspace before a paragraph that it leaves as it is.
    texts = [str(text).replace("\b", "") for entry in entries for text in (entry.id, entry.string)]
    assert [text for text in texts if mask(text) != text] == []


KEY = [
    "-----BEGIN RSA PRIVATE KEY-----",
    "MIIEpAIBAAKCAQEA3Tz2mr7SZiAMfQyuvBjM9Oi8t4PJEfx7ptVTBp2hkUHb8ZGs",
    "vbdI7t3Ox+Hcc6tfcKSHmTN/hdbRtVoQHxUMr0gL6tPXPS6NTyoFp4zKPsgMS4wQ",
    "aGzUAQ==",
    "-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("gap", ["\n", "\\n", "\\r\\n", "\\\\n", " "])
@pytest.mark.parametrize("last", [len(KEY), 3])
def test_a_private_key_is_masked_also_where_its_end_is_cut_off(gap, last):
    shown = mask(f'{{"key": "{gap.join(KEY[:last])}"}}')
    assert KEY[0] in shown
    assert [line for line in KEY[1:4] if line in shown] == []


def test_a_private_key_over_lines_of_the_log_is_masked_and_the_lines_around_it_stay():
    shown = list(mask_lines(["starting", *KEY, "started", "abcd"]))
    assert shown == ["starting", KEY[0], MASK, MASK, MASK, KEY[4], "started", "abcd"]
    digest = "0a1b2c3d" * 8
    assert list(mask_lines([KEY[1], digest])) == [MASK, digest], "its beginning was not read"


@pytest.mark.parametrize("lines", [['{"password":', '"Kx7pW9qz"}'], ["password:", "  Kx7pW9qz"]])
def test_a_value_on_the_line_after_its_name_is_masked(lines):
    shown = list(mask_lines(lines))
    assert shown[0] == lines[0]
    assert "Kx7pW9qz" not in shown[1]
    other = ["Invalid token:", "10.0.0.7 - - GET /"]
    assert list(mask_lines(other)) == other


def test_a_masked_line_of_json_is_still_json():
    line = {"message": "x", "password": 'a"b\\', "token": 7777, "url": "redis://:p@h/0", "n": 1}
    shown = json.loads(mask(json.dumps(line)))
    assert shown["url"] == "redis://:***@h/0"
    assert (shown["password"], shown["token"]) == (MASK, MASK)


def test_data_is_masked_by_the_names_of_its_fields_too():
    data = {"db": [{"PASSWORD": "x", "token": None, "secret": "arn:aws:x"}], "text": "pwd=x"}
    masked = {"db": [{"PASSWORD": MASK, "token": None, "secret": "arn:aws:x"}], "text": "pwd=***"}
    assert mask_data(data) == masked


def test_a_text_is_masked_when_it_is_shown_and_whole_before():
    said = t("{name} refused", name=verbatim("redis://:p9@h/0"))
    assert str(said) == "redis://:***@h/0 refused"
    assert str(dict(said.values)["name"].values) == "(('words', 'redis://:p9@h/0'),)"
