"""The database as a frozen record, how it is read, and the tag of a pause on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.parts.records import read_existing
from ecs_gate.parts.task_logs import LogLine
from ecs_gate.text import t

AT = "careapp:paused-at"

RESTORED = "careapp:restored"
"""The tag of an instance that a command restored, until Pulumi has it: its source, in words for people."""

DAYS_STOPPED = timedelta(days=7)
"""After so long AWS starts a stopped DB instance by itself (RDS user guide, "Stopping an Amazon
RDS DB instance temporarily")."""


GOING_OFF = frozenset({"stopping", "stopped", "starting"})
"""Statuses of a database that a pause stops, or a resume starts."""


@dataclass(frozen=True)
class Pause:
    since: datetime

    @classmethod
    def now(cls) -> Pause:
        return cls(datetime.now(UTC).replace(microsecond=0))

    def tags(self) -> list[dict[str, str]]:
        return [{"Key": AT, "Value": self.since.isoformat()}]


def read(tags: Iterable[Mapping[str, str]]) -> Pause | None:
    """Return the pause in a DB instance's tags; None without one."""
    values = {each["Key"]: each.get("Value", "") for each in tags}
    if AT not in values:
        return None
    try:
        return Pause(datetime.fromisoformat(values[AT]))
    except ValueError:
        # A tag that a person changed: the pause counts, not its time.
        return Pause(datetime.fromtimestamp(0, UTC))


RESUME_FIRST = t(
    "Before a pulumi destroy run ./careapp resume: RDS takes no final snapshot of a stopped database "
    "(databaseFinalSnapshot)."
)
"""What every command says about a paused stack that keeps a final snapshot."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """The DB instance.

    ``starts`` is when AWS starts it automatically; ``pause`` is set while the stack is paused; ``authority`` is
    RDS's identifier of the CA that signed its certificate; ``protected`` is RDS's deletion protection; ``restored`` is
    what a restore that has not ended restores in it.
    """

    id: str
    status: str
    address: str
    port: int
    name: str
    user: str
    version: str
    kind: str
    multi_az: bool = False
    groups: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    secret: str = ""
    storage_gb: int = 0
    events: tuple[LogLine, ...] = ()
    arn: str = ""
    starts: datetime | None = None
    pause: Pause | None = None
    authority: str = ""
    protected: bool = False
    restored: str = ""
    certified_until: datetime | None = None
    """When that certificate ends."""


EVENT_MINUTES = 180


def database(session: Session, identifier: str, full: bool = True) -> Database | None:
    """Return the DB instance; ``full`` with its last events, unless it is available. Raises AwsProblem."""
    instances = session.all(
        "rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=identifier
    )
    if not instances:
        return None
    raw = instances[0]
    status, tags = raw["DBInstanceStatus"], raw.get("TagList", ())
    endpoint, group = raw.get("Endpoint") or {}, raw.get("DBSubnetGroup") or {}
    return Database(
        id=raw["DBInstanceIdentifier"],
        status=status,
        address=endpoint.get("Address", ""),
        port=endpoint.get("Port") or raw.get("DbInstancePort") or 5432,
        name=raw.get("DBName", ""),
        user=raw.get("MasterUsername", ""),
        version=raw.get("EngineVersion", ""),
        kind=raw.get("DBInstanceClass", ""),
        multi_az=raw.get("MultiAZ", False),
        groups=tuple(each["VpcSecurityGroupId"] for each in raw.get("VpcSecurityGroups", ())),
        subnets=tuple(each["SubnetIdentifier"] for each in group.get("Subnets", ())),
        secret=(raw.get("MasterUserSecret") or {}).get("SecretArn", ""),
        storage_gb=raw.get("AllocatedStorage", 0),
        events=_events(session, identifier) if full and status != "available" else (),
        arn=raw.get("DBInstanceArn", ""),
        starts=raw.get("AutomaticRestartTime"),
        pause=read(tags),
        restored=next((each.get("Value", "") for each in tags if each["Key"] == RESTORED), ""),
        authority=raw.get("CACertificateIdentifier", ""),
        protected=raw.get("DeletionProtection", False),
        certified_until=(raw.get("CertificateDetails") or {}).get("ValidTill"),
    )


def temporary_name(identifier: str) -> str:
    """Return the name of the instance into which `./careapp db restore` restores beside the database."""
    return f"{identifier}-restored"


def old_name(identifier: str) -> str:
    """Return the name that `./careapp db restore` gives to the database before it has the restored one in its place."""
    return f"{identifier}-before-restore"


def aside(session: Session, identifier: str) -> tuple[Database, ...]:
    """Return the instances that a restore of a database has beside it. Raises AwsProblem."""
    names = temporary_name(identifier), old_name(identifier)
    found = (read_existing(database, session, each, False) for each in names)
    return tuple(each for each in found if each is not None)


def _events(session: Session, identifier: str) -> tuple[LogLine, ...]:
    try:
        events = session.all(
            "rds",
            "describe_events",
            "Events",
            SourceIdentifier=identifier,
            SourceType="db-instance",
            Duration=EVENT_MINUTES,
        )
    except AwsProblem:
        return ()
    return tuple(LogLine(each["Date"], each["Message"]) for each in events)
