"""From Pulumi's way of writing a resource's inputs to the parameters of an AWS operation.

Pulumi writes ``cidrBlock`` where AWS writes ``CidrBlock``. The names are matched by botocore's own input shapes, so
that nobody has to list them, and botocore itself checks what is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

Values = dict[str, Any]
PAIR = (("key", "value"), ("name", "value"), ("tagkey", "tagvalue"))
"""The members of AWS's lists of pairs, which Pulumi writes as one map (tags, say)."""


class UnknownInput(Exception):
    """An input that no operation takes and nobody has left out on purpose."""


def parameters(operation: OperationModel, inputs: Mapping[str, Any]) -> tuple[Values, set[str]]:
    """The part of ``inputs`` that ``operation`` takes, in its own words, and the names it took."""
    if not isinstance(operation.input_shape, StructureShape):
        return {}, set()
    sent: Values = {}
    taken: set[str] = set()
    for name, value in inputs.items():
        member = member_name(operation.input_shape, name)
        if member is None or value is None:
            continue
        sent[member] = convert(operation.input_shape.members[member], value)
        taken.add(name)
    return sent, taken


def member_name(shape: StructureShape, name: str) -> str | None:
    """The member of ``shape`` that is called ``name``, but for case, a plural or ``Config`` behind it."""
    members: dict[str, str] = {member.lower(): member for member in shape.members}
    low = name.lower()
    for candidate in (low, f"{low}s", low.removesuffix("s"), f"{low}config"):
        if candidate in members:
            return members[candidate]
    return None


def convert(shape: Shape, value: Any) -> Any:
    """``value`` as ``shape`` wants it. Raises ``UnknownInput`` for a name that the shape lacks."""
    for kind, how in CONVERSIONS:
        if isinstance(shape, kind):
            return how(shape, value)
    return SCALARS.get(shape.type_name, lambda same: same)(value)


def _structure(shape: Any, value: Any) -> Values:
    result: Values = {}
    for name, inner in value.items():
        member = member_name(shape, name)
        if member is None:
            raise UnknownInput(f"{shape.name} has no {name!r}")
        if inner is not None:
            result[member] = convert(shape.members[member], inner)
    return result


def _list(shape: Any, value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        names = {member.lower(): member for member in getattr(shape.member, "members", {})}
        for key, held in PAIR:
            if set(names) == {key, held}:
                pairs = sorted(value.items())
                return [{names[key]: name, names[held]: str(text)} for name, text in pairs]
        value = [value]
    return [convert(shape.member, item) for item in value]


def _map(shape: Any, value: Any) -> Values:
    return {name: convert(shape.value, inner) for name, inner in value.items()}


CONVERSIONS: tuple[tuple[type[Shape], Callable[[Any, Any], Any]], ...] = (
    (StructureShape, _structure),
    (ListShape, _list),
    (MapShape, _map),
)


def _boolean(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"


SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": lambda value: str(value).lower() if isinstance(value, bool) else _text(value),
    "integer": int,
    "long": int,
    "boolean": _boolean,
    "double": float,
    "float": float,
}


def _text(value: Any) -> str:
    """Numbers arrive as floats from the engine: 80 must not become "80.0"."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
