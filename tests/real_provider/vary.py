"""Another value of every argument, as far as the provider's schemas take one."""

import re
from typing import Any

from tests.real_provider.terraform import Terraform

Json = dict[str, Any]


def vary(terraform: Terraform, plain: Json) -> Json:
    """Return resources with other values, but for what the provider refuses.

    ``plain`` are the resources without references: an id is another value, too, and of resources that refer to others
    the provider looks only at those that refer to nothing that is refused.
    """
    other = {
        (kind, name, key): another(value)
        for kind, named in plain.items()
        for name, body in named.items()
        for key, value in body.items()
    }
    terraform.configure((replaced(plain, other), []))
    lines = terraform.file.read_text().splitlines()
    for line, words in terraform.invalid().items():
        kind, name, key = place = argument(lines, line)
        other[place] = one_of(words, plain[kind][name][key])
    return replaced(plain, other)


def replaced(resources: Json, values: dict[tuple[str, str, str], Any]) -> Json:
    """Return the resources with these values of arguments."""
    return {
        kind: {
            name: {key: values.get((kind, name, key), value) for key, value in body.items()}
            for name, body in named.items()
        }
        for kind, named in resources.items()
    }


def one_of(words: str, before: Any) -> Any:
    """Return another one of the values that a refusal names; without such the value before."""
    listed = re.search(r"to be one of \[(.+?)\]", words)
    values = re.findall(r'"(.+?)"', listed[1]) if listed else []
    return next((value for value in values if value != before), before)


def another(value: Any) -> Any:
    """Return another value of the same form, of a document with other numbers; a block stays."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if not isinstance(value, str) or not value:
        return value
    if value[0] in "{[":
        return re.sub(r"(?<=[:, ])\d+(?=[,}\]])", lambda found: str(int(found[0]) + 1), value)
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
