"""A known value is masked in each encoding, and a value that is an ordinary word is not masked at all."""

import base64
import html
import json
import shlex
import string
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecs_gate.text.secret_values import SecretValues, values

LETTERS = string.ascii_letters + string.digits + string.punctuation + " éü漢😀"
SECRETS = st.text(LETTERS, min_size=6, max_size=40).map(lambda text: f"a{text}7Z")
"""No word and no number; its ends are letters, so that what is left of it can be compared."""


def in_json(text):
    return json.dumps(text)[1:-1]


ENCODINGS = {
    "plain": str,
    "URL, a path": quote,
    "URL, everything": lambda text: quote(text, safe=""),
    "URL, a form": quote_plus,
    "URL in a URL": lambda text: quote(quote_plus(text), safe=""),
    "JSON": in_json,
    "JSON in JSON": lambda text: in_json(in_json(text)),
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON of Go": lambda text: in_json(text).replace("<", "\\u003c").replace("&", "\\u0026"),
    "HTML": html.escape,
    "a shell": lambda text: shlex.quote(f" {text}")[2:-1],
    "SQL": lambda text: text.replace("'", "''"),
    "printf": lambda text: text.replace("%", "%%"),
    "URL, every letter": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "URL in a URL, every letter": lambda text: "".join(f"%25{byte:02x}" for byte in text.encode()),
    "HTML, every letter": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "HTML, every letter as hex": lambda text: "".join(f"&#x{ord(char):X};" for char in text),
    "JSON, every letter": lambda text: "".join(
        f"\\u{code:04x}" for code in memoryview(text.encode("utf-16-le")).cast("H")
    ),
    "Python's bytes": lambda text: (
        repr(f"{text}'".encode())[2:-1].removesuffix("'").removesuffix("\\")
    ),
    "Python's bytes, every letter": lambda text: "".join(
        f"\\x{byte:02x}" for byte in text.encode()
    ),
    "Python's ascii()": lambda text: ascii(f"{text}'")[1:-1].removesuffix("'").removesuffix("\\"),
    "hex": lambda text: text.encode().hex(),
    "hex, upper case": lambda text: text.encode().hex().upper(),
    "hex, apart": lambda text: text.encode().hex(":"),
    "upper case": lambda text: "".join(char.upper() if char.isascii() else char for char in text),
    "Python": lambda text: repr(f"{text}'")[1:-1].removesuffix("'").removesuffix("\\"),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
@given(SECRETS)
@example("a'\"\\ +/%&<é😀7Z")
def test_a_value_is_masked_in_each_encoding(encode, secret):
    known = SecretValues()
    known.add([secret])
    assert known.mask(f"sent {encode(secret)}.", "***") == "sent ***."


@pytest.mark.parametrize(
    ("encode", "bits"),
    [(base64.b64encode, 6), (base64.urlsafe_b64encode, 6), (base64.b32encode, 5)],
)
@given(
    SECRETS,
    st.sampled_from(["", "x", "xy", "user:", "password="]),
    st.sampled_from(["", "&", "&a=b"]),
)
def test_a_value_is_masked_in_base64_and_base32_at_each_alignment(
    encode, bits, secret, before, after
):
    known = SecretValues()
    known.add([secret])
    whole = encode(f"{before}{secret}{after}".encode()).decode()
    left = known.mask(f"sent {whole}.", "***").removeprefix("sent ").removesuffix(".")
    head, _, tail = left.partition("***")
    assert left != whole
    # What is left has no bit of the secret.
    assert bits * len(head) <= 8 * len(before)
    # The last character is filled up with zeros.
    assert bits * len(tail.rstrip("=")) < 8 * len(after) + bits


@pytest.mark.slow
@given(st.lists(SECRETS, min_size=2, max_size=5), st.text(LETTERS))
def test_masking_values_twice_changes_no_more(secrets, text):
    known = SecretValues()
    known.add([*secrets, secrets[0][:-2]])
    shown = known.mask(" ".join((*secrets, text)), "***")
    assert known.mask(shown, "***") == shown
    assert [secret for secret in secrets if secret in shown] == []


LINES = json.loads(Path(__file__).with_name("masked_lines.json").read_text())


@pytest.mark.parametrize(("name", "text", "key", "found"), LINES["VALUES"])
def test_a_secret_has_the_values_that_are_no_ordinary_words(name, text, key, found):
    assert list(values(name, text, key)) == found


@pytest.mark.parametrize("secret", ['\\"a1b2c3', "\\(x9Kd<2qQ", "\\" * 40 + '"x1y2z3'])
def test_a_line_of_backslashes_takes_no_time(secret):
    known, begun = SecretValues(), time.process_time()
    known.add([secret])
    known.mask("\\" * 2000 + " a1b2c3 x9Kd x1y2z3", "***")
    assert time.process_time() - begun < 1


def test_known_values_are_not_in_the_repr():
    known = SecretValues()
    known.add(["Kx7pW9qz"])
    assert "Kx7pW9qz" not in repr(known) + str(known)
