"""What a filter pattern compares with: text with wildcards, numbers, regular expressions."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

Matcher = Callable[[str], bool]
Scalar = str | Decimal

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
WORD = re.compile(r"[\w.*+-]+", re.ASCII)
"""Text that AWS's own examples leave unquoted: s3.amazonaws.com, 123.123.*, ap-northeast-1."""
NO_WORD = re.compile(r"[^\w\s]+", re.ASCII)
EXPRESSION = re.compile(r"[\w#=@/;,:^$?\[\]{}|\\*+.-]+", re.ASCII)
"""The guide, "Supported regular expressions (regex) syntax": no spaces, no parentheses, no multi-byte."""
MOST_EXPRESSIONS = 2
"""Of one JSON or space-delimited pattern (the guide, same place)."""
ORDER: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Test = Callable[[Scalar], bool]


class BadPattern(ValueError):
    """The text is no filter pattern. The message is AWS's."""

    def __init__(self, message: str = "Invalid filter pattern") -> None:
        super().__init__(message)

    @classmethod
    def at(cls, term: str) -> BadPattern:
        """A term with characters that must stand in quotation marks, or nowhere."""
        found = NO_WORD.search(term)
        return cls(f"Invalid character(s) in term '{found[0] if found else term}'")


@dataclass(frozen=True)
class Operand:
    """The right side of a comparison, as it was written."""

    text: str
    kind: str = "word"
    """word, quoted, expression."""


def comparison(sign: str, operand: Operand) -> Test:
    """Whether a value stands in the relation ``sign`` to the operand. Raises BadPattern."""
    number = number_of(operand.text) if operand.kind == "word" else None
    if sign in ORDER:
        if number is None:
            raise BadPattern()
        return _ordered(ORDER[sign], number)
    equal = _equal(operand, number)
    return equal if sign == "=" else lambda value: not equal(value)


def number_of(text: str) -> Decimal | None:
    """The number that a text is: with a sign, decimals or an exponent; None when it is none."""
    if not NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def expression(text: str) -> Matcher:
    """What a regular expression, written between percent signs, finds in a text. Raises BadPattern."""
    if not EXPRESSION.fullmatch(text):
        wrong = re.sub(EXPRESSION, "", text)
        raise BadPattern(f"Invalid character(s) in term '{wrong or '%%'}'")
    try:
        found = re.compile(text, re.ASCII)
    except re.error:
        raise BadPattern() from None
    return lambda message: found.search(message) is not None


def unescaped(quoted: str) -> str:
    """The text between quotation marks, without its backslashes."""
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)


def _ordered(holds: Callable[[Decimal, Decimal], bool], number: Decimal) -> Test:
    return lambda value: isinstance(value, Decimal) and holds(value, number)


def _equal(operand: Operand, number: Decimal | None) -> Test:
    if operand.kind == "expression":
        finds = expression(operand.text)
        return lambda value: finds(str(value))
    if operand.kind == "word" and not WORD.fullmatch(operand.text):
        raise BadPattern.at(operand.text)
    fits = _wild(operand.text)

    def equal(value: Scalar) -> bool:
        if number is not None and isinstance(value, Decimal):
            return value == number
        return fits(str(value))

    return equal


def _wild(text: str) -> Matcher:
    """An asterisk stands for anything at the beginning and at the end; inside it is an asterisk."""
    if text in ("*", "**"):
        return lambda _: True
    inner = text[text.startswith("*") : len(text) - text.endswith("*")]
    if text.startswith("*") and text.endswith("*"):
        return lambda value: inner in value
    if text.startswith("*"):
        return lambda value: value.endswith(inner)
    if text.endswith("*"):
        return lambda value: value.startswith(inner)
    return lambda value: value == inner
