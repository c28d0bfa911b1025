"""A stack's resources as declared, and the error of what has no price."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ecs_gate.text import Refused

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes for a value that only an update will know (Pulumi's ``plugin.UnknownStringValue``)."""


class NoPrice(Refused):
    """A resource, or a part of it, has no price; ``text`` gives the reason."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One AWS resource: Pulumi's type and name, its inputs, and the URNs of the resources that it depends on."""

    type: str
    name: str
    urn: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """Return the type without its package and file: ``ec2:NatGateway``."""
        return f"{self.type.partition(':')[2].partition('/')[0]}:{self.kind}"

    @property
    def kind(self) -> str:
        """Return the last word of the type: ``NatGateway``."""
        return self.type.rpartition(":")[2]

    def get(self, key: str, default: Any = None) -> Any:
        """Return an input, or the default when it is not set. Raises NoPrice for an unknown one."""
        value = self.inputs.get(key, default)
        if value == UNKNOWN:
            raise NoPrice("its {input} is known only after an update", input=key)
        return default if value is None else value

    def only(self, key: str, known: object) -> None:
        """Raise NoPrice where an input is set and is not what the prices are for."""
        if (value := self.get(key, known)) != known:
            raise NoPrice("no price is known with {key} {value}", key=key, value=str(value))


@dataclass(frozen=True)
class Graph:
    """All AWS resources of a stack, and its region."""

    resources: tuple[Resource, ...]
    region: str

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)

    def all(self, short: str) -> list[Resource]:
        """Return the resources of a type, by its short name, e.g. ``ec2:Subnet``."""
        return [resource for resource in self if resource.short == short]

    def of(self, owner: Resource, short: str) -> list[Resource]:
        """Return the resources of a type that depend on another."""
        return [resource for resource in self.all(short) if owner.urn in resource.needs]
