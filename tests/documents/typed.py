"""The commands that documents tell a reader to type, and whether there are such commands."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile

import click

from tests.documents.commands import commands
from tests.documents.markdown import Page

PLACEHOLDER = re.compile(r"\[?[A-Z]{2,}\]?|…|[A-Z=]+…")
WORDS = r"""(?:"[^"`\n]*"|'[^'`\n]*'|[^|;&<>`\n])*"""
"""A command up to its end; what ends one does not within quotation marks."""
OF_THE_SCRIPT = {
    "test": {"--all", "--changed", "--draws", "--seed", "--only"},
    "completion": set(),
    "--help": {"--help"},
    "--version": {"--version"},
}
"""What the script `careapp` understands itself, with options."""


def typed(page: Page, program: str) -> list[list[str]]:
    """Every command of one program on a page, as words: in blocks, in text, in tables."""
    texts = [line for block in page.blocks for line in _joined(block.text).splitlines()]
    found = []
    for text in (*texts, *page.spans):
        for match in re.finditer(rf"(?:^|[\s(`]){re.escape(program)} ({WORDS})", text):
            if words := _split(match[1]):
                found.append(words)
    return found


def _joined(text: str) -> str:
    return re.sub(r"\\\n\s*", " ", text)


def _split(text: str) -> list[str]:
    """The words of a command up to a comment; a substitution within is one word."""
    text = re.sub(r"\$\([^)]*\)", "SUBSTITUTED", text.partition(" #")[0]).replace(")", " ")
    text = re.split(r"\s{3,}|[、。）]", text)[0]  # noqa: RUF001
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    return [word.rstrip(".,:") for word in words]


def unknown(words: list[str]) -> str:
    """What is wrong with a command of `./careapp`; empty when there is such a one."""
    if words[0] in OF_THE_SCRIPT or PLACEHOLDER.fullmatch(words[0]):
        allowed = OF_THE_SCRIPT.get(words[0], set())
        wrong = [word for word in _own(words) if word.startswith("--") and word not in allowed]
        return f"{words}: no option {wrong}" if wrong else ""
    every = commands()
    two = " ".join(words[:2])
    name = two if two in every else words[0]
    if name not in every:
        return f"{words}: no such command"
    return "".join(_wrong_options(every[name], words))


def _wrong_options(command: click.Command, words: list[str]) -> Iterator[str]:
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    known |= {"-h", "--help"}
    if isinstance(command, click.Group) and len(words) > 1 and not words[1].startswith("-"):
        for part in words[1].split("|"):
            if part not in command.commands and not PLACEHOLDER.fullmatch(part):
                yield f"{words}: {command.name} has no {part}"
    for word in _own(words):
        option = word.partition("=")[0]
        if re.fullmatch(r"--?[a-z][\w-]*", option) and option not in known:
            yield f"{words}: no option {option}"


def _own(words: list[str]) -> list[str]:
    """The words before another program's: those begin behind `--`, or are what `shell` runs."""
    if words[0] == "shell":
        return [words[0], *takewhile(lambda word: word.startswith("-"), words[1:])]
    return words[: words.index("--")] if "--" in words else words
