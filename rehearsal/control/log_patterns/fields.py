"""Patterns in brackets, for messages of words between spaces: ``[ip, ..., status = 4*, bytes]``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rehearsal.control.log_patterns.grammar import SIGNS, Condition, Reader
from rehearsal.control.log_patterns.operands import (
    BadPattern,
    Matcher,
    Scalar,
    comparison,
    number_of,
)

FIELD = re.compile(r'\[(?P<bracketed>[^\]]*)\]|"(?P<quoted>[^"]*)"|(?P<plain>\S+)')
NAME = re.compile(r"\w+", re.ASCII)
SEPARATOR = re.compile(r',(?=(?:[^"%]|"[^"]*"|%[^%]*%)*$)')
"""A comma outside quotation marks and regular expressions."""
REST = ("...", "\u2026")
Field = Condition[str]


def fields(text: str) -> Matcher:
    """The messages whose words, in order, fulfil the fields' conditions. Raises BadPattern.

    What stands in brackets or quotation marks is one word; ``...`` is any number of words.
    """
    parts = [each.strip() for each in SEPARATOR.split(text)]
    rests = [index for index, each in enumerate(parts) if each in REST]
    if len(rests) > 1:
        raise BadPattern()
    cut = rests[0] if rests else len(parts)
    begin, end = ([_field(each) for each in some] for some in (parts[:cut], parts[cut + 1 :]))

    def matches(message: str) -> bool:
        words = [each[each.lastgroup or 0] for each in FIELD.finditer(message)]
        if len(words) < len(begin) + len(end) or (not rests and len(words) > len(begin)):
            return False
        return _hold(begin, words) and _hold(end, words[len(words) - len(end) :])

    return matches


def _hold(conditions: Sequence[Field], words: Sequence[str]) -> bool:
    return all(holds(word) for holds, word in zip(conditions, words, strict=False))


def _field(text: str) -> Field:
    """One field: a name, or comparisons of that one name with values."""
    if not text:
        return lambda _: True
    names: set[str] = set()

    def leaf(reader: Reader[str]) -> Field:
        token = reader.next()
        if token.kind != "word":
            raise BadPattern()
        if not NAME.fullmatch(token.text):
            raise BadPattern(f"Invalid character(s) in term '{token.text}'")
        names.add(token.text)
        sign = reader.takes(*SIGNS)
        return (lambda _: True) if sign is None else _compared(sign, reader)

    found = Reader[str](text, leaf).whole()
    if len(names) != 1:
        # The guide's own example of two names in one field is refused (its issue 21 on GitHub).
        raise BadPattern()
    return found


def _compared(sign: str, reader: Reader[str]) -> Field:
    holds, numeric = comparison(sign, reader.operand()), sign in ("<", "<=", ">", ">=")

    def compared(word: str) -> bool:
        value: Scalar | None = number_of(word) if numeric else word
        return value is not None and holds(value)

    return compared
