"""Restores a snapshot or a point in time into a second DB instance beside the stack's database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from careapp.additions.parts import pauses, restores
from careapp.pause.steps import refuse_stuck
from careapp.settings.database import STRIPED_GB
from ecs_gate.aws.session import Session
from ecs_gate.parts import rds
from ecs_gate.parts.records import read_existing
from ecs_gate.screen import zoned_time
from ecs_gate.text import Refused, Text, t
from ecs_gate.waiting import Waiting

LISTING = "aws rds describe-db-snapshots"

MINUTES = 120
"""A restore of some hundred GB takes less; the storage loads its data from the snapshot after that."""


@dataclass(frozen=True)
class Source:
    """What is restored: a snapshot and when it was taken, or the database at ``moment``."""

    moment: datetime
    snapshot: str = ""

    @property
    def text(self) -> Text:
        moment = zoned_time(self.moment)
        if self.snapshot:
            return t("snapshot {snapshot} of {moment}", snapshot=self.snapshot, moment=moment)
        return t("the database at {moment}", moment=moment)


def parse_time(text: str) -> datetime:
    """Return the moment of an ISO 8601 time, which without an offset is in the local time zone. Raises ValueError."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise ValueError(
            t(
                "{text!r} is not a time like 2026-11-27T12:30 or 2026-11-27T12:30:15+09:00.",
                text=text,
            )
        ) from None


def described(session: Session, identifier: str) -> dict[str, Any] | None:
    """Return RDS's description of an instance, or None. Raises AwsProblem."""
    instances = read_existing(
        lambda: session.all(
            "rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=identifier
        )
    )
    return instances[0] if instances else None


def choose(
    session: Session, original: Mapping[str, Any], snapshot: str, moment: datetime | None
) -> Source:
    """Return the moment, or the named snapshot. Raises Refused and AwsProblem."""
    if moment is not None:
        _check_restorable(session, original, moment)
        return Source(moment)
    snapshots = read_existing(
        lambda: session.all(
            "rds", "describe_db_snapshots", "DBSnapshots", DBSnapshotIdentifier=snapshot
        )
    )
    for each in snapshots or ():
        if each["Status"] == "available":
            _check_version(original, each, session)
            return Source(each["SnapshotCreateTime"], each["DBSnapshotIdentifier"])
    raise Refused(
        "There is no available snapshot {snapshot}; `{listing}` shows all.",
        snapshot=snapshot,
        listing=session.place.complete(LISTING),
    )


def _check_version(
    original: Mapping[str, Any], snapshot: Mapping[str, Any], session: Session
) -> None:
    """Raise Refused for a snapshot of another major version, which the database's parameter group does not fit.

    RDS refuses the two together (InvalidParameterCombination, "The Parameter Group … cannot be used for this
    instance"). A manual snapshot can be upgraded (API reference, ModifyDBSnapshot).
    """
    old, new = str(snapshot["EngineVersion"]), str(original["EngineVersion"])
    if _major(old) == _major(new):
        return
    name, identifier = str(snapshot["DBSnapshotIdentifier"]), original["DBInstanceIdentifier"]
    way = t("Upgrade the database first: docs/operate.md#from-postgresql-17-to-18")
    if _major(old) < _major(new):
        copy = f"{name.removeprefix('rds:')}-{_major(new)}"
        commands = (
            f"aws rds copy-db-snapshot --source-db-snapshot-identifier {name} "
            f"--target-db-snapshot-identifier {copy}",
            f"aws rds wait db-snapshot-available --db-snapshot-identifier {copy}",
            f"aws rds modify-db-snapshot --db-snapshot-identifier {copy} --engine-version {new}",
        )
        way = t(
            "Upgrade a copy, and name it with --snapshot {copy} when it is available: {commands}",
            copy=copy,
            commands=" && ".join(map(session.place.complete, commands)),
        )
    raise Refused(
        "Snapshot {snapshot} is of PostgreSQL {old}, and {id} runs {new}: RDS refuses the parameter "
        "group of another major version. Nothing was changed. {way}",
        snapshot=name,
        old=old,
        id=identifier,
        new=new,
        way=way,
    )


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def _check_restorable(session: Session, original: Mapping[str, Any], moment: datetime) -> None:
    """Raise Refused for a time before or after those that RDS can restore. Raises AwsProblem."""
    identifier, latest = original["DBInstanceIdentifier"], original.get("LatestRestorableTime")
    if latest is None:
        raise Refused("{id} has no automated backups, so no time can be restored.", id=identifier)
    earliest = _earliest(session, original)
    if moment <= latest and (earliest is None or moment >= earliest):
        return
    raise Refused(
        "{moment} cannot be restored: {id} can be restored to times from {earliest} to {latest}. RDS saves its log "
        "every five minutes, and keeps automated backups for {days} days (databaseBackupDays). A snapshot may be "
        "older: --snapshot, and `{listing}` shows all.",
        moment=moment.isoformat(timespec="seconds"),
        id=identifier,
        earliest=_next_second(earliest).isoformat() if earliest else "?",
        latest=latest.isoformat(timespec="seconds"),
        days=original.get("BackupRetentionPeriod", 0),
        listing=session.place.complete(LISTING),
    )


def _earliest(session: Session, original: Mapping[str, Any]) -> datetime | None:
    """Return the earliest time to which RDS can restore the instance (RDS API reference, RestoreWindow)."""
    instances = session.all(
        "rds",
        "describe_db_instance_automated_backups",
        "DBInstanceAutomatedBackups",
        DbiResourceId=original["DbiResourceId"],
    )
    times = [(instance.get("RestoreWindow") or {}).get("EarliestTime") for instance in instances]
    return min(filter(None, times), default=None)


def _next_second(moment: datetime) -> datetime:
    """Return the first whole second that is not before ``moment``: it can be typed, and is restorable."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def restore(session: Session, original: Mapping[str, Any], source: Source, identifier: str) -> None:
    """Restore into a new instance with the original's network and settings. Raises AwsProblem.

    Encryption key and size are those of the source; both restores have no parameter for the key. Logs are not
    exported: RDS would create log groups of the new name.
    """
    request = {**settings(original), "Tags": _tags(original, source)}
    if source.snapshot:
        request |= {"DBInstanceIdentifier": identifier, "DBSnapshotIdentifier": source.snapshot}
        session.call("rds", "restore_db_instance_from_db_snapshot", **request)
        return
    session.call(
        "rds",
        "restore_db_instance_to_point_in_time",
        SourceDBInstanceIdentifier=original["DBInstanceIdentifier"],
        TargetDBInstanceIdentifier=identifier,
        RestoreTime=source.moment,
        **request,
    )


def settings(original: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a restore that RDS would not take from its source.

    Without them it would use the VPC's default security group and the engine's default parameters (API
    reference, RestoreDBInstanceFromDBSnapshot).
    """
    parameters: dict[str, Any] = {
        "DBInstanceClass": original["DBInstanceClass"],
        "DBSubnetGroupName": original["DBSubnetGroup"]["DBSubnetGroupName"],
        "DBParameterGroupName": original["DBParameterGroups"][0]["DBParameterGroupName"],
        "VpcSecurityGroupIds": [
            group["VpcSecurityGroupId"] for group in original["VpcSecurityGroups"]
        ],
        "Port": (original.get("Endpoint") or {}).get("Port", 5432),
        "PubliclyAccessible": False,
        "MultiAZ": bool(original.get("MultiAZ")),
        "AutoMinorVersionUpgrade": bool(original.get("AutoMinorVersionUpgrade")),
        "CopyTagsToSnapshot": bool(original.get("CopyTagsToSnapshot")),
        "BackupRetentionPeriod": original.get("BackupRetentionPeriod", 1),
        "EnableIAMDatabaseAuthentication": bool(original.get("IAMDatabaseAuthenticationEnabled")),
        "DeletionProtection": bool(original.get("DeletionProtection")),
    }
    if original.get("CACertificateIdentifier"):
        parameters["CACertificateIdentifier"] = original["CACertificateIdentifier"]
    return parameters | _storage(original)


def _storage(original: Mapping[str, Any]) -> dict[str, Any]:
    kind = original.get("StorageType", "gp3")
    if kind == "gp3" and original["AllocatedStorage"] < STRIPED_GB:
        return {}
    names = ("StorageType", "Iops", "StorageThroughput")
    return {name: original[name] for name in names if original.get(name)}


def _tags(original: Mapping[str, Any], source: Source) -> list[dict[str, str]]:
    """Return the stack's tags and RESTORED. AWS reserves its own prefix; those of a pause are not copied."""
    kept = [
        tag
        for tag in original.get("TagList", ())
        if not tag["Key"].startswith("aws:") and tag["Key"] not in (pauses.AT, restores.RESTORED)
    ]
    # The characters that a tag's value may have (RDS user guide, "Tagging Amazon RDS resources").
    origin = source.snapshot or source.moment.isoformat()
    return [*kept, {"Key": restores.RESTORED, "Value": origin}]


def purpose(instance: Mapping[str, Any]) -> str | None:
    """Return the source of an instance that a command restored; None for any other."""
    tags = {tag["Key"]: tag.get("Value", "") for tag in instance.get("TagList", ())}
    return tags.get(restores.RESTORED)


def wait_until_available(session: Session, identifier: str, waiting: Waiting) -> None:
    """Wait until the restored instance is available. Raises Refused and AwsProblem."""
    waiting.until_done(
        lambda: _unavailable(session, identifier, described(session, identifier)), MINUTES
    )


def wait_until_usable(session: Session, identifier: str, waiting: Waiting) -> None:
    """Have RDS manage the password and wait until it does. Raises Refused and AwsProblem.

    RDS manages the password only after the restore: ManageMasterUserPassword of the restores is for Oracle (API
    reference, RestoreDBInstanceFromDBSnapshot).
    """
    changed = False

    def left() -> Text | None:
        nonlocal changed
        instance = described(session, identifier) or {}
        if reason := _unavailable(session, identifier, instance):
            return reason
        secret = instance.get("MasterUserSecret") or {}
        if secret.get("SecretStatus") == "active":
            return None
        if not secret and not changed:
            session.call(
                "rds",
                "modify_db_instance",
                DBInstanceIdentifier=identifier,
                ManageMasterUserPassword=True,
                ApplyImmediately=True,
            )
            changed = True
        return t("RDS creates the password of {id}", id=identifier)

    waiting.until_done(left, MINUTES)


def _unavailable(
    session: Session, identifier: str, instance: Mapping[str, Any] | None
) -> Text | None:
    """Return the status of an instance that is not available yet. Raises Refused for one that will not be."""
    status = str((instance or {}).get("DBInstanceStatus", "creating"))
    if status == "available":
        return None
    database = read_existing(rds.database, session, identifier, False)
    if database is not None:
        refuse_stuck(database)
    return t("{id} is {status}", id=identifier, status=status)
