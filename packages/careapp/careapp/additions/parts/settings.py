"""The settings of the stack that is diagnosed, and what of them could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from careapp.settings.settings import Settings
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.owner import Owner
from ecs_gate.parts.gather import Reading, Snapshot
from ecs_gate.parts.of_service import PartOf, ServiceParts
from ecs_gate.parts.records import Part
from ecs_gate.text import t

if TYPE_CHECKING:
    from ecs_gate.diagnosis.case import Case


@dataclass(frozen=True, kw_only=True)
class StackOwner(Owner):
    """What careapp adds, and the settings that it does so by."""

    settings: Settings
    workers: Part[list[str]] = field(default_factory=Part)
    """The names of the workers that run, where they were read."""


def stack_owner(seen: Case | Snapshot | Reading) -> StackOwner:
    """Return the owner of the stack that something is about. Raises TypeError for another service's."""
    now = seen if isinstance(seen, ServiceParts) else seen.now
    if not isinstance(now.owner, StackOwner):
        raise TypeError(f"{now.names.label} is no stack of careapp's")
    return now.owner


def settings_of(seen: Case | Snapshot | Reading) -> Settings:
    """Return the settings of the stack that something is about. Raises TypeError for another service's."""
    return stack_owner(seen).settings


WRONG_FILE = AwsProblem(
    "refused",
    t("Some of its values are wrong: `pulumi up` refuses it, and here these have their defaults."),
    t("Correct it first."),
)


def _stack_file(now: Reading) -> None:
    if settings_of(now).guessed:
        raise WRONG_FILE


STACK_FILE = PartOf[None](t("the stack file"), _stack_file)


def _old_workers(now: Reading) -> None:
    if problem := stack_owner(now).workers.problem:
        raise problem


OLD_WORKERS = PartOf[None](
    t("workers that the stack file has no more"),
    _old_workers,
    essential=False,
    shown=True,
    name="oldWorkers",
)
"""The workers that run and that the stack file has no more; read only for the problem in reading them."""
