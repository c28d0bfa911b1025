"""The database: its keys and record, and the alarm limits that follow from its size."""

from collections.abc import Iterator
from dataclasses import dataclass

from careapp.settings import rules, service
from careapp.settings.rules import Change, Invalid, Key, value_of
from ecs_gate.facts.rds import GIB, MIB, database_memory, max_connections
from ecs_gate.text import t

RESTARTS_DATABASE = Change(
    "RDS changes the instance at once, and the database is unavailable for minutes; with `databaseMultiAz` only "
    "during a failover"
)
"""Source: RDS user guide, "Settings for DB instances" and "Multi-AZ DB instance deployments"."""
ONLY_GROWS = Change("grows in place, by 10 % or more; a smaller value is refused, protected or not")

STRIPED_GB = 400
"""From this size on RDS stripes gp3 storage over four volumes, and takes IOPS and throughput of it; below, it refuses
both (RDS user guide, "gp3 storage")."""

DATABASE_INSTANCE_CLASS = Key(
    "databaseInstanceClass",
    "db.t4g.micro",
    rules.pattern(r"db\.[a-z0-9-]+\.[a-z0-9]+", t("an RDS instance class like db.t4g.micro")),
    "RDS instance class",
    example="db.t4g.small",
    change=RESTARTS_DATABASE,
)
DATABASE_STORAGE_GB = Key(
    "databaseStorageGb",
    "20",
    rules.Integer(20, 65536, t(" (GiB of gp3 for PostgreSQL)")),
    "gp3 storage in GiB",
    example="100",
    change=ONLY_GROWS,
)
DATABASE_MULTI_AZ = Key(
    "databaseMultiAz", "false", rules.boolean, "a standby instance in a second zone"
)
DATABASE_BACKUP_DAYS = Key(
    "databaseBackupDays",
    "7",
    # Turning backups on or off restarts the instance (RDS user guide, "Backup retention period").
    rules.Integer(1, 35, t(" (0, without backups, would restart the database)")),
    "retention of automated backups in days",
)
DATABASE_FINAL_SNAPSHOT = Key(
    "databaseFinalSnapshot",
    "final",
    rules.pattern(
        r"|[a-z0-9]+(-[a-z0-9]+)*", t("lowercase letters and digits, separated by single hyphens")
    ),
    "end of the final snapshot's name; empty: no final snapshot",
    example="last",
)
DATABASE_MONITORING = Key(
    "databaseMonitoring",
    "false",
    rules.boolean,
    "Enhanced Monitoring, Database Insights (the load by query), and the database's logs in CloudWatch Logs",
    change=rules.KEPT_LOGS,
)


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """The instance, its backups and its monitoring."""

    instance_class: str = value_of(DATABASE_INSTANCE_CLASS)
    storage_gb: int = value_of(DATABASE_STORAGE_GB)
    multi_az: bool = value_of(DATABASE_MULTI_AZ)
    backup_days: int = value_of(DATABASE_BACKUP_DAYS)
    final_snapshot: str = value_of(DATABASE_FINAL_SNAPSHOT)
    monitoring: bool = value_of(DATABASE_MONITORING)
    log_days: int = value_of(service.LOG_RETENTION_DAYS)


def check_memory(instance_class: str) -> None:
    """Raise Invalid for a class of unknown memory."""
    try:
        database_memory(instance_class)
    except ValueError:
        raise Invalid(
            "the memory of {instance_class} is unknown, and the memory alarm needs it; choose a class "
            "of the families t, m, r or c, or set alarmsEnabled to false",
            instance_class=instance_class,
        ) from None


def free_memory(instance_class: str) -> int:
    """Return the limit of free memory in bytes: 5 %, but at least 64 MiB."""
    return max(database_memory(instance_class) // 20, 64 * MIB)


def free_storage(gibibytes: int) -> int:
    """Return the limit of free storage in bytes: 20 %, because adding storage takes hours."""
    return gibibytes * GIB // 5


def connections(instance_class: str) -> int:
    """Return the alarm's limit of open connections: 60 % of max_connections."""
    return max_connections(instance_class) * 3 // 5


SIZES = ("micro", "small", "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge")
"""Sizes in order; with the last one every family has memory for MOST_CONNECTIONS."""
LARGEST_T = "2xlarge"
AFTER_T = "db.m7g"
"""The class type that continues after the largest of the types t (RDS user guide, "DB instance classes")."""


def larger_classes(instance_class: str) -> Iterator[str]:
    """Yield the instance classes with more memory, in order: of the same type, after t of AFTER_T."""
    kind, _, size = instance_class.rpartition(".")
    burstable = kind.startswith("db.t")
    for each in SIZES[SIZES.index(size) + 1 :] if size in SIZES else ():
        beyond = burstable and SIZES.index(each) > SIZES.index(LARGEST_T)
        yield f"{AFTER_T if beyond else kind}.{each}"
