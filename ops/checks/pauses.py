"""A paused stack: what is off there is meant to be off."""

from __future__ import annotations

from collections.abc import Iterator

from i18n import Text, t
from ops.checks.case import Case
from ops.findings import Finding, Fix
from ops.moments import zoned
from ops.paused import keeps_snapshot

NO_SNAPSHOT = t(
    "`pulumi destroy` fails half-way while the database is stopped: "
    "RDS takes no final snapshot of it (databaseFinalSnapshot)."
)
GOING_OFF = {"stopping", "stopped", "starting"}
"""Statuses between a database that runs and one that is paused."""


def paused(case: Case) -> Iterator[Finding]:
    """Says so before anything else; a database that AWS has started again costs money unseen."""
    pause, database, stack = case.paused, case.now.database.value, case.now.names.stack
    if pause is None or database is None:
        return
    fixes = [Fix(t("Bring it back:"), (f"./careapp resume -s {stack}",))]
    seen: list[Text] = [t("DB instance {id} is {status}.", id=database.id, status=database.status)]
    if database.status == "available":
        seen.append(t("AWS starts a stopped database by itself after seven days."))
        again = Fix(t("Or stop the database again:"), (f"./careapp pause -s {stack}",))
        fixes.append(again)
    if keeps_snapshot(case.now.settings):
        seen.append(NO_SNAPSHOT)
    yield Finding(
        id="stack-paused",
        kind="note",
        title=t("The stack is paused"),
        why=t("./careapp pause stopped it at {time}.", time=zoned(pause.since)),
        seen=tuple(seen),
        fixes=tuple(fixes),
    )


def meant(finding: Finding, case: Case) -> bool:
    """Whether a finding only says that the database of a paused stack is off."""
    database = case.now.database.value
    if case.paused is None or database is None:
        return False
    return finding.id == "database-away" and database.status in GOING_OFF
