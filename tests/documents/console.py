"""The `console` blocks of a page: what is typed after `$`, and what it prints.

In the output "…" stands for what differs from run to run, on a line of its own for any lines. A last
line `^C` is the reader's Ctrl-C.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.documents.markdown import Page

INTERRUPT = "^C"


@dataclass(frozen=True)
class Command:
    """One command, the lines that it prints as the page has them, and whether Ctrl-C ends it."""

    words: str
    output: tuple[str, ...]
    interrupted: bool = False


@dataclass(frozen=True)
class Console:
    """A block of commands, and the line on which it begins."""

    commands: tuple[Command, ...]
    line: int


def consoles(page: Page) -> list[Console]:
    return [
        Console(tuple(_commands(block.text.splitlines())), block.line)
        for block in page.blocks
        if block.language == "console"
    ]


def _commands(lines: list[str]) -> Iterator[Command]:
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    if not starts or starts[0] != 0:
        raise ValueError(f"a console block begins with `$ `, not with {lines[:1]}")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        last = start
        while lines[last].endswith("\\"):
            last += 1
        words = "\n".join([lines[start].removeprefix("$ "), *lines[start + 1 : last + 1]])
        output = lines[last + 1 : end]
        held = output[-1:] == [INTERRUPT]
        yield Command(words, tuple(output[:-1] if held else output), held)


def pattern(expected: tuple[str, ...]) -> re.Pattern[str]:
    """What a whole output must look like."""
    return re.compile("".join(map(_line, expected)))


def _line(text: str) -> str:
    if text.strip() == "…":
        return r"(?:.*\n)*?"
    return ".*?".join(map(re.escape, text.rstrip().split("…"))) + r"[ \t]*\n"


def printed_as(expected: tuple[str, ...], output: str) -> bool:
    """Whether a command printed what the page says; a page that says nothing is content with anything."""
    text = "".join(f"{line.rstrip()}\n" for line in output.strip("\n").splitlines())
    return not expected or pattern(expected).fullmatch(text) is not None
