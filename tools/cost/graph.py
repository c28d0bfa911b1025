"""A stack's resources, and how they are read from ``pulumi stack export``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stack.file import StackError
from tools.i18n import t

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes for a value that only an update will know (Pulumi's ``plugin.UnknownStringValue``)."""

NAMES = re.compile(r"^(?P<package>[^:]+):(?P<module>[^:/]+)(?:/[^:]+)?:(?P<kind>.+)$")


class UnknownInput(Exception):
    """A price depends on an input that is known only after an update; ``str()`` names the input."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One AWS resource, as declared."""

    type: str
    """Pulumi's token, e.g. ``aws:ec2/natGateway:NatGateway``."""
    name: str
    """Pulumi's name, e.g. ``careapp-poc-1``."""
    urn: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """URNs of the resources that it depends on."""
    protect: bool = False
    retained: bool = False
    """Whether a destroy leaves it at AWS (``retain_on_delete``)."""

    @property
    def short(self) -> str:
        """Return the type without its file: ``ec2:NatGateway``."""
        found = NAMES.match(self.type)
        return f"{found['module']}:{found['kind']}" if found else self.type

    @property
    def kind(self) -> str:
        """Return the last word of the type: ``NatGateway``."""
        return self.type.rpartition(":")[2]

    def get(self, key: str, default: Any = None) -> Any:
        """Return an input, or the default when it is not set. Raises UnknownInput."""
        value = self.inputs.get(key, default)
        if value == UNKNOWN:
            raise UnknownInput(key)
        return default if value is None else value


@dataclass(frozen=True)
class Graph:
    """All AWS resources of a stack."""

    resources: tuple[Resource, ...]
    region: str
    """That of the stack's aws provider; "" where the graph does not say it."""

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources)

    def all(self, short: str) -> list[Resource]:
        """Return the resources of a type, by its short name, e.g. ``ec2:Subnet``."""
        return [each for each in self if each.short == short]

    def needed(self, resource: Resource, short: str) -> Resource | None:
        """Return the resource of a type that another depends on, or the only one of that type."""
        found = self.all(short)
        named = [each for each in found if each.urn and each.urn in resource.needs]
        if len(named or found) == 1:
            return (named or found)[0]
        return None


def read_state(text: str) -> Graph:
    """Return the graph in the output of ``pulumi stack export``."""
    states = json.loads(text)["deployment"].get("resources") or []
    providers = [each for each in states if each.get("type") == "pulumi:providers:aws"]
    regions = [str((each.get("inputs") or {}).get("region") or "") for each in providers]
    return Graph(tuple(_made(states)), next(filter(None, regions), ""))


def _made(states: list[dict[str, Any]]) -> Iterator[Resource]:
    """Yield each AWS resource once, without components, providers and resources that are pending deletion."""
    seen = set()
    for state in states:
        kind, urn = str(state.get("type", "")), str(state.get("urn", ""))
        if not state.get("custom") or kind.startswith("pulumi:") or state.get("delete"):
            continue
        if state.get("external") or urn in seen:
            continue
        seen.add(urn)
        yield Resource(
            type=kind,
            name=urn.rpartition("::")[2],
            urn=urn,
            inputs=state.get("inputs") or {},
            needs=tuple(state.get("dependencies") or ()),
            protect=bool(state.get("protect")),
            retained=bool(state.get("retainOnDelete")),
        )


def export_failed(stack: str, output: str) -> StackError:
    """Return the error of a failed ``pulumi stack export``, with the way out."""
    return StackError(
        t(
            "The state of stack {stack} cannot be read: {words}. "
            "`pulumi login` leads to the backend, and --stack names a stack of it.",
            stack=stack,
            words=output.strip().removeprefix("error: "),
        )
    )
