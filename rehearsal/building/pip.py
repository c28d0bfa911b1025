"""`pip install` as a Dockerfile writes it: which of its options and packages a venv of this machine takes over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

FILES = {
    "-r": "--requirement",
    "--requirement": "--requirement",
    "-c": "--constraint",
    "--constraint": "--constraint",
}
"""Options that name a file, by their long names."""
KEPT = ("--require-hashes", "--no-deps", "--pre", "--prefer-binary")
KEPT_WITH_VALUE = (
    "--only-binary",
    "--no-binary",
    "--index-url",
    "-i",
    "--extra-index-url",
    "--find-links",
    "-f",
)
DROPPED = (
    *("--no-cache-dir", "--no-compile", "--upgrade", "-U", "--quiet", "-q", "--no-input"),
    *("--disable-pip-version-check", "--no-warn-script-location"),
)
"""Options about the image's size, or about what is shown."""
DROPPED_WITH_VALUE = (
    "--root-user-action",
    "--timeout",
    "--default-timeout",
    "--retries",
    "--progress-bar",
)
TOOLS = ("pip", "setuptools", "wheel")
"""Packages that a venv of this machine has, or does without."""
PACKAGE = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(\[[\w,.-]+\])?([=<>!~]=?[^/:]*)?")


def arguments(words: Sequence[str], workdir: PurePosixPath) -> tuple[str, ...]:
    """What pip is to be given; files by their whole paths in the image, () where nothing is to be installed.

    Raises ValueError with the first word that is not understood.
    """
    kept: list[str] = []
    wanted = False
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if (
            option.startswith("-")
            and option[1:2] in "rc"
            and option[2:]
            and not option.startswith("--")
        ):
            option, equals, value = word[:2], "=", word[2:]
        if option in FILES:
            kept += [FILES[option], str(workdir / (value if equals else next(rest, "")))]
            wanted = wanted or FILES[option] == "--requirement"
        elif option in (*KEPT_WITH_VALUE, *DROPPED_WITH_VALUE):
            value = value if equals else next(rest, "")
            kept += [option, value] if option in KEPT_WITH_VALUE else []
        elif word in KEPT:
            kept.append(word)
        elif (package := PACKAGE.fullmatch(word)) and not word.startswith("-"):
            tool = package["name"].lower() in TOOLS
            kept += [] if tool else [word]
            wanted = wanted or not tool
        elif word not in DROPPED:
            raise ValueError(word)
    return tuple(kept) if wanted else ()


def files(install: Sequence[str]) -> Iterator[Path]:
    """Yield the files that the arguments name, with those that such a file names in turn."""
    for option, value in pairwise(install):
        if option in FILES.values():
            yield from _named(Path(value))


def _named(file: Path) -> Iterator[Path]:
    yield file
    for line in file.read_text().splitlines():
        if match := re.match(r"\s*(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)", line):
            yield from _named(file.parent / match[1])
