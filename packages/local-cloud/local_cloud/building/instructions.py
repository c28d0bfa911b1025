"""Splits a Dockerfile into its instructions: comments, continued lines, heredocs and flags (Dockerfile reference)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from local_cloud.text import Text, t

INSTRUCTIONS = (
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
    *("MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
)
FLAGS = {
    "FROM": ("platform",),
    "RUN": ("mount", "network", "security", "device"),
    "COPY": ("from", "chown", "chmod", "link"),
    "ADD": ("chown", "chmod", "link", "checksum"),
}
"""The flags of each instruction that are known here."""
HEREDOC = re.compile(r"(?<!<)<<(?P<tabs>-?)(?P<quote>['\"]?)(?P<name>[A-Za-z_]\w*)(?P=quote)")
DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*=\s*(\S+).*")
SHOWN = 100
"""The most characters of an instruction that a message shows."""


def shortened(text: str) -> str:
    """Return the text on one line, with at most SHOWN characters."""
    words = " ".join(text.split())
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 1]}…"


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """An instruction with its file and line. ``flags`` are pairs, as RUN may have several mounts.

    ``heredocs`` are the texts of its heredocs by their names.
    """

    place: str
    text: str
    word: str
    rest: str
    flags: tuple[tuple[str, str], ...] = ()
    escape: str = "\\"
    heredocs: dict[str, str] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether it has an argument, and its word and its flags exist."""
        flags = FLAGS.get(self.word, ())
        return (
            self.word in INSTRUCTIONS
            and bool(self.rest)
            and all(name in flags for name, _ in self.flags)
        )

    def problem(self, rule: Text) -> Text:
        """Return the problem of this instruction, with the rule that it breaks."""
        text = shortened(self.text)
        return t("{place}: {text}: {rule}", place=self.place, text=text, rule=rule)

    def flag(self, name: str) -> str | None:
        """Return the value of a flag, or None where it is absent."""
        return dict(self.flags).get(name)


def instructions(file: Path) -> Iterator[Instruction]:
    """Yield the instructions of a Dockerfile, which may be unknown ones."""
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    directives = takewhile(bool, map(DIRECTIVE.fullmatch, lines))
    escape = {m[1].lower(): m[2] for m in directives if m}.get("escape", "\\")
    # Two of these characters are one that goes on with nothing.
    continued = re.compile(rf"(?:^|(?<=[^{re.escape(escape)}])){re.escape(escape)}[ \t]*$")
    name, rest = f"{file.parent.name}/{file.name}", enumerate(lines, 1)
    parts: list[str] = []
    begun = 0
    for number, text in rest:
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        begun = begun if parts else number
        parts.append(continued.sub("", text))
        if not continued.search(text):
            yield _instruction(f"{name}:{begun}", "".join(parts).strip(), escape, rest)
            parts = []
    if parts:
        yield _instruction(f"{name}:{begun}", "".join(parts).strip(), escape, rest)


def _instruction(
    place: str, text: str, escape: str, following: Iterator[tuple[int, str]]
) -> Instruction:
    """Return an instruction. Its heredocs are read from the lines that follow."""
    word, *arguments = text.split(None, 1) or [""]
    rest, flags = "".join(arguments), []
    if word.upper() in FLAGS:
        while match := re.match(r"--([\w.-]+)(?:=(\S*))?(?:\s+|$)", rest):
            flags.append((match[1], match[2] or ""))
            rest = rest[match.end() :]
    made = Instruction(
        place=place, text=text, word=word.upper(), rest=rest, flags=tuple(flags), escape=escape
    )
    if made.word in ("RUN", "COPY", "ADD"):
        for found in HEREDOC.finditer(rest):
            made.heredocs[found["name"]] = _body(following, found["name"], bool(found["tabs"]))
    return made


def _body(lines: Iterator[tuple[int, str]], name: str, tabs: bool) -> str:
    """Read a heredoc up to the line with its name."""
    body = []
    for _, line in lines:
        text = line.lstrip("\t") if tabs else line
        if text == name:
            break
        body.append(text)
    return "\n".join(body)
