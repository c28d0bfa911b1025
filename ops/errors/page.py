"""The pages docs/errors.md and docs/errors.ja.md: every error, with cause and cure, and the exit codes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ops.errors.exit_codes import table
from ops.errors.found import Found, errors
from ops.locale_libraries import LIBRARIES
from ops.locale_sources import ROOT
from ops.locale_tools import catalogues, parse
from ops.texts import LANGUAGES, translated

NOTES = ROOT / "docs" / "errors.toml"
WORDS: Mapping[str, Mapping[str, str]] = {
    "title": {"en": "Errors and exit codes", "ja": "エラーと終了コード"},
    "made": {
        "en": "`python -m ops.errors` makes this page from the code and docs/errors.toml.",
        "ja": "このページは `python -m ops.errors` がコードと docs/errors.toml から作ります。",
    },
    "how": {
        "en": "Search for words that you saw. `{…}` stands for a value. Each error can be linked to by its "
        "name: `docs/errors.md#error-no-stack`.",
        "ja": "表示された文言で検索してください。`{…}` には値が入ります。英語の文言も併記しています。"
        "エラーには名前でリンクできます: `docs/errors.ja.md#error-no-stack`",
    },
    "codes": {"en": "Exit codes", "ja": "終了コード"},
    "command": {"en": "command", "ja": "コマンド"},
    "others": {"en": "others", "ja": "その他"},
    "every": {
        "en": "Every command besides: 2 when it was called wrongly, 129, 130 and 143 when SIGHUP, Ctrl-C or "
        "SIGTERM ended it, 141 when nobody reads its output any more.",
        "ja": "すべてのコマンドに共通: 呼び出しの誤りは 2、SIGHUP、Ctrl-C、SIGTERM による終了は 129、130、143、"
        "出力先が閉じられたときは 141。",
    },
    "cause": {"en": "Cause", "ja": "原因"},
    "cure": {"en": "Cure", "ja": "対処"},
}


def pages() -> dict[str, str]:
    """Each page's file and content. Raises ValueError when the notes and the code do not agree."""
    notes = tomllib.loads(NOTES.read_text())
    found = errors()
    if problems := list(disagreements(notes, found)):
        raise ValueError("\n".join(problems))
    names = {"en": "docs/errors.md", "ja": "docs/errors.ja.md"}
    return {names[lang]: "\n".join(_page(notes, found, lang)) + "\n" for lang in LANGUAGES}


def disagreements(notes: Mapping[str, Any], found: Mapping[str, Found]) -> Iterator[str]:
    """Errors of the code that the notes lack, and errors of the notes that the code lacks."""
    noted = [each["text"] for part in notes.values() for each in part["errors"].values()]
    for text in found:
        if text not in noted:
            yield f"{found[text].file}: docs/errors.toml does not know {text!r}"
    for text in noted:
        if text not in found:
            yield f"docs/errors.toml: nobody says {text!r} any more"


def _page(notes: Mapping[str, Any], found: Mapping[str, Found], lang: str) -> Iterator[str]:
    yield f"# {WORDS['title'][lang]}\n"
    yield f"<!-- {WORDS['made'][lang]} -->\n"
    yield f"{WORDS['how'][lang]}\n"
    yield f'<a id="exit-codes"></a>\n\n## {WORDS["codes"][lang]}\n'
    yield from _exit_codes(lang)
    for name, part in notes.items():
        yield f'\n<a id="{name}"></a>\n\n## {part["title"][lang]}\n'
        yield part["about"][lang]
        for error, note in part["errors"].items():
            yield from _error(error, note, found[note["text"]], lang)


def _exit_codes(lang: str) -> Iterator[str]:
    yield f"| {WORDS['command'][lang]} | 0 | 1 | 2 | {WORDS['others'][lang]} |"
    yield "|---|---|---|---|---|"
    for command, codes in table(lang).items():
        usual = " | ".join(codes.get(code, "") for code in (0, 1, 2))
        others = "; ".join(f"{code}: {words}" for code, words in codes.items() if code > 2)
        yield f"| `{command}` | {usual} | {others} |"
    yield f"\n{WORDS['every'][lang]}"


def _error(name: str, note: Mapping[str, Any], error: Found, lang: str) -> Iterator[str]:
    shown = dict.fromkeys(as_shown(each) for each in (_said(error, lang), error.text))
    yield f'\n<a id="error-{name}"></a>\n'
    yield "\n".join(("```text", *shown, "```"))
    cure = note.get("cure", {}).get(lang) or as_shown(translated(error.cure, lang))
    told = {"cause": note.get("cause", {}).get(lang), "cure": cure}
    if any(told.values()):
        yield ""
    for word, said in told.items():
        if said:
            yield f"- {WORDS[word][lang]}: {said}"


def _said(error: Found, lang: str) -> str:
    if error.file != "click":
        return translated(error.text, lang)
    return libraries(lang).get(error.text, error.text)


@cache
def libraries(lang: str) -> Mapping[str, str]:
    """The catalogue of click's words; empty for English."""
    files = [file for file in catalogues(LIBRARIES) if file.parts[-3] == lang]
    return parse(files[0].read_text()) if files else {}


def as_shown(template: str) -> str:
    """A template as a person sees it, but for the values: the first of singular and plural."""
    plain = re.sub(r"\{(\w+)!r\}", r"'{\1}'", template.partition("\0")[0])
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", plain).replace("{{", "{").replace("}}", "}")
