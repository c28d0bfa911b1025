"""Patterns of words, for messages without a structure: ``ERROR -retry``, ``?WARN ?"went away"``."""

from __future__ import annotations

import re

from rehearsal.control.log_patterns.operands import BadPattern, Matcher, unescaped

TERM = re.compile(
    r"""\s*(?P<sign>[?-]?)\s*(?:(?P<word>\w+)|"(?P<phrase>(?:[^"\\]|\\.)*)")(?=\s|$)""",
    re.ASCII | re.DOTALL,
)
WRONG = re.compile(r"""\s*[?-]?\s*\w*(?P<run>[^\w\s"]+)""", re.ASCII)


def terms(text: str) -> Matcher:
    """The messages that have every term and none of those with a minus; case counts.

    Of terms with a question mark one is enough. Beside terms without one they count for nothing (the
    guide: 'If you combine "?" with other filter patterns, the question mark ("?") will be ignored').
    Raises BadPattern.
    """
    signed: dict[str, list[str]] = {"": [], "-": [], "?": []}
    for sign, term in _read(text):
        signed[sign].append(term)
    wanted, unwanted, optional = signed.values()

    def matches(message: str) -> bool:
        if wanted or unwanted or not optional:
            return all(each in message for each in wanted) and not any(
                each in message for each in unwanted
            )
        return any(each in message for each in optional)

    return matches


def _read(text: str) -> list[tuple[str, str]]:
    """Each term and the sign before it."""
    found, at = [], 0
    while text[at:].strip():
        match = TERM.match(text, at)
        if match is None:
            wrong = WRONG.match(text, at)
            raise BadPattern.at(wrong["run"]) if wrong else BadPattern()
        word = match["word"]
        found.append((match["sign"], unescaped(match["phrase"]) if word is None else word))
        at = match.end()
    return found
