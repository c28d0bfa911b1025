"""Keeps secrets out of whatever is written: every form in which one could turn up is replaced."""

import json
import re
from urllib.parse import quote, quote_plus

MASK = "[redacted]"

_forms: set[str] = set()
_pattern: re.Pattern[str] | None = None


def hide(secret: str) -> None:
    """From now on replace this text, also where it is quoted for Python, JSON, URLs or libpq."""
    global _pattern
    if not secret:
        return
    libpq = secret.replace("\\", "\\\\").replace("'", "\\'")
    _forms.update(
        (
            *(secret, repr(secret)[1:-1], ascii(secret)[1:-1], json.dumps(secret)[1:-1]),
            *(libpq, quote(secret, safe=""), quote(secret), quote_plus(secret)),
        )
    )
    # The longest first: one form may begin with another.
    ordered = sorted(_forms, key=len, reverse=True)
    _pattern = re.compile("|".join(map(re.escape, ordered)))


def redact(text: str) -> str:
    """The text without any secret."""
    return _pattern.sub(MASK, text) if _pattern else text
