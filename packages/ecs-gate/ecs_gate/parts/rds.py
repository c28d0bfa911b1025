"""The database as a frozen record, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.parts.task_logs import LogLine


@dataclass(frozen=True, kw_only=True)
class Database:
    """The DB instance.

    ``starts`` is when AWS starts it automatically; ``authority`` is RDS's identifier of the CA that signed its
    certificate; ``protected`` is RDS's deletion protection.
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
    tags: Mapping[str, str] = field(default_factory=dict)
    authority: str = ""
    protected: bool = False
    certified_until: datetime | None = None
    """When that certificate ends."""
    engine: str = "postgres"
    """RDS's name of its engine."""


EVENT_MINUTES = 180


def database(session: Session, identifier: str, full: bool = True) -> Database | None:
    """Return the DB instance; ``full`` with its last events, unless it is available. Raises AwsProblem."""
    if not identifier:
        return None
    instances = session.all(
        "rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=identifier
    )
    if not instances:
        return None
    raw = instances[0]
    status = raw["DBInstanceStatus"]
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
        subnets=tuple(subnet["SubnetIdentifier"] for subnet in group.get("Subnets", ())),
        secret=(raw.get("MasterUserSecret") or {}).get("SecretArn", ""),
        storage_gb=raw.get("AllocatedStorage", 0),
        events=_events(session, identifier) if full and status != "available" else (),
        arn=raw.get("DBInstanceArn", ""),
        starts=raw.get("AutomaticRestartTime"),
        tags={tag["Key"]: tag.get("Value", "") for tag in raw.get("TagList", ())},
        authority=raw.get("CACertificateIdentifier", ""),
        protected=raw.get("DeletionProtection", False),
        certified_until=(raw.get("CertificateDetails") or {}).get("ValidTill"),
        engine=raw.get("Engine", ""),
    )


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
    return tuple(LogLine(event["Date"], event["Message"]) for event in events)
