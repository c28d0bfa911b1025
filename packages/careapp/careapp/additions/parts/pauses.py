"""A pause: the tag on the DB instance that says it, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ecs_gate.aws import local_cloud
from ecs_gate.parts.rds import Database
from ecs_gate.text import t

if TYPE_CHECKING:
    from ecs_gate.diagnosis.case import Case

AT = "careapp:paused-at"

DAYS_STOPPED = timedelta(days=7)
"""After so long AWS starts a stopped DB instance by itself (RDS user guide, "Stopping an Amazon
RDS DB instance temporarily")."""

GOING_OFF = frozenset({"stopping", "stopped", "starting"})
"""Statuses of a database that a pause stops, or a resume starts."""

RESUME_FIRST = t(
    "Before a pulumi destroy run ./careapp resume: RDS takes no final snapshot of a stopped database "
    "(databaseFinalSnapshot)."
)
"""What every command says about a paused stack that keeps a final snapshot."""


@dataclass(frozen=True)
class Pause:
    since: datetime

    @classmethod
    def now(cls) -> Pause:
        return cls(local_cloud.now().replace(microsecond=0))

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of a paused DB instance."""
        return {AT: self.since.isoformat()}


def read(tags: Mapping[str, str]) -> Pause | None:
    """Return the pause in a DB instance's tags; None without one."""
    if AT not in tags:
        return None
    try:
        return Pause(datetime.fromisoformat(tags[AT]))
    except ValueError:
        # A tag that a person changed: the pause counts, not its time.
        return Pause(datetime.fromtimestamp(0, UTC))


def pause_of(database: Database | None) -> Pause | None:
    """Return the pause of the stack with this database; None where it is not paused."""
    return read(database.tags) if database else None


def paused(case: Case) -> Pause | None:
    """Return the pause of a case; None where its service has a desired count above 0."""
    if case.service is not None and case.service.desired > 0:
        return None
    return pause_of(case.now.database.value)
