"""The settings of the stack that is diagnosed."""

from __future__ import annotations

from dataclasses import dataclass

from ecs_gate.diagnosis.case import Case
from ecs_gate.owner import Owner
from ecs_gate.parts.gather import Snapshot
from stack.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StackOwner(Owner):
    """What careapp adds, and the settings that it does so by."""

    settings: Settings


def settings_of(seen: Case | Snapshot) -> Settings:
    """Return the settings of the stack that a case or a snapshot is about. Raises TypeError for another service's."""
    now = seen.now if isinstance(seen, Case) else seen
    if not isinstance(now.owner, StackOwner):
        raise TypeError(f"{now.names.label} is no stack of careapp's")
    return now.owner.settings
