"""The database's keys and record."""

from __future__ import annotations

from dataclasses import dataclass

from infra.settings import rules
from infra.settings.key import Key
from infra.settings.reader import Reader

DATABASE_INSTANCE_CLASS = Key(
    "databaseInstanceClass",
    "db.t4g.micro",
    rules.pattern(r"db\.[a-z0-9-]+\.[a-z0-9]+", "an RDS instance class like db.t4g.micro"),
    "RDS instance class",
)
DATABASE_STORAGE_GB = Key(
    "databaseStorageGb",
    "20",
    rules.integer(20, 65536, " (GiB of gp3 for PostgreSQL)"),
    "gp3 storage in GiB; it can grow, never shrink",
)
DATABASE_MULTI_AZ = Key(
    "databaseMultiAz", "false", rules.boolean, "a standby of the database in a second zone"
)
DATABASE_BACKUP_DAYS = Key(
    "databaseBackupDays",
    "7",
    rules.integer(0, 35, " (0 turns backups off)"),
    "days that automated backups are kept",
)
DATABASE_FINAL_SNAPSHOT = Key(
    "databaseFinalSnapshot",
    "final",
    rules.pattern(r"[a-z0-9]+(-[a-z0-9]+)*", "small letters and digits, parted by single hyphens"),
    "ending of the name of the snapshot taken when a protected database is deleted",
)


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """What the database is made of and how it is kept."""

    instance_class: str
    storage_gb: int
    multi_az: bool
    backup_days: int
    final_snapshot: str

    @classmethod
    def load(cls, read: Reader) -> DatabaseSettings:
        return cls(
            instance_class=read(DATABASE_INSTANCE_CLASS),
            storage_gb=read(DATABASE_STORAGE_GB),
            multi_az=read(DATABASE_MULTI_AZ),
            backup_days=read(DATABASE_BACKUP_DAYS),
            final_snapshot=read(DATABASE_FINAL_SNAPSHOT),
        )
