"""Variables and quotation marks in a Dockerfile's instructions, by BuildKit's rules (frontend/dockerfile/shell, Lex).

shlex knows no variables, and string.Template none of the forms with a sign.
"""

import re
from collections.abc import Mapping

WORD = r"""(?:[^\s'"{0}]|{0}.?|'[^']*'?|"(?:[^"{0}]|{0}.)*"?)+"""
NAME = r"\d+|[@*#?$!-]|\w+"


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

    def take(self, pattern: str = ".") -> str:
        """Return what stands next if it is of a pattern, and go on behind it; "" for anything else."""
        found = re.compile(pattern, re.S).match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def until(self, stop: str, *, raw: bool = False, quoted: bool = False) -> str:
        """Return what stands before ``stop``, evaluated. ``raw``: the characters that escape others stay."""
        made, marks = "", self.quotes and not quoted
        escaped = rf'["${re.escape(self.escape)}]' if quoted else ".?"
        while (char := self.take()) != stop:
            if not char:
                raise ValueError(f"{self.text}: {stop} is missing")
            if char == "$":
                char = self.variable()
            elif char == self.escape:
                after = self.take(escaped)
                char = char * (raw or (quoted and not after)) + after
            elif char == '"' and marks:
                char = self.until('"', raw=raw, quoted=True)
            elif char == "'" and marks:
                if not (literal := self.take("[^']*'")):
                    raise ValueError(f"{self.text}: ' is missing")
                char = literal[:-1]
            made += char
        return made

    def variable(self) -> str:
        """Return what a variable stands for, whose dollar sign has been read."""
        if not self.take("{"):
            name = self.take(NAME)
            return self.known.get(name, "") if name else "$"
        name, sign = self.take(NAME), self.take(":?.")
        value, colon = self.known.get(name), sign[:1] == ":"
        unset, value = (not value if colon else value is None), value or ""
        match sign[colon:] if name else "":
            case "}" if not colon:
                return value
            case "/" if not colon:
                count = 0 if self.take("/") else 1
                pattern, other = self.until("/", raw=True), self.until("}", raw=True)
                return re.sub(_regex(pattern), lambda _: other, value, count=count, flags=re.S)
            case ("#" | "%") as end:
                return _trimmed(value, self.until("}", raw=True), end)
            case "-":
                word = self.until("}")
                return word if unset else value
            case "+":
                word = self.until("}")
                return "" if unset else word
            case "?":
                word = self.until("}")
                if unset:
                    raise ValueError(f"{name}: {word or 'is not allowed to be unset'}")
                return value
        raise ValueError(f"{self.text}: ${{{name}{sign} is no substitution")


def _trimmed(value: str, pattern: str, end: str) -> str:
    """Return a value without the shortest beginning (``#``) or end (``%``) of a pattern; two signs: the longest."""
    longest = pattern[:1] == end
    cut = _regex(pattern.removeprefix(end), ".*" if longest else ".*?")
    kept = f"(.*{'?' if longest else ''})"
    found = re.fullmatch(f"{cut}(.*)" if end == "#" else kept + cut, value, re.S)
    return found[1] if found else value


def _regex(pattern: str, star: str = ".*") -> str:
    def translated(found: re.Match[str]) -> str:
        text = found[0]
        if len(text) == 2 and text[1] not in "*?\\}/":
            raise ValueError(f"{pattern}: {text} is no escape")
        return {"*": star, "?": "."}.get(text) or re.escape(text[-1])

    return re.sub(r"(?s)\\?.", translated, pattern)
