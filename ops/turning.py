"""Stops or starts a stack's database and waits for it: what pausing and resuming have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from i18n import Text, t
from ops.checks.databases import USABLE
from ops.standing import Station, unusable
from ops.waiting import Waiting

MINUTES = 45
"""A Multi-AZ instance takes longest to stop."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """From the one status in which RDS takes the operation to one of those that are wanted."""

    operation: str
    begins: str
    ends: Collection[str]
    asked: Text
    unfinished: Callable[[str], Text]


STOPPED = Turn(
    operation="stop_db_instance",
    begins="available",
    ends=("stopped",),
    asked=t("the database is asked to stop"),
    unfinished=lambda status: t("the database is {status}, not yet stopped", status=status),
)
STARTED = Turn(
    operation="start_db_instance",
    begins="stopped",
    ends=USABLE,
    asked=t("the database is asked to start"),
    unfinished=lambda status: t("the database is {status}, not yet available", status=status),
)


def turned(station: Station, waiting: Waiting, turn: Turn) -> None:
    """Ask once, and wait until it is done. Raises Refused and AwsProblem."""
    asked = False

    def left() -> Text | None:
        nonlocal asked
        database = station.look().database
        if database.status in turn.ends:
            return None
        if refused := unusable(database):
            raise refused
        # What RDS does with the instance just now has to end first.
        if database.status == turn.begins and not asked:
            station.database(turn.operation)
            asked = True
            return turn.asked
        return turn.unfinished(database.status)

    waiting.until_done(left, MINUTES)
