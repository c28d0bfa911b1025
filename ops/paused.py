"""What a paused stack is remembered by: two tags on its database, which both stages have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stack.settings import Settings

AT, COUNT = "careapp:paused-at", "careapp:paused-count"
DAYS_STOPPED = timedelta(days=7)
"""After so long AWS starts a stopped DB instance by itself (RDS user guide, "Stopping an Amazon
RDS DB instance temporarily")."""


@dataclass(frozen=True)
class Pause:
    """Since when a stack is paused, and how many tasks it ran; None in stage 1."""

    since: datetime
    count: int | None

    @classmethod
    def now(cls, count: int | None) -> Pause:
        """A pause that begins now."""
        return cls(datetime.now(UTC).replace(microsecond=0), count)

    def tags(self) -> list[dict[str, str]]:
        """In RDS's form."""
        found = {AT: self.since.isoformat()}
        if self.count is not None:
            found[COUNT] = str(self.count)
        return [{"Key": key, "Value": value} for key, value in found.items()]


def read(tags: Iterable[Mapping[str, str]]) -> Pause | None:
    """The pause that a DB instance's tags tell of; None where they tell of none."""
    found = {each["Key"]: each.get("Value", "") for each in tags}
    if AT not in found:
        return None
    try:
        since = datetime.fromisoformat(found[AT])
    except ValueError:
        # Somebody's own hand: that it is paused counts, not since when.
        since = datetime.fromtimestamp(0, UTC)
    count = found.get(COUNT, "")
    return Pause(since, int(count) if count.isdigit() else None)


def keeps_snapshot(settings: Settings) -> bool:
    """Whether a destroy takes a final snapshot, which RDS refuses for a stopped database.

    The provider deletes service and load balancer before it asks. AWS's words:
    terraform-provider-aws pull request 46687.
    """
    return bool(settings.database.final_snapshot)
