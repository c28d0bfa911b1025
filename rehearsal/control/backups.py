"""Snapshots: automated ones, which RDS names by the minute of their making, and the final one.

On AWS no two databases of one name come into being within a minute; in the local cloud they do.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from moto.rds.models import DBInstance

from rehearsal.control.hooks import Params, Refused, backend, before

GOING_OFF = ("stopping", "stopped", "starting")


def install() -> None:
    """Give each automated snapshot a minute that no other one of the same database has."""
    DBInstance.save_automated_backup = save_automated_backup  # type: ignore[method-assign,assignment]


def save_automated_backup(database: DBInstance) -> None:
    """Take moto's snapshot of a new database, under the next minute that is free."""
    database.add_event("DB_INSTANCE_BACKUP_START")
    now, identifier = datetime.now(UTC), database.db_instance_identifier
    names = (f"rds:{identifier}-{now + timedelta(minutes=n):%Y-%m-%d-%H-%M}" for n in count())
    free = next(name for name in names if name not in database.backend.database_snapshots)
    database.backend.create_auto_snapshot(identifier, free)
    database.add_event("DB_INSTANCE_BACKUP_FINISH")


@before("rds", "DeleteDBInstance")
def final_snapshot_of_a_running_one(params: Params) -> None:
    """AWS's words: terraform-provider-aws pull request 46687."""
    identifier = params["DBInstanceIdentifier"]
    database = backend("rds").databases.get(identifier)
    wanted = params.get("FinalDBSnapshotIdentifier") and not params.get("SkipFinalSnapshot")
    if wanted and database is not None and database.status in GOING_OFF:
        raise Refused(
            "InvalidDBInstanceState",
            f"Cannot create a snapshot because the database instance {identifier} is not currently "
            "in the available state.",
        )
