"""The Japanese catalogues' upkeep: ``python -m tests.catalogues`` says what is missing and what is left over.

With ``--add`` it inserts an empty entry for each missing message, after the one that stands before it in the code.

A message without Japanese is shown in English: neither fails a test, so that a change can come in English only.

ecs_gate has a catalogue of its own, and careapp has one of what it says beside that.

Messages stand in calls of ``t``, ``Invalid`` and REFUSALS, in fields of ROWS, in the help of commands, in templates
and in the settings.
"""

import ast
import inspect
import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2 import Environment

import ecs_gate
import local_cloud
from careapp import ROOT
from careapp.settings import LOCALE
from careapp.settings.settings import KEYS
from ecs_gate import text

MARKS = {"t", "Invalid"}
ROWS = dict.fromkeys(("Known", "replace"), ("title", "why", "fix"))
"""Records, and what copies one with other fields, whose fields of these names are messages."""
REFUSALS = {
    *("Refused", "StackError", "Missing", "NoPrice", "RehearsalFailed", "FaultError", "DevFailed"),
    "NotLocked",
    *("CloudError", "EngineError", "NoInterpreter", "NoSuchProgram", "PostgresFailed"),
    *("DockerfileError", "RunFailed", "NoDocker"),
}
"""Errors that are raised with what ``t`` takes, or with a text; in the local cloud Refused is AWS's, too."""
TEMPLATES: Any = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
GATE = (Path(ecs_gate.__file__).parent,)
SETTINGS = LOCALE.parent
OTHERS = ("delivery", "policy", "settings")
"""Folders beside those of the commands. The policy pack speaks English only."""
SOURCES = (
    *(path for path in SETTINGS.parent.iterdir() if path.name not in OTHERS),
    SETTINGS.with_name("delivery"),
    ROOT / "infra",
    Path(local_cloud.__file__).parent,
    SETTINGS,
)
SAID_IN = {
    text.LOCALE / "ja" / "LC_MESSAGES" / "ecs_gate.po": GATE,
    LOCALE / "ja" / "LC_MESSAGES" / "careapp.po": SOURCES,
}
"""The catalogues, and where their messages are said. What the gate says, too, is in its own."""


def messages(places: Sequence[Path] = (*GATE, *SOURCES)) -> set[str]:
    """Return every message of the files and folders. Raises ValueError for a ``t`` of what is no literal."""
    return {message for file in by_file(places) for message in file}


def by_file(places: Sequence[Path]) -> Iterator[list[str]]:
    """Yield the messages of the settings, which ``settings`` has, then those of each file in their order."""
    if SETTINGS in places:
        yield [each for key in KEYS for each in (key.meaning, key.change.text)]
    for place in places:
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if not {"tests", "template"}.isdisjoint(file.relative_to(place).parts):
                continue
            tree = ast.parse(file.read_text())
            names = MARKS | REFUSALS - ({"Refused"} if place.name == "local_cloud" else set())
            yield [text for _, text in sorted((*marked(tree, file.name, names), *helps(tree)))]
        for file in sorted(place.rglob("*.html")):
            words = TEMPLATES.extract_translations(file.read_text(), gettext_functions=("t",))
            yield [str(text) for _, _, text in words]


def marked(tree: ast.AST, file: str, names: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines and templates that are given to functions of these names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _name(node.func)) in names:
            template = node.args[0] if node.args else None
            if isinstance(template, ast.Constant):
                yield node.lineno, str(template.value)
            elif name in MARKS:
                where = f"{file}:{node.lineno}"
                raise ValueError(f"{where}: t() takes a literal, or no catalogue can know it")
        elif isinstance(node, ast.Call) and name in ROWS:
            fields = [keyword for keyword in node.keywords if keyword.arg in ROWS[name]]
            for value in (field.value for field in fields):
                if isinstance(value, ast.Constant):
                    yield value.lineno, str(value.value)


def helps(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield lines and texts that click shows of a command: its docstring and its options' ``help``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(map(_makes_command, node.decorator_list)):
            yield node.lineno, inspect.cleandoc(ast.get_docstring(node, clean=False) or "")
        elif isinstance(node, ast.Call) and _name(node.func) in ("option", "Option"):
            for keyword in node.keywords:
                if keyword.arg == "help" and isinstance(keyword.value, ast.Constant):
                    yield node.lineno, str(keyword.value.value)


def _makes_command(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return _name(called) in ("command", "group")


def _name(called: ast.expr) -> str:
    return str(getattr(called, "attr", getattr(called, "id", "")))


def catalogues() -> list[Path]:
    return sorted(each for file in SAID_IN for each in file.parent.glob("*.po"))


def read(file: Path) -> Catalog:
    with file.open("rb") as source:
        return read_po(source, locale=file.parts[-3], abort_invalid=True)


def problems(catalogue: Catalog, said: set[str]) -> Iterator[str]:
    """Say which messages the catalogue lacks, and which of its own are said no longer."""
    entries = {str(message.id): message.string for message in catalogue if message.id}
    for missing in sorted(said - {key for key, value in entries.items() if value}):
        yield f"not translated: {missing!r}"
    for left in sorted(entries.keys() - said):
        yield f"no longer said: {left!r}"


def added(catalogue: str, files: Iterable[Sequence[str]]) -> str:
    """Return a .po file's text with an empty entry for each message that it lacks."""
    entries = catalogue.rstrip("\n").split("\n\n")
    known = [
        "".join(json.loads(each) for each in LITERAL.findall(entry.partition("\nmsgstr ")[0]))
        for entry in entries
    ]
    for messages_of_file in files:
        place = len(known)
        for message in messages_of_file:
            if message not in known:
                known.insert(place, message)
                literal = json.dumps(message, ensure_ascii=False)
                entries.insert(place, f'msgid {literal}\nmsgstr ""')
            place = known.index(message) + 1
    return "\n\n".join(entries) + "\n"


def main() -> int:
    """Print the differences; 1 when a message has no translation, or a translation no message."""
    found, others = list[str](), set[str]()
    for file, places in SAID_IN.items():
        own = [[message for message in said if message not in others] for said in by_file(places)]
        if "--add" in sys.argv:
            file.write_text(added(file.read_text(), own))
        found += problems(read(file), {message for said in own for message in said})
        others |= messages(places)
    print("\n".join(found), end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
