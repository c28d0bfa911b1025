"""What a key of a stack file is: its default, its rule and its meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Key(Generic[T]):
    """One setting. `default` is text, as it would stand in a stack file."""

    name: str
    default: str
    rule: Callable[[str], T]
    meaning: str

    @property
    def kind(self) -> str:
        """The type that Pulumi's project schema knows it by."""
        kinds: dict[type, str] = {bool: "boolean", int: "integer", dict: "object"}
        return kinds.get(type(self.rule(self.default)), "string")
