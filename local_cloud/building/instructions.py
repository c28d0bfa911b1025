"""Splits a Dockerfile into its instructions: comments, continued lines, heredocs and flags (Dockerfile reference)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from local_cloud.text import Text, t

INSTRUCTIONS = (
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
    *("MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
)
FLAGS = {
    "FROM": ("platform",),
    "RUN": ("mount", "network", "security", "device"),
    "COPY": ("from", "chown", "chmod", "link", "parents", "exclude"),
    "ADD": ("chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"),
}
"""The flags of each instruction."""
WITH_HEREDOC = ("RUN", "COPY", "ADD")
HEREDOC = re.compile(r"(?<!<)<<(?P<tabs>-?)(?P<quote>['\"]?)(?P<name>[A-Za-z_]\w*)(?P=quote)")
ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)\s*", re.I)
SHOWN = 100
"""The most characters of an instruction that a message shows."""


def shortened(text: str) -> str:
    """Return the text on one line, with at most SHOWN characters."""
    words = " ".join(text.split())
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 1]}…"


def nearest(word: str, known: tuple[str, ...]) -> str | None:
    """Return which of ``known`` a misspelt word was meant to be, or None."""
    return next(iter(get_close_matches(word, known, 1, 0.6)), None)


@dataclass(frozen=True)
class Instruction:
    """An instruction with its file and line. ``flags`` are pairs, as RUN may have several mounts.

    ``heredocs`` are the texts of its heredocs by their names.
    """

    place: str
    word: str
    rest: str
    flags: tuple[tuple[str, str], ...] = ()
    heredocs: dict[str, str] = field(default_factory=dict)

    def problem(self, rule: Text) -> Text:
        """Return the problem of this instruction, with the rule that it breaks."""
        text = shortened(f"{self.word} {self.rest}")
        return t("{place}: {text}: {rule}", place=self.place, text=text, rule=rule)

    def flag(self, name: str) -> str | None:
        """Return the value of a flag, or None where it is absent."""
        return dict(self.flags).get(name)


def instructions(file: Path) -> Iterator[Instruction]:
    """Yield the instructions of a Dockerfile. Their words and flags may be misspelt: see ``misspelt``."""
    lines = file.read_text().splitlines()
    escape = next((m[1] for line in lines[:1] if (m := ESCAPE.fullmatch(line.strip()))), "\\")
    name, rest = f"{file.parent.name}/{file.name}", enumerate(lines, 1)
    parts: list[str] = []
    begun = 0
    for number, text in rest:
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        begun = begun if parts else number
        ended = text.rstrip()
        if ended.endswith(escape):
            parts.append(ended[:-1])
            continue
        parts.append(text)
        made = _instruction(f"{name}:{begun}", " ".join(parts).strip())
        if made.word in WITH_HEREDOC:
            for found in HEREDOC.finditer(made.rest):
                made.heredocs[found["name"]] = _body(rest, found["name"], bool(found["tabs"]))
        yield made
        parts = []
    if parts:
        yield _instruction(f"{name}:{begun}", " ".join(parts).strip())


def _instruction(place: str, text: str) -> Instruction:
    word, _, rest = text.partition(" ")
    flags = []
    while match := re.match(r"--([\w.-]+)(?:=(\S*))?(?:\s+|$)", rest.lstrip()):
        if word.upper() not in FLAGS:
            break
        flags.append((match[1], match[2] or ""))
        rest = rest.lstrip()[match.end() :]
    return Instruction(place, word.upper(), rest.strip(), tuple(flags))


def _body(lines: Iterator[tuple[int, str]], name: str, tabs: bool) -> str:
    """Read a heredoc up to the line with its name."""
    body = []
    for _, line in lines:
        text = line.lstrip("\t") if tabs else line
        if text == name:
            break
        body.append(text)
    return "\n".join(body)


def misspelt(line: Instruction) -> Text | None:
    """Return the problem of an instruction or flag that does not exist, with the nearest spelling."""
    if line.word not in INSTRUCTIONS:
        rule = t("a Dockerfile has no instruction {word}", word=line.word)
        return line.problem(meant(rule, nearest(line.word, INSTRUCTIONS)))
    for name, _ in line.flags:
        known = FLAGS[line.word]
        if name not in known:
            rule = t("{word} has no flag --{name}", word=line.word, name=name)
            near = nearest(name, known)
            return line.problem(meant(rule, f"--{near}" if near else None))
    return None if line.rest else line.problem(t("it needs an argument"))


def meant(rule: Text, near: str | None) -> Text:
    """Return a rule with the spelling that was probably meant, if there is one."""
    return t("{rule}; did you mean {near}?", rule=rule, near=near) if near else rule
