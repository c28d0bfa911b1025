"""The logic inside a pattern's braces or brackets: comparisons joined by ``&&``, ``||``, parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rehearsal.control.log_patterns.operands import (
    MOST_EXPRESSIONS,
    BadPattern,
    Operand,
    unescaped,
)

E = TypeVar("E")
Condition = Callable[[E], bool]

TOKEN = re.compile(
    r"""\s*(?:(?P<sign>&&|\|\||!=|<=|>=|[()=<>])"""
    r"""|"(?P<quoted>(?:[^"\\]|\\.)*)"|%(?P<expression>[^%]+)%|(?P<word>[^\s()=<>!&|"%]+"?))""",
    re.DOTALL,
)
SIGNS = ("=", "!=", "<", "<=", ">", ">=")


@dataclass(frozen=True)
class Token:
    """A piece of the text; ``kind`` is sign, word, quoted or expression."""

    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    """The pieces of a text. Raises BadPattern."""
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise BadPattern()
        said = match[match.lastgroup]
        quoted = match.lastgroup == "quoted"
        found.append(Token(match.lastgroup, unescaped(said) if quoted else said))
        at = match.end()
    if sum(each.kind == "expression" for each in found) > MOST_EXPRESSIONS:
        raise BadPattern()
    return found


class Reader(Generic[E]):
    """Reads conditions: parentheses before ``&&`` before ``||`` (the guide, "Compound expressions").

    ``leaf`` reads one comparison.
    """

    def __init__(self, text: str, leaf: Callable[[Reader[E]], Condition[E]]) -> None:
        self._tokens, self._leaf, self._at = tokens(text), leaf, 0

    def whole(self) -> Condition[E]:
        """The text as one condition. Raises BadPattern when something is left over."""
        found = self._either()
        if self._at < len(self._tokens):
            raise BadPattern()
        return found

    def next(self) -> Token:
        """Take a token. Raises BadPattern at the end."""
        if self._at == len(self._tokens):
            raise BadPattern()
        self._at += 1
        return self._tokens[self._at - 1]

    def takes(self, *texts: str) -> str | None:
        """Take the next token if it is one of these words or signs, in any case."""
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind in ("sign", "word") and token.text.upper() in texts:
                self._at += 1
                return token.text.upper()
        return None

    def operand(self) -> Operand:
        """What stands right of a sign. Raises BadPattern."""
        token = self.next()
        if token.kind == "sign":
            raise BadPattern()
        return Operand(token.text, token.kind)

    def _either(self) -> Condition[E]:
        found = [self._both()]
        while self.takes("||"):
            found.append(self._both())
        return found[0] if len(found) == 1 else lambda event: any(each(event) for each in found)

    def _both(self) -> Condition[E]:
        found = [self._one()]
        while self.takes("&&"):
            found.append(self._one())
        return found[0] if len(found) == 1 else lambda event: all(each(event) for each in found)

    def _one(self) -> Condition[E]:
        if not self.takes("("):
            return self._leaf(self)
        found = self._either()
        if not self.takes(")"):
            raise BadPattern()
        return found
