"""Another value of every argument, as far as the provider's schemas take one."""

from __future__ import annotations

import re
from typing import Any

from tests.real_provider.terraform import Terraform

Json = dict[str, Any]

KEPT = {"depends_on"}


def vary(terraform: Terraform, made: Json) -> None:
    """Declare the resources with other values; what is refused stays as it is, and what refers to others changes."""
    varied = {
        kind: {
            name: {key: value if key in KEPT else another(value) for key, value in body.items()}
            for name, body in named.items()
        }
        for kind, named in made.items()
    }
    tried: set[tuple[str, str, str]] = set()
    # Resources are looked at only after those that they refer to.
    for _ in range(20):
        terraform.configure((varied, []))
        lines = terraform.file.read_text().splitlines()
        refused = {argument(lines, at): words for at, words in terraform.invalid().items()}
        if not refused:
            return
        for place, words in refused.items():
            kind, name, key = place
            before = made[kind][name][key]
            varied[kind][name][key] = before if place in tried else one_of(words, before)
        tried |= refused.keys()
    raise AssertionError(f"refused as they were: {refused}")


def one_of(words: str, before: Any) -> Any:
    """Return another one of the values that a refusal names; without such the value before."""
    listed = re.search(r"to be one of \[(.+?)\]", words)
    values = re.findall(r'"(.+?)"', listed[1]) if listed else []
    return next((each for each in values if each != before), before)


def another(value: Any) -> Any:
    """Return another value of the same form; a reference, a document and a block stay."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if not isinstance(value, str) or not value or "${" in value or value[0] in "{[":
        return value
    if re.fullmatch(r"10\.[\d.]+/\d+", value):
        return f"11{value[2:]}"
    return value[:-1] + ("1" if value[-1] != "1" else "2")


def argument(lines: list[str], number: int) -> tuple[str, str, str]:
    """Return type, name and argument of a resource, of which a line of the configuration is part."""
    index, found = number - 1, []
    for depth in (4, 3, 2):
        while not re.match(rf" {{{depth}}}\"", lines[index]):
            index -= 1
        found.append(lines[index].split('"')[1])
    key, name, kind = found
    return kind, name, key
