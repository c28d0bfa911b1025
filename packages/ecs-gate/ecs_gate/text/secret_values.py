"""Masks known values of secrets wherever they stand: plain, escaped, in a URL, in HTML, in quotes, as hex, in base64.

Upper and lower case are one.

The values stay in the memory of this process: nothing here shows, returns or stores one.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from urllib.parse import unquote

ORDINARY = re.compile(r".{0,5}|[A-Za-z ._-]{0,11}|[\d ,.:_-]{0,11}")
"""Values that are masked by no value: of up to 5 characters, and words and numbers of up to 11.

`postgres`, `true` or `8080` stand in a log for other reasons, and masking them would hide the cause.
"""

SHOWN = re.compile(
    r"(?:^|[_-])(?:db)?(?:user(?:name)?|host(?:name)?|port|engine|name|database|region|e?mail)$|identifier$|arn$",
    re.I,
)
"""Names of values that a secret holds beside the password (Secrets Manager user guide, "JSON structure of secrets")."""

MOST_BACKSLASHES = 32
"""Backslashes before a character in JSON in JSON, five times: each level doubles them."""
ESCAPES = rf"\\{{1,{MOST_BACKSLASHES}}}+"

URL = re.compile(r"[A-Za-z][\w+.-]*://[^\s/:@]*:(\S+)@[^\s@]*")


def values(name: str, text: str, key: str = "") -> Iterator[str]:
    """Yield what is secret in the text of a secret: of a URL the password, of a JSON object its fields, else each line.

    ``name`` is the variable that gets the text, or the value of ``key`` in it.
    """
    fields: list[tuple[str, object]] = []
    try:
        json.loads(text, object_pairs_hook=fields.extend)
    except ValueError:
        fields = []
    chosen = [field for field in fields if field[0] == key]
    # Of an object its fields were noted, and its own value is None.
    if key and not any(value is None for _, value in chosen):
        fields = chosen
    for field, value in fields if fields or key else [(name, text)]:
        for item in value if isinstance(value, list) else [value]:
            url = URL.fullmatch(str(item))
            for word in (url[1], unquote(url[1])) if url else str(item).splitlines():
                if not (SHOWN.search(field) or ORDINARY.fullmatch(word) or "-----" in word):
                    yield word


class SecretValues:
    """Values to mask. One that was rotated stays among them: older lines of a log have it."""

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset()
        self._forms: tuple[tuple[str, re.Pattern[str]], ...] = ()

    def add(self, secrets: Iterable[str]) -> None:
        """Have these values masked from now on, in every thread."""
        known = self._values.union(secrets)
        if known != self._values:
            longest = sorted(known, key=len, reverse=True)
            self._forms = tuple(form for value in longest for form in _forms(value))
            self._values = known

    def mask(self, text: str, mask: str) -> str:
        """Return the text with ``mask`` in place of the values."""
        low = text.lower()
        for part, pattern in self._forms:
            if part in low:
                masked = pattern.sub(lambda _: mask, text)
                text, low = masked, low if masked == text else masked.lower()
        return text


RADIXES: tuple[tuple[Callable[[bytes], bytes], int, int], ...] = (
    (base64.b64encode, 3, 6),
    (base64.b32encode, 5, 5),
)
"""The encodings that write some bits of a text as a character: their groups of bytes, and the bits (RFC 4648)."""


def _forms(value: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield the patterns of a value, each with a part in lower case that every match has."""
    runs = [(letter, len(list(run))) for letter, run in groupby(value)]
    letters = [_letter(*run, at in (0, len(runs) - 1)) for at, run in enumerate(runs)]
    yield _longest(value), re.compile("".join(letters), re.I)
    yield "", re.compile("".join(f"(?:{'|'.join(_escaped(letter))})" for letter in value), re.I)
    data = value.encode()
    yield f"{data[0]:02x}", re.compile("[ :-]?".join(f"{byte:02x}" for byte in data), re.I)
    for encode, group, bits in RADIXES:
        for before in range(group):
            # Within a longer text what comes before moves the bits. The characters that only the value decides stay
            # the same; one at either side may have some of its bits.
            whole = encode(bytes(before) + data + bytes(group - 1)).decode()
            inner = whole[-(-8 * before // bits) : 8 * (before + len(data)) // bits]
            either = inner.replace("+", "[+-]").replace("/", "[/_]")
            yield _longest(inner), re.compile(rf"[\w+/-]?{either}[\w+/-]?=*", re.I)


def _longest(text: str) -> str:
    """Return the longest part that no encoding changes but in its case."""
    return max(re.findall(r"[A-Za-z0-9]+", text), key=len, default="").lower()


def _escaped(letter: str) -> tuple[str, ...]:
    """Return the patterns of one character as URLs, JSON, Python's bytes and HTML escape any."""
    data, number = letter.encode(), ord(letter)
    return (
        "".join(f"%(?:25)*{byte:02x}" for byte in data),
        re.sub("....", lambda code: f"{ESCAPES}u{code[0]}", letter.encode("utf-16-be").hex()),
        "".join(f"{ESCAPES}x{byte:02x}" for byte in data),
        rf"{ESCAPES}(?:x{number:02x}|u{number:08x})",
        f"&#(?:0*{number}|x0*{number:x});",
    )


def _letter(letter: str, count: int, outside: bool) -> str:
    """Return the pattern of a run of one character as JSON, URLs, HTML, SQL, printf and shells write it."""
    if letter.isascii() and letter.isalnum():
        return letter * count
    if letter == "\\":
        # Bounded, as the forms of the next letter may begin with backslashes, and a run has too many ways to share it.
        most = MOST_BACKSLASHES * count
        return rf"(?:\\{{1,{most}}}|(?:{'|'.join(_escaped(letter))}){{1,{most}}})"
    quoted = re.escape(html.escape(letter))
    forms = [
        *{
            " ": [r"\+", "%(?:25)*2b"],
            "\t": [f"{ESCAPES}t"],
            "'": ["'(?:\"'\"|\\\\')'"],
        }.get(letter, []),
        *_escaped(letter),
        quoted,
        f"(?:{ESCAPES})?{re.escape(letter)}",
    ]
    # SQL, CSV and printf double a character; at its ends a value has the quotes of others beside it.
    most = count if outside else 2 * count
    return f"(?:{'|'.join(forms)}){{{count},{most}}}"
