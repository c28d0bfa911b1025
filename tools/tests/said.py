"""Sentences for users, recorded beside the tests that make them: a change of one is reviewed as a diff.

`RECORD=1 ./careapp test FOLDER` writes them again.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ecs_gate.text import in_language


def check(file: Path, sentences: Mapping[str, Callable[[], object]]) -> None:
    """Compare what each function makes, in English and Japanese, with what the file has below its name."""
    names: dict[str, list[str]] = {}
    for name, make in sentences.items():
        names.setdefault(_spoken(make), []).append(f"# {name}\n")
    compare(file, "\n".join("".join(heads) + text for text, heads in names.items()))


def compare(file: Path, now: str) -> None:
    """Compare a text with its record, or write it."""
    if os.environ.get("RECORD"):
        file.write_text(now)
    before = file.read_text().splitlines(keepends=True)
    assert now.splitlines(keepends=True) == before, "RECORD=1 writes it, if it is meant"


def _spoken(make: Callable[[], object]) -> str:
    lines = []
    for language in ("en", "ja"):
        with in_language(language):
            lines += [f"{language} {line}".rstrip() for line in str(make()).splitlines()]
    return "".join(f"{line}\n" for line in lines)
