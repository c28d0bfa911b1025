"""What careapp says to people: English in the code, Japanese from the catalogue."""

from __future__ import annotations

import gettext
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

LANGUAGES = ("en", "ja")
DOMAIN = "careapp"
LOCALE = Path(__file__).with_name("locale")
VARIABLE = "CAREAPP_LANG"
"""What ``--lang`` was, for the processes that a command starts: the program of `pulumi up`, the doctor."""

Value: TypeAlias = "str | int | float | Text"


class Refused(Exception):
    """A command cannot go on. Its text says why and what to do; ``exit_code`` is the command's."""

    exit_code = 1

    @property
    def text(self) -> Text:
        """What it was raised with."""
        return said(self)


@dataclass(frozen=True)
class Text:
    """A sentence that is put into a language only when it is shown."""

    template: str
    values: tuple[tuple[str, Value], ...] = ()

    def to(self, lang: str) -> str:
        """The sentence in a language of LANGUAGES."""
        template = _catalogue(lang).gettext(self.template) if self.template else ""
        return template.format(**{name: _put(value, lang) for name, value in self.values})

    def __str__(self) -> str:
        return self.to("en")


def t(template: str, **values: Value) -> Text:
    """A sentence. ``template`` must be a literal: the catalogue is compared with those in the code."""
    return Text(template, tuple(values.items()))


def joined(gap: str, texts: Iterable[Text]) -> Text:
    """The texts one after the other."""
    values = {f"part{number}": text for number, text in enumerate(texts)}
    return Text(gap.join(f"{{{name}}}" for name in values), tuple(values.items()))


def verbatim(words: str) -> Text:
    """Somebody else's words, AWS's or the app's, which no language changes."""
    return Text("{words}", (("words", words),))


def said(problem: BaseException) -> Text:
    """The text with which an error was raised; its words as they are where it was raised with none."""
    given = next((each for each in problem.args if isinstance(each, Text)), None)
    return given or verbatim(str(problem))


def translated(words: str, lang: str) -> str:
    """Words, or a template with its gaps, in a language."""
    return _catalogue(lang).gettext(words) if words else ""


def shown(text: Text | str) -> str:
    """The text in the language to speak."""
    return text.to(language()) if isinstance(text, Text) else text


def language(chosen: str | None = None, environ: Mapping[str, str] | None = None) -> str:
    """The language to speak: the chosen one, or that of the locale (POSIX's order), or English."""
    if chosen:
        return chosen
    environ = os.environ if environ is None else environ
    if environ.get(VARIABLE) in LANGUAGES:
        return environ[VARIABLE]
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name):
            return "ja" if value.lower().startswith("ja") else "en"
    return "en"


def _put(value: Value, lang: str) -> object:
    return value.to(lang) if isinstance(value, Text) else value


@cache
def _catalogue(lang: str) -> gettext.NullTranslations:
    if lang == "en":
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALE, [lang])
