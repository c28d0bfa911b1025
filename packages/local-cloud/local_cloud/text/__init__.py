"""The sentences of the local cloud: English, unless the program that starts it translates them (`starter.Starter`)."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import click

PASSWORD = re.compile(r"(?<=://)([^\s/:@]*):[^\s/]+(?=@)")
"""The password in a URL. pip, git, uv and psycopg quote the addresses that they were given: those of package indexes,
repositories and databases. The other secrets of a local cloud are made for it, and of no use elsewhere."""


_translate: Callable[[str], str] = str
_mask: Callable[[str], str] = str


def use(translate: Callable[[str], str], mask: Callable[[str], str]) -> None:
    """Show templates as ``translate`` returns them, and no words that ``mask`` removes."""
    global _translate, _mask
    _translate, _mask = translate, mask


def masked(words: str) -> str:
    """Return words without the secrets that can be found in them."""
    return _mask(PASSWORD.sub(r"\1:***", words))


@dataclass(frozen=True)
class Text:
    """A message with its values, which can be texts as well. ``str()`` translates it and masks secrets."""

    template: str
    values: tuple[tuple[str, object], ...] = ()
    plural: str = ""

    def __str__(self) -> str:
        values, words = dict(self.values), _translate(self.template)
        if self.plural and words == self.template and values["count"] != 1:
            words = self.plural
        return masked(words.format(**values))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def t(template: str, plural: str = "", /, **values: object) -> Text:
    """Return a message. ``template`` is a literal; ``plural`` is used where the value ``count`` is not 1."""
    return Text(template, tuple(values.items()), plural)


def joined(gap: str, texts: Iterable[Text]) -> Text:
    """Return one text of several, with ``gap`` between them."""
    values = {f"part{number}": text for number, text in enumerate(texts)}
    return Text(gap.join(f"{{{name}}}" for name in values), tuple(values.items()))


def verbatim(words: str) -> Text:
    """Return a text that is never translated, like a message of AWS or of a program."""
    return Text("{words}", (("words", words),))


class Refused(click.ClickException):
    """A command cannot go on: its text says why and what to do. It is raised with a text, or with what `t` takes."""

    def __init__(self, text: str | Text, /, **values: object) -> None:
        whole = text if isinstance(text, Text) else Text(text, tuple(values.items()))
        super().__init__(whole)  # type: ignore[arg-type]

    def format_message(self) -> str:
        """Return its text, in the language of this moment."""
        return str(self.message)

    __str__ = format_message


def said(problem: BaseException) -> Text:
    """Return the text that an error was raised with, or its message as it is where it has none."""
    given = next((arg for arg in problem.args if isinstance(arg, Text)), None)
    return given or verbatim(str(problem))
