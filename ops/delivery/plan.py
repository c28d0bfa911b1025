"""What is to be done to the account: decided from what should be and what is, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.delivery.items import Item, Spec
from ops.texts import Text, t

CREATE, CHANGE, KEEP, REMOVE, STAY = "create", "change", "keep", "remove", "stay"
Found = Mapping[tuple[str, str], Spec]


@dataclass(frozen=True)
class Step:
    """One thing and what becomes of it; ``why`` says why it stays, or what of it changes."""

    verb: str
    item: Item
    why: Text | None = None

    @property
    def acts(self) -> bool:
        """Whether anything is done."""
        return self.verb in (CREATE, CHANGE, REMOVE)


def setting_up(wanted: Iterable[Item], found: Found) -> list[Step]:
    """Create what is missing, change what differs, keep the rest."""
    return [_step(item, found.get((item.kind, item.name))) for item in wanted]


def taking_away(wanted: Iterable[Item], found: Found) -> list[Step]:
    """Remove what setting up makes again as it was, in the order in which one needs the other.

    The state and its key stay: without them Pulumi knows no more what it has made.
    """
    there = [item for item in wanted if (item.kind, item.name) in found]
    return [_removal(item, found[item.kind, item.name]) for item in reversed(there)]


def differing(wanted: Spec, is_: Spec) -> list[str]:
    """The parts of a thing that are not as they should be."""
    return [name for name, value in wanted.items() if same(value) != same(is_.get(name))]


def same(value: Any) -> Any:
    """A value as IAM means it: one in a list is that one, and the order of a list means nothing."""
    if isinstance(value, Mapping):
        return {key: same(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        known = sorted((same(each) for each in value), key=repr)
        return known[0] if len(known) == 1 else known
    return value


def _step(item: Item, is_: Spec | None) -> Step:
    if is_ is None:
        return Step(CREATE, item)
    parts = differing(item.spec, is_)
    return (
        Step(CHANGE, item, t("differs: {parts}", parts=", ".join(parts)))
        if parts
        else Step(KEEP, item)
    )


def _removal(item: Item, is_: Spec) -> Step:
    if item.kind in ("bucket", "key"):
        return Step(STAY, item, t("Pulumi's state needs it"))
    if item.kind == "provider" and not is_.get("ours"):
        return Step(STAY, item, t("another made it, and others may use it"))
    if is_.get("bounds"):
        return Step(STAY, item, t("it bounds roles of a stack that is up"))
    return Step(REMOVE, item)
