"""The database's keys and record."""

from __future__ import annotations

from dataclasses import dataclass

from i18n import t
from infra.settings import rules, service
from infra.settings.key import Key
from infra.settings.reader import Reader

DATABASE_INSTANCE_CLASS = Key(
    "databaseInstanceClass",
    "db.t4g.micro",
    rules.pattern(r"db\.[a-z0-9-]+\.[a-z0-9]+", t("an RDS instance class like db.t4g.micro")),
    "RDS instance class",
)
DATABASE_STORAGE_GB = Key(
    "databaseStorageGb",
    "20",
    rules.integer(20, 65536, t(" (GiB of gp3 for PostgreSQL)")),
    "gp3 storage in GiB; it can grow by a tenth or more, never shrink",
)
DATABASE_MULTI_AZ = Key(
    "databaseMultiAz", "false", rules.boolean, "a standby of the database in a second zone"
)
DATABASE_BACKUP_DAYS = Key(
    "databaseBackupDays",
    "7",
    # Backups turned on or off are an outage (RDS user guide, "Backup retention period").
    rules.integer(1, 35, t(" (0, without backups, would restart the database)")),
    "days that automated backups are kept",
)
DATABASE_FINAL_SNAPSHOT = Key(
    "databaseFinalSnapshot",
    "final",
    rules.optional(
        rules.pattern(
            r"[a-z0-9]+(-[a-z0-9]+)*", t("small letters and digits, parted by single hyphens")
        )
    ),
    "ending of the name of the snapshot taken when the database is deleted; empty takes none",
)
DATABASE_MONITORING = Key(
    "databaseMonitoringInterval",
    "0",
    rules.one_of((0, 1, 5, 10, 15, 30, 60)),
    "seconds between two looks at the database's operating system; 0 looks never",
)
DATABASE_INSIGHTS = Key(
    "databaseInsights", "false", rules.boolean, "Database Insights: which queries take the time"
)
DATABASE_IAM_AUTH = Key(
    "databaseIamAuth", "false", rules.boolean, "let IAM users log in to the database by a token"
)
DATABASE_LOGS = Key(
    "databaseLogs", "false", rules.boolean, "send the database's logs to CloudWatch"
)


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """What the database is made of and how it is kept."""

    instance_class: str
    storage_gb: int
    multi_az: bool
    backup_days: int
    final_snapshot: str
    monitoring_interval: int
    insights: bool
    iam_auth: bool
    logs: bool
    log_days: int

    @classmethod
    def load(cls, read: Reader) -> DatabaseSettings:
        return cls(
            instance_class=read(DATABASE_INSTANCE_CLASS),
            storage_gb=read(DATABASE_STORAGE_GB),
            multi_az=read(DATABASE_MULTI_AZ),
            backup_days=read(DATABASE_BACKUP_DAYS),
            final_snapshot=read(DATABASE_FINAL_SNAPSHOT),
            monitoring_interval=read(DATABASE_MONITORING),
            insights=read(DATABASE_INSIGHTS),
            iam_auth=read(DATABASE_IAM_AUTH),
            logs=read(DATABASE_LOGS),
            log_days=read(service.LOG_RETENTION_DAYS),
        )
