"""What AWS's recorded answers show, read from ``members.txt`` and ``errors.txt``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

Call = tuple[str, str]
TOKEN = re.compile(r"(?P<name>[^:=?{\[]+)(?P<optional>\?)?(?P<form>.*)")
TYPES = {":time": datetime, ":bool": bool, ":number": int | float, "[]": list, "{}": dict}


@dataclass(frozen=True)
class Member:
    """A member of an answer: its form, its own members, and whether it may be left out."""

    name: str
    optional: bool = False
    form: str = ""
    members: list["Member"] = field(default_factory=list)

    def problems(self, value: Any, path: str) -> Iterator[tuple[str, str]]:
        """Yield the paths of what a value lacks or has in another form than AWS, and the wrong value."""
        if self.form.startswith("="):
            if not fnmatchcase(str(value), self.form[1:]):
                yield path, str(value)
        elif not isinstance(value, TYPES.get(self.form, object)):
            yield path, str(value)
        elif self.members:
            for member in value if self.form == "[]" else [value]:
                yield from lacking(self.members, member, f"{path}{self.form.strip('{}')}.")


def lacking(
    members: list[Member], value: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the paths of the members that a structure lacks or has in another form than AWS's."""
    for member in members:
        if value.get(member.name) is not None:
            yield from member.problems(value[member.name], path + member.name)
        elif not member.optional:
            yield path + member.name, "left out"


@dataclass(frozen=True)
class Operation:
    """What AWS sends for an operation, and in how many recordings."""

    recordings: int
    members: list[Member]


def lines(name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what stands before and after the colon of each line; the next ones are indented."""
    text = Path(__file__).with_name(f"{name}.txt").read_text()
    for line in text.replace("\n  ", " ").splitlines():
        before, _, after = line.partition(":")
        yield before, after.split()


def operations() -> dict[Call, Operation]:
    """Return AWS's operations. The last lines have those that send nothing, a service a line."""
    found = {}
    for before, words in lines("members"):
        service, *named = before.split()
        if named:
            found[service, named[0]] = Operation(int(named[1]), members(iter(words)))
            continue
        for operation, count in zip(words[::2], words[1::2], strict=True):
            found[service, operation] = Operation(int(count), [])
    return found


def members(words: Iterator[str]) -> list[Member]:
    """Return the members up to the bracket that closes them."""
    found = []
    for word in words:
        if word in ("]", "}"):
            break
        match = TOKEN.fullmatch(word)
        assert match, word
        name, optional, form = match.groups()
        inner = members(words) if form in ("[", "{") else []
        form = {"[": "[]", "{": "{}"}.get(form, form)
        found.append(Member(name, bool(optional), form, inner))
    return found


def errors() -> dict[tuple[str, str], tuple[set[int], list[str]]]:
    """Return the statuses of a service's error codes, and the operations that are known to have them."""
    found: dict[tuple[str, str], tuple[set[int], list[str]]] = {}
    for before, names in lines("errors"):
        service, code, status = before.split()
        statuses, operations = found.setdefault((service, code), (set(), []))
        statuses.add(int(status))
        operations += names
    return found
