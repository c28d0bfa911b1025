"""Splits the shell script of a RUN instruction into simple commands (POSIX, Shell Command Language).

Loops, pipes and subshells only separate commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

OPENING = ("if", "for", "while", "until", "case")
CLOSING = ("fi", "done", "esac")
KEYWORDS = (*OPENING, *CLOSING, "then", "elif", "else", "do", "in", "!", "{", "}")
OPERATORS = ";&|()\n"
ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.S)


class UnclosedQuote(ValueError):
    """A quotation mark or a substitution has no end."""


@dataclass(frozen=True)
class Command:
    """A simple command: its words without quotes, and the variables set before it.

    ``conditional`` is whether it runs under a condition that is not known here.
    """

    words: tuple[str, ...]
    variables: dict[str, str]
    conditional: bool = False


def commands(script: str) -> Iterator[Command]:
    """Yield the simple commands of a script in order, without those that a false condition excludes.

    A condition is evaluated where it is one comparison of known texts. Raises UnclosedQuote.
    """
    conditions: list[list[bool | None]] = []
    for words in _lists(script):
        asked = None
        while words and words[0] in KEYWORDS:
            asked, *words = words
            if asked in OPENING:
                conditions.append([])
            elif asked in CLOSING and conditions:
                conditions.pop()
            elif asked == "else" and conditions:
                conditions[-1] = [_negated(conditions[-1])]
            elif asked == "elif" and conditions:
                conditions[-1] = [None]
            if asked in ("for", "case"):
                conditions[-1], words = [None], []
        if words and words[0] in ("[", "test", "[[") and conditions:
            conditions[-1].append(_compared(words))
            continue
        held = [_all(each) for each in conditions]
        if False not in held and (command := _command(words, conditional=None in held)):
            yield command


def _command(words: list[str], *, conditional: bool) -> Command | None:
    variables = {}
    while words and (found := ASSIGNMENT.fullmatch(words[0])):
        variables[found[1]] = found[2]
        words = words[1:]
    return Command(tuple(words), variables, conditional) if words or variables else None


def _compared(words: list[str]) -> bool | None:
    """Return whether `[ A = B ]`, `[ A != B ]`, `[ -n A ]` or `[ -z A ]` holds; None where it is not known here."""
    match [each for each in words[1:] if each not in ("]", "]]")]:
        case _ if any("$" in each or "`" in each for each in words):
            return None
        case [one, "=" | "==", other]:
            return one == other
        case [one, "!=", other]:
            return one != other
        case ["-n", one]:
            return bool(one)
        case ["-z", one]:
            return not one
    return None


def _all(tests: list[bool | None]) -> bool | None:
    """Return whether a condition of one test holds. Several are joined by `&&` or `||`, which is not evaluated."""
    return tests[0] if len(tests) == 1 else None


def _negated(tests: list[bool | None]) -> bool | None:
    held = _all(tests)
    return None if held is None else not held


def _lists(script: str) -> Iterator[list[str]]:
    """Yield the words between the shell's operators, without redirections."""
    words: list[str] = []
    at = 0
    while at < len(script):
        char = script[at]
        if char in OPERATORS:
            yield words
            words, at = [], at + 1
        elif char.isspace() or script.startswith("\\\n", at):
            at += 1 if char.isspace() else 2
        elif char == "#":
            at = (script + "\n").index("\n", at)
        elif found := re.compile(r"\d*[<>]+&?[-|]?\s*").match(script, at):
            _, at = _word(script, found.end())
        else:
            word, at = _word(script, at)
            words.append(word)
    yield words


def _word(script: str, at: int) -> tuple[str, int]:
    """Return the word that begins at ``at``, without quotes, and where it ends."""
    text = ""
    while at < len(script) and not script[at].isspace() and script[at] not in f"{OPERATORS}<>":
        char = script[at]
        if char == "'":
            end = _index(script, "'", at + 1)
            text, at = text + script[at + 1 : end], end + 1
        elif char == '"':
            end = _end(script, at + 1, '"')
            text, at = text + re.sub(r'\\(["\\$`])', r"\1", script[at + 1 : end]), end + 1
        elif char == "`":
            end = _index(script, "`", at + 1)
            text, at = text + script[at : end + 1], end + 1
        elif script.startswith("$(", at):
            end = _end(script, at + 2, ")")
            text, at = text + script[at : end + 1], end + 1
        elif char == "\\":
            text, at = text + script[at + 1 : at + 2].replace("\n", ""), at + 2
        else:
            text, at = text + char, at + 1
    return text, at


def _end(script: str, at: int, closing: str) -> int:
    """Return where a double quote or a substitution ends, past those inside of it."""
    while at < len(script) and script[at] != closing:
        if script[at] == "\\":
            at += 1
        elif script.startswith("$(", at):
            at = _end(script, at + 2, ")")
        elif closing == ")" and script[at] == "(":
            at = _end(script, at + 1, ")")
        elif closing == ")" and script[at] == '"':
            at = _end(script, at + 1, '"')
        elif closing == ")" and script[at] == "'":
            at = _index(script, "'", at + 1)
        at += 1
    if at >= len(script):
        raise UnclosedQuote(closing)
    return at


def _index(script: str, mark: str, at: int) -> int:
    end = script.find(mark, at)
    if end < 0:
        raise UnclosedQuote(mark)
    return end
