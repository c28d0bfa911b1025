"""Snapshots and the archived write-ahead log of DB instances, and the instances that are restored from them."""

import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from moto.rds.exceptions import DBInstanceAlreadyExists
from moto.rds.models import RDSBackend

from local_cloud.aws import hooks
from local_cloud.aws.hooks import Hooking
from local_cloud.aws.rds import rules
from local_cloud.aws.rds.postgres import Postgres
from local_cloud.clock import Clock

KEPT = (
    *("engine", "engine_version", "db_instance_class", "license_model", "port", "db_name"),
    *("allocated_storage", "storage_type", "iops", "storage_throughput", "master_username"),
    *("backup_retention_period", "preferred_backup_window", "preferred_maintenance_window"),
    "auto_minor_version_upgrade",
)
"""What a restored instance has from its source. Security groups, subnets, parameters, tags and the managed password
are not among it (API reference, RestoreDBInstanceFromDBSnapshot and RestoreDBInstanceToPointInTime)."""


@dataclass(frozen=True)
class Base:
    """A copy of a data folder, of the instance with ``resource`` as DbiResourceId."""

    resource: str
    folder: Path
    finished: datetime


@dataclass(frozen=True)
class Origin:
    """What an instance is restored from: a snapshot, or an instance at a moment."""

    resource: str
    snapshot: str = ""
    moment: datetime | None = None


class Backups:
    """The copies under one folder. An instance's log is archived under its DbiResourceId, which outlives a renaming."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self.clock = folder, clock
        self._bases: dict[str, Base] = {}
        self._numbers = count()

    def archive(self, resource: str) -> Path:
        """Return the folder into which the server of an instance archives its log."""
        return self._folder / f"log-{resource}"

    def take(self, server: Postgres, resource: str) -> None:
        """Copy the server's data for each of the instance's snapshots that has no copy yet. Raises PostgresFailed."""
        with hooks.LOCK:
            snapshots = dict(hooks.backend("rds").database_snapshots)
        for name, snapshot in snapshots.items():
            if snapshot.dbi_resource_id == resource and name not in self._bases:
                folder = self._folder / f"snapshot-{next(self._numbers)}"
                server.back_up(folder)
                self._bases[name] = Base(resource, folder, self.clock.now())
                with hooks.LOCK:
                    snapshot.status = "available"

    def drop_automated(self, resource: str) -> None:
        """Delete an instance's automated snapshots; moto looks for them under its last name only."""
        with hooks.LOCK:
            every = hooks.backend("rds").database_snapshots
            for name, snapshot in list(every.items()):
                if snapshot.dbi_resource_id == resource and snapshot.snapshot_type == "automated":
                    del every[name]

    def sweep(self) -> None:
        """Delete the copies of snapshots that are deleted."""
        kept = hooks.backend("rds").database_snapshots
        for name in [base for base in self._bases if base not in kept]:
            shutil.rmtree(self._bases.pop(name).folder, ignore_errors=True)

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def restore(self, origin: Origin, source: Postgres | None, target: Postgres) -> None:
        """Fill the target's data folder and start it. Raises PostgresFailed and LookupError.

        A restore to a moment replays the source's log from the last copy before it.
        """
        if origin.moment is None:
            target.restore(self._bases[origin.snapshot].folder)
            return
        base = self._last_before(origin.resource, origin.moment)
        if base is None or source is None:
            raise LookupError(f"no copy of {origin.resource} before {origin.moment}")
        # Recovery to a moment ends at the first commit after it, so there must be one.
        source.commit_nothing()
        log = (self.archive(origin.resource), source.data / "pg_wal")
        # The log has this machine's times.
        target.restore(base.folder, log, self.clock.wall_time(origin.moment))

    def earliest(self, resource: str) -> datetime | None:
        """Return the earliest moment to which an instance can be restored."""
        return min((backup.finished for backup in self._of(resource)), default=None)

    def _last_before(self, resource: str, moment: datetime) -> Base | None:
        found = [backup for backup in self._of(resource) if backup.finished <= moment]
        return max(found, key=lambda backup: backup.finished, default=None)

    def _of(self, resource: str) -> Collection[Base]:
        return [base for base in self._bases.values() if base.resource == resource]


Restored = Callable[[Any, Origin], None]


def apply(
    hooking: Hooking, create: Callable[..., Any], restored: Restored, backups: Backups
) -> None:
    """Replace moto's two restores, which copy all settings and no data. ``create`` is moto's own creation."""

    def make(backend: Any, source: Any, origin: Origin, given: dict[str, Any]) -> Any:
        if given["db_instance_identifier"] in backend.databases:
            raise DBInstanceAlreadyExists
        settings = {name: getattr(source, name) for name in KEPT}
        settings |= {"storage_encrypted": source.storage_encrypted, "kms_key_id": source.kms_key_id}
        settings |= {name: value for name, value in given.items() if value is not None}
        # For Oracle only (API reference, ManageMasterUserPassword of both restores).
        settings["manage_master_user_password"] = False
        instance = create(backend, settings)
        restored(instance, origin)
        return instance

    def from_snapshot(backend: Any, name: str, given: dict[str, Any]) -> Any:
        snapshot = backend.describe_db_snapshots(None, name.rpartition(":snapshot:")[2])[0]
        _check_state(snapshot.status, "snapshot", name)
        tags = given.get("tags") or list(snapshot.tags)
        origin = Origin(str(snapshot.dbi_resource_id), snapshot.db_snapshot_identifier)
        return make(backend, snapshot.database, origin, {**given, "tags": tags})

    def to_moment(backend: Any, source: str, target: str, given: dict[str, Any]) -> Any:
        instance = backend.describe_db_instances(source)[0]
        _check_state(instance.status, "instance", source)
        resource = str(instance.dbi_resource_id)
        moment = _moment(given, source, backups.earliest(resource), backups.clock.now())
        origin = Origin(resource, moment=moment)
        # moto takes an instance with a source for its read replica.
        asked = {**given, "source_db_instance_identifier": None, "db_instance_identifier": target}
        return make(backend, instance, origin, asked)

    def windows(params: hooks.Params) -> hooks.Params:
        """Answer with the times that can be restored, which moto lacks (API reference, RestoreWindow)."""
        found = [each for each in hooks.backend("rds").databases.values() if _asked(params, each)]
        return {"DBInstanceAutomatedBackups": [_window(database, backups) for database in found]}

    rules.install()  # for instances with ids of their own
    hooking.instead("rds", "DescribeDBInstanceAutomatedBackups", windows)
    hooking.patch(RDSBackend, "restore_db_instance_from_db_snapshot", from_snapshot)
    hooking.patch(RDSBackend, "restore_db_instance_to_point_in_time", to_moment)


def _asked(params: hooks.Params, instance: Any) -> bool:
    """Return whether an instance has automated backups, and is one that the call asks for."""
    name, resource = params.get("DBInstanceIdentifier"), params.get("DbiResourceId")
    return (
        bool(instance.backup_retention_period)
        and name in (None, instance.db_instance_identifier)
        and resource in (None, str(instance.dbi_resource_id))
    )


def _window(instance: Any, backups: Backups) -> dict[str, Any]:
    resource = str(instance.dbi_resource_id)
    earliest = backups.earliest(resource)
    times = {"EarliestTime": earliest, "LatestTime": backups.clock.now()} if earliest else {}
    return {
        "DBInstanceIdentifier": instance.db_instance_identifier,
        "DBInstanceArn": instance.db_instance_arn,
        "DbiResourceId": resource,
        "Status": "active" if earliest else "creating",
        "BackupRetentionPeriod": int(instance.backup_retention_period),
        "RestoreWindow": times,
    }


def _check_state(status: str, kind: str, name: str) -> None:
    if status != "available":
        words = f"The DB {kind} {name} is {status}, not available."
        raise hooks.Refused(f"InvalidDB{kind.capitalize()}State", words)


def _moment(
    given: dict[str, Any], source: str, earliest: datetime | None, now: datetime
) -> datetime:
    """Return the moment to restore to. Raises Refused outside of the moments that can be restored."""
    moment = given.get("restore_time")
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if (moment is None) is not bool(given.get("use_latest_restorable_time")):
        words = "Specify either RestoreTime or UseLatestRestorableTime."
        raise hooks.Refused("InvalidParameterCombination", words)
    if moment is None:
        return now
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if earliest is None or not earliest <= moment <= now:
        words = f"The instance {source} can be restored to a time from {earliest} to {now}, not to "
        raise hooks.Refused("InvalidParameterValue", f"{words}{moment}.")
    return moment
