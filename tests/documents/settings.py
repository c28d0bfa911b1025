"""The settings of careapp.settings in Pulumi.yaml, docs/settings.md and docs/settings.ja.md."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from careapp.settings.rules import IN_PLACE, Choice, Integer, Key
from careapp.settings.settings import KEYS
from ecs_gate.text import LANGUAGES, in_language, translated
from tests.documents.markdown import ROOT

PROJECT = ROOT / "Pulumi.yaml"
CHOSEN = (
    *("ecsEnabled", "protect", "databaseInstanceClass", "appFolder", "appVariables"),
    *("desiredCount", "healthPath", "domainName", "hostedZoneId", "alarmEmail"),
)
"""The settings that nearly every stack sets."""
WORDS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
SUBJECTS = WORDS["subjects"]
"""The subjects by their first setting, in English and in Japanese."""


@dataclass(frozen=True)
class Words:
    """The words of a page in its language."""

    settings: str
    """The header of the tables of settings; `changes` is that of what a change does."""
    changes: str
    rest: str
    """The heading of the settings that not every stack sets; `others` is the row of what changes in place."""
    others: str
    empty: str
    span: str
    gap: str
    language: str


PAGES = {ROOT / path: Words(**words) for path, words in WORDS["pages"].items()}


def write() -> None:
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
        # Without a type: the engine would refuse one value at a time, and before the program, which names them all.
        f"  {key.name}:\n    default: {default}\n"
        f"    description: {json.dumps(key.meaning, ensure_ascii=False)}\n"
    )


def page(path: Path) -> str:
    """Return a page with its tables: of each setting up to the next section, and of changes. The rest is by hand."""
    words = PAGES[path]
    with in_language(words.language):
        return _page(path.read_text(), words)


def _page(text: str, words: Words) -> str:
    head, rest = text.partition(words.settings)[0], text.rpartition(words.settings)[2]
    rest = rest[rest.index("\n## ") :]
    head, _, rest = f"{head}{_settings(words)}{rest}".partition(words.changes)
    changes = "".join(_changes(words))
    return f"{head}{words.changes}\n|---|---|\n{changes}" + rest[rest.index("\n\n") + 1 :]


def _settings(words: Words) -> str:
    """Return a table of the chosen settings, and one of the others, in which a row names each subject."""
    others = ""
    for key in KEYS:
        if key.name in SUBJECTS:
            others += f"| **{SUBJECTS[key.name][LANGUAGES.index(words.language)]}** | | | |\n"
        if key.name not in CHOSEN:
            others += _row(key, words)
    head = f"{words.settings}\n|---|---|---|---|\n"
    chosen = "".join(_row(key, words) for key in KEYS if key.name in CHOSEN)
    return f"{head}{chosen}\n## {words.rest}\n\n{head}{others}"


def _row(key: Key[Any], words: Words) -> str:
    return f"| `{key.name}` | {translated(key.meaning)} | {_value(key.default, words)} | {_others(key, words)} |\n"


def _value(text: str, words: Words) -> str:
    return words.empty if text in ("", "{}") else f"`{text}`"


def _others(key: Key[Any], words: Words) -> str:
    """Return a number's range, the other choices, or an example."""
    match key.rule:
        case Integer(low=low, high=high):
            return words.span.format(low=low, high=high)
        case Choice(options=options):
            return words.gap.join(f"`{option}`" for option in options if option != key.default)
    return f"`{key.another(key.default)}`"


def _changes(words: Words) -> Iterator[str]:
    for change in dict.fromkeys(key.change for key in KEYS if key.change != IN_PLACE):
        names = words.gap.join(f"`{key.name}`" for key in KEYS if key.change == change)
        yield f"| {names} | {translated(change.text)} |\n"
    yield f"| {words.others} | {translated(IN_PLACE.text)} |\n"
