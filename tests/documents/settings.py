"""The settings of stack/ in Pulumi.yaml, docs/settings.md and docs/settings.ja.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.rules import IN_PLACE, Change, Choice, Integer, Key
from stack.settings import KEYS
from tests.documents.markdown import ROOT

PROJECT = ROOT / "Pulumi.yaml"


@dataclass(frozen=True)
class Words:
    """The words of a page in its language."""

    settings: str
    """The header of the table of all settings; `changes` is that of what a change does."""
    changes: str
    others: str
    empty: str
    span: str
    gap: str
    meaning: Callable[[Key[Any]], str]
    change: Callable[[Change], str]


PAGES = {
    ROOT / "docs" / "settings.md": Words(
        settings="| key | meaning | default | other values |",
        changes="| setting | what a running stack does with another value |",
        others="all others",
        empty="empty",
        span="{low} to {high}",
        gap=", ",
        meaning=lambda key: key.meaning,
        change=lambda change: change.english,
    ),
    ROOT / "docs" / "settings.ja.md": Words(
        settings="| キー | 意味 | 既定値 | ほかの値 |",
        changes="| 設定 | 別の値にしたとき、動いているスタックに起きること |",
        others="ほかのすべて",
        empty="空",
        span="{low} から {high}",
        gap="、",
        meaning=lambda key: key.japanese,
        change=lambda change: change.japanese,
    ),
}


def write() -> None:
    """Write the three files."""
    PROJECT.write_text(project())
    for path in PAGES:
        path.write_text(page(path))


def project() -> str:
    """Return Pulumi.yaml, whose last block is written from the settings."""
    head, begin, _ = PROJECT.read_text().partition("\nconfig:\n")
    return head + begin + "".join(map(_declaration, KEYS))


def _declaration(key: Key[Any]) -> str:
    default = json.dumps(key.default) if key.kind == "string" else key.default
    return (
        f"  {key.name}:\n    type: {key.kind}\n    default: {default}\n"
        f"    description: {json.dumps(key.meaning, ensure_ascii=False)}\n"
    )


def page(path: Path) -> str:
    """Return a page with its two tables; the rest is written by hand."""
    words, text = PAGES[path], path.read_text()
    for header, rows in ((words.settings, _settings(words)), (words.changes, _changes(words))):
        before, found, after = text.partition(f"{header}\n")
        assert found, f"{path.name} has no table with the header {header}"
        rule = f"|{'---|' * (header.count('|') - 1)}\n"
        text = before + found + rule + "".join(rows) + re.sub(r"\A(?:\|.*\n)+", "", after)
    return text


def _settings(words: Words) -> Iterator[str]:
    for key in KEYS:
        cells = (words.meaning(key), _value(key.default, words), _others(key, words))
        yield f"| `{key.name}` | {' | '.join(cells)} |\n"


def _value(text: str, words: Words) -> str:
    return words.empty if text in ("", "{}") else f"`{text}`"


def _others(key: Key[Any], words: Words) -> str:
    """Return a number's range, the other choices, or an example."""
    match key.rule:
        case Integer(low=low, high=high):
            return words.span.format(low=low, high=high)
        case Choice(options=options):
            return words.gap.join(f"`{each}`" for each in options if each != key.default)
    return f"`{key.another(key.default)}`"


def _changes(words: Words) -> Iterator[str]:
    for change in dict.fromkeys(key.change for key in KEYS if key.change != IN_PLACE):
        names = words.gap.join(f"`{key.name}`" for key in KEYS if key.change == change)
        yield f"| {names} | {words.change(change)} |\n"
    yield f"| {words.others} | {words.change(IN_PLACE)} |\n"
