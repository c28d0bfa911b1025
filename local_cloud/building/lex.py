"""Variables and quotation marks in a Dockerfile's instructions, by BuildKit's rules (frontend/dockerfile/shell, Lex).

shlex knows no variables, and string.Template none of the forms with a sign.
"""

import re
from collections.abc import Mapping

WORD = r"""(?:[^\s'"{0}]|{0}.?|'[^']*'?|"(?:[^"{0}]|{0}.)*"?)+"""
NAME = re.compile(r"\d+|[@*#?$!-]|\w+")


def words(text: str, escape: str = "\\") -> list[str]:
    """Return a text's words, with their quotation marks, in which spaces divide nothing."""
    return re.findall(WORD.format(re.escape(escape)), text, re.S)


def expand(text: str, known: Mapping[str, str], escape: str = "\\", *, quotes: bool = True) -> str:
    """Return a text with its variables' values, and without its quotation marks if these mean something.

    A variable that is not known is empty. Raises ValueError for what BuildKit refuses.
    """
    return _Lexer(text, known, escape, quotes).until("")


class _Lexer:
    def __init__(self, text: str, known: Mapping[str, str], escape: str, quotes: bool) -> None:
        self.text, self.known, self.escape, self.quotes = text, known, escape, quotes
        self.at = 0

    def peek(self) -> str:
        """Return the next character, or "" at the end."""
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        self.at += 1
        return self.text[self.at - 1 : self.at]

    def until(self, stop: str, *, raw: bool = False, quoted: bool = False) -> str:
        """Return what stands before ``stop``, evaluated. ``raw``: the characters that escape others stay."""
        made = ""
        while (char := self.take()) != stop:
            if not char:
                raise ValueError(f"{self.text}: {stop} is missing")
            if char == "$":
                made += self.variable()
            elif char == self.escape and (not quoted or self.peek() in ('"', "$", self.escape)):
                made += char * raw + self.take()
            elif char == '"' and self.quotes and not quoted:
                made += self.until('"', raw=raw, quoted=True)
            elif char == "'" and self.quotes and not quoted:
                begin = self.at
                self.at = self.text.index("'", begin) + 1
                made += self.text[begin : self.at - 1]
            else:
                made += char
        return made

    def name(self) -> str:
        found = NAME.match(self.text, self.at)
        name = found[0] if found else ""
        self.at += len(name)
        return name

    def variable(self) -> str:
        """Return what a variable stands for, whose dollar sign has been read."""
        if self.peek() != "{":
            name = self.name()
            return self.known.get(name, "") if name else "$"
        self.take()
        name, sign = self.name(), self.take()
        value = self.known.get(name)
        if sign == "}" and name:
            return value or ""
        if sign == "/" and name:
            return self.replaced(value or "")
        unset = value is None
        if sign == ":":
            sign, unset = self.take(), not value
        if not name or sign not in tuple("-+?#%"):
            raise ValueError(f"{self.text}: ${{{name}{sign} is no substitution")
        word = self.until("}", raw=sign in "#%")
        if sign == "?" and unset:
            raise ValueError(f"{name}: {word or 'is not allowed to be unset'}")
        if sign in "#%":
            return _trimmed(value or "", word, sign)
        if sign == "+":
            return "" if unset else word
        return word if unset and sign == "-" else value or ""

    def replaced(self, value: str) -> str:
        """Return a value in which a pattern is replaced: once, or everywhere after two slashes."""
        count = 0 if self.peek() == "/" and self.take() else 1
        pattern, other = self.until("/", raw=True), self.until("}", raw=True)
        return _regex(pattern).sub(lambda _: other, value, count)


def _trimmed(value: str, pattern: str, sign: str) -> str:
    """Return a value without the shortest beginning (``#``) or end (``%``) of a pattern; two signs: the longest."""
    lengths = range(len(value) + 1)
    longest, regex = pattern[:1] == sign, _regex(pattern.removeprefix(sign))
    for length in reversed(lengths) if longest else lengths:
        cut = length if sign == "#" else len(value) - length
        parts = value[:cut], value[cut:]
        if regex.fullmatch(parts[sign == "%"]):
            return parts[sign == "#"]
    return value


def _regex(pattern: str) -> re.Pattern[str]:
    def translated(found: re.Match[str]) -> str:
        text = found[0]
        if len(text) == 2 and text[1] not in "*?\\}/":
            raise ValueError(f"{pattern}: {text} is no escape")
        return {"*": ".*", "?": "."}.get(text) or re.escape(text[-1])

    return re.compile(re.sub(r"(?s)\\?.", translated, pattern))
