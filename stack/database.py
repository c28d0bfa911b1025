"""The database: its keys and record, and the limits that follow from its size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType

from i18n import t
from stack import rules, service
from stack.reader import Reader
from stack.rules import Key

GIB, MIB = 1024**3, 1024**2
LARGE_GIB = MappingProxyType({"c": 4, "t": 8, "m": 8, "r": 16, "x": 32})
"""GiB of memory of each family's `large` (EC2 instance types; a test compares them with EC2's)."""
BELOW_LARGE = MappingProxyType({"micro": 8, "small": 4, "medium": 2, "large": 1})
"""How many times smaller than `large`."""
BYTES_A_CONNECTION = 9531392
MOST_CONNECTIONS = 5000
"""RDS's default: max_connections = LEAST(DBInstanceClassMemory / 9531392, 5000)."""

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


def database_memory(instance_class: str) -> int:
    """Bytes of memory that an RDS instance class has. ValueError for a family not known here.

    Only families whose members all follow one rule: `x` is the Graviton 2 generation.
    """
    found = re.fullmatch(r"db\.(t[234]g?|[cmr][5-9][a-z]*|x2g)\.(\d*)(\w+)", instance_class)
    if found and not (found[2] and found[3] != "xlarge"):
        large = LARGE_GIB[found[1][0]] * GIB
        if found[3] == "xlarge":
            return large * 2 * int(found[2] or 1)
        if found[3] in BELOW_LARGE:
            return large // BELOW_LARGE[found[3]]
    raise ValueError(
        t(
            "the memory of {instance_class} is not known here, so no alarm can watch it; choose a "
            "class of the families t, m, r or c, or set alarmsEnabled and dashboardEnabled to false",
            instance_class=instance_class,
        )
    )


def free_memory(instance_class: str) -> int:
    """Bytes below which a database is short of memory: a twentieth, but no less than 64 MiB."""
    return max(database_memory(instance_class) // 20, 64 * MIB)


def free_storage(gibibytes: int) -> int:
    """Bytes below which storage must be added: a fifth, for adding takes people and hours."""
    return gibibytes * GIB // 5


def connections(instance_class: str) -> int:
    """Open connections above which new ones will soon be refused.

    Three fifths of what the class's whole memory would give: RDS keeps a part of it for itself,
    so that e.g. 1 GiB allows some 80 and not the 112 of the formula.
    """
    formula = database_memory(instance_class) // BYTES_A_CONNECTION
    return min(formula, MOST_CONNECTIONS) * 3 // 5
