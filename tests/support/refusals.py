"""Stack files that are refused, with what is said of each in both languages: `tests/unit/recorded/refused.yaml`.

A new one is a `set:` in that file, with `project`, `stack`, `others` (keys of other packages) or `encrypted` if they
matter; `python -m tests.recorded` writes the sentences.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from careapp.settings.file import StackError
from ecs_gate.text import LANGUAGES, in_language
from tests.unit.conftest import of

FILE = Path(__file__).parents[1] / "unit" / "recorded" / "refused.yaml"


@cache
def cases() -> tuple[dict[str, Any], ...]:
    """Return the refused stack files."""
    return tuple(yaml.load(FILE.read_text(), yaml.CSafeLoader))


def problems(case: Mapping[str, Any], language: str = "en") -> list[str]:
    """Return what is said of a stack file, without the heading and the advice. An accepted one is an error."""
    ours = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in case["set"].items()
    }
    given = {key: case[key] for key in ("project", "stack", "others", "encrypted") if key in case}
    with in_language(language):
        try:
            of(**given, **ours)
        except StackError as refused:
            return [line.strip() for line in str(refused).splitlines()[1:-1]]
    raise AssertionError(f"accepted: {case}")


def said(case: Mapping[str, Any]) -> dict[str, Any]:
    """Return a refused stack file with what is said of it now."""
    return {**case, **{language: problems(case, language) for language in LANGUAGES}}


def renewed() -> Iterator[dict[str, Any]]:
    """Yield each case with what is said now; name those that are accepted, and leave them out."""
    for case in cases():
        try:
            yield said(case)
        except AssertionError as accepted:
            print(accepted)
