"""Translates messages for people: English in the code, Japanese from the catalogues."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from string import Formatter
from typing import TypeAlias

from ecs_gate.text.masking import mask

LANGUAGES = ("en", "ja")
LOCALE = Path(__file__).with_name("locale")
_CATALOGUES = [(LOCALE, "ecs_gate")]
_VARIABLES = ["ECS_GATE_LANG"]

_CHOSEN: ContextVar[str] = ContextVar("language", default="")

Value: TypeAlias = "str | int | float | Text"


DOCUMENT = re.compile(r"\bdocs/(?=[a-z-]+\.md)")
"""How a text names a document of the program that it is about."""
_DOCUMENTS = ["docs/"]


def set_documents(address: str) -> None:
    """Name the program's documents by an address instead of a folder that is not there."""
    _DOCUMENTS[0] = address


def add_catalogue(locale: Path, domain: str, variable: str) -> None:
    """Translate the messages of a program, too; its environment ``variable`` chooses the language."""
    _CATALOGUES.append((locale, domain))
    _VARIABLES.insert(0, variable)


class Refused(Exception):
    """A command cannot go on: its text says why and what to do. It is raised with a text, or with what `t` takes."""

    exit_code = 1
    """That of the command."""

    def __init__(self, text: str | Text, plural: str = "", /, **values: Value) -> None:
        whole = text if isinstance(text, Text) else Text(text, tuple(values.items()), plural)
        super().__init__(whole)

    @property
    def text(self) -> Text:
        """Return the text that it was raised with."""
        return text_of(self)


@dataclass(frozen=True)
class Text:
    """A message with its values. ``str()`` translates it into the current language and masks secrets."""

    template: str
    values: tuple[tuple[str, Value], ...] = ()
    plural: str = ""

    def __str__(self) -> str:
        values = dict(self.values)
        template = translated(self.template)
        if self.plural and template == _placed(self.template) and values["count"] != 1:
            # Japanese has one form, and the catalogue has it under the singular.
            template = _placed(self.plural)
        return mask(template.format(**values))

    def filled(self, **values: Value) -> Text:
        """Return the text with further values."""
        return replace(self, values=(*self.values, *values.items()))

    def worded(self, words: Callable[[str], Text]) -> Text:
        """Return the text with ``words`` for the names that have no value, also in the texts among its values."""
        values = {
            name: value.worded(words) if isinstance(value, Text) else value
            for name, value in self.values
        }
        names = (name for _, name, _, _ in Formatter().parse(self.template) if name)
        values |= {name: words(name) for name in names if name not in values}
        return replace(self, values=tuple(values.items()))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def t(template: str, plural: str = "", /, **values: Value) -> Text:
    """Return a message. ``template`` must be a literal: the catalogue is compared with those in the code.

    ``plural`` is the English one where the value ``count`` is not 1.
    """
    return Text(template, tuple(values.items()), plural)


def joined(gap: str, texts: Iterable[Text]) -> Text:
    """Return one text of several, with ``gap`` between them."""
    values = {f"part{number}": text for number, text in enumerate(texts)}
    return Text(gap.join(f"{{{name}}}" for name in values), tuple(values.items()))


def verbatim(text: str) -> Text:
    """Return a text that is the same in every language, like a message of AWS or of the app."""
    return Text("{words}", (("words", text),))


def text_of(problem: BaseException) -> Text:
    """Return the text that an error was raised with, or its message as it is where it has none."""
    given = next((arg for arg in problem.args if isinstance(arg, Text)), None)
    return given or verbatim(str(problem))


def translated(text: str) -> str:
    """Translate a message or a template into the current language; what no catalogue has stays English."""
    chosen = language()
    texts = (catalogue(domain, chosen, locale).get(text) for locale, domain in _CATALOGUES)
    return _placed(next(filter(None, texts), text))


def _placed(text: str) -> str:
    return DOCUMENT.sub(_DOCUMENTS[0], text)


def language(environ: Mapping[str, str] | None = None) -> str:
    """Return the current language, ``en`` or ``ja``.

    It is the one of ``in_language``, else of a variable for it alone, else of the locale (POSIX's
    order of variables), else English.
    """
    if chosen := _CHOSEN.get():
        return chosen
    environ = os.environ if environ is None else environ
    for name in _VARIABLES:
        if environ.get(name) in LANGUAGES:
            return environ[name]
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name):
            return "ja" if value.lower().startswith("ja") else "en"
    return "en"


@contextmanager
def in_language(chosen: str) -> Iterator[None]:
    """Translate into ``chosen`` within the block, like the page does for each request."""
    token = _CHOSEN.set(chosen)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


LITERAL = r'((?:"[^\n]*"\n)+)'
ENTRY = re.compile(
    rf"^msgid {LITERAL}(?:msgid_plural {LITERAL})?msgstr(?:\[0\])? {LITERAL}", re.MULTILINE
)


@cache
def catalogue(domain: str, lang: str, locale: Path = LOCALE) -> Mapping[str, str]:
    """Return the texts of a .po file by their messages; English has none.

    Of a plural it is the first form, the only one that Japanese has. The .po is read itself, in 8 ms: gettext reads
    only .mo files, which a checkout would have to compile, keep up to date and be allowed to write.
    """
    if lang == "en":
        return {}
    content = (locale / lang / "LC_MESSAGES" / f"{domain}.po").read_text(encoding="utf-8")
    return {_unquoted(match[1]): _unquoted(match[3]) for match in ENTRY.finditer(content)}


def _unquoted(literal: str) -> str:
    """Return the text of a literal, which may go on over several lines."""
    return str(json.loads(literal.strip().replace('"\n"', "")))
