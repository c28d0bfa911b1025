"""Settings that are maps of records, such as `workers.NAME.command`: their rule, and how each entry is read."""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

from careapp.settings.rules import Invalid, with_nearest
from ecs_gate.text import Text, t, text_of

T = TypeVar("T")

NAME = re.compile(r"[a-z]([a-z0-9]*|[a-z0-9-]{0,18}[a-z0-9])")
LONGEST_NAME = 20


@dataclass(frozen=True)
class Field(Generic[T]):
    """A field of an entry. Without a `default` it must be given; None as its value is the web service's own."""

    rule: Callable[[str], T]
    default: str | None = None
    inherited: bool = False


def given(rule: Callable[[str], T], default: str | None = None, *, inherited: bool = False) -> T:
    """Return the field of a record that an entry's field of the same name gives, in camel case there."""
    value: T = dataclasses.field(metadata={"field": Field(rule, default, inherited)})
    return value


def rule_of(key: str, record: type) -> Callable[[str], dict[str, dict[str, Any]]]:
    """Return the rule of a map from names to the values of a record's ``given`` fields. Pulumi passes it as JSON."""
    names = {re.sub("_(.)", lambda at: at[1].upper(), each.name): each for each in fields(record)}
    known = {name: field for name, field in names.items() if "field" in field.metadata}

    def rule(text: str) -> dict[str, dict[str, Any]]:
        otherwise = t(
            "it is not a map of names; set one field at a time: "
            "`pulumi config set --path {key}.NAME.command COMMAND`",
            key=key,
        )
        content = decoded(text, otherwise)
        return {name: _entry(key, name, value, known) for name, value in content.items()}

    return rule


def decoded(text: str, otherwise: Text) -> dict[str, Any]:
    """Return a map, which Pulumi passes as JSON. Raises ValueError with ``otherwise`` for what is no map."""
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ValueError(otherwise)
    return content


def one_text(value: object, otherwise: Text) -> str:
    """Return a value as text: Pulumi stores `true` and `3` as boolean and number. Raises ValueError for others."""
    if not isinstance(value, (str, int, float)):
        raise ValueError(otherwise)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _entry(
    key: str, name: str, given: object, fields: Mapping[str, dataclasses.Field[Any]]
) -> dict[str, Any]:
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME or "--" in name:
        raise Invalid(
            "{name!r} is part of the names of resources; use at most {longest} lowercase letters, digits and "
            "single hyphens, a letter first",
            name=name,
            longest=LONGEST_NAME,
        )
    if not isinstance(given, dict):
        raise Invalid(
            "{name} has no fields; set them one at a time: `pulumi config set --path {key}.{name}.command COMMAND`",
            name=name,
            key=key,
        )
    for field in given:
        if field not in fields:
            rule = t(
                "{name}.{field} is an unknown field; it has {known}",
                name=name,
                field=field,
                known=", ".join(fields),
            )
            raise ValueError(with_nearest(rule, field, fields))
    return {
        each.name: _value(name, field, each.metadata["field"], given)
        for field, each in fields.items()
    }


def _value(name: str, field: str, known: Field[T], given: Mapping[str, object]) -> T | None:
    if field not in given and known.inherited:
        return None
    value = given.get(field, known.default)
    if value is None:
        raise Invalid("{name} has no {field}, which it needs", name=name, field=field)
    text = one_text(
        value,
        t(
            "{name}.{field} has a list or a map as its value; it has one text",
            name=name,
            field=field,
        ),
    )
    try:
        return known.rule(text)
    except ValueError as wrong:
        raise Invalid("{name}.{field}: {why}", name=name, field=field, why=text_of(wrong)) from None
