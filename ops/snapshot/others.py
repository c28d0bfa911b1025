"""Asks for the database, the alarms, and what Fargate may run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from i18n import t
from ops import paused
from ops.aws import AwsProblem, Session
from ops.snapshot import compute
from ops.snapshot.surroundings import Alarm, Database, Line, Quota
from stack.names import StackNames

ON_DEMAND_VCPUS, SPOT_VCPUS = "L-3032A538", "L-36FBB829"
"""Quota codes of "Fargate On-Demand" and "Fargate Spot vCPU resource count" (Service Quotas)."""
CPU_UNITS = 1024
"""CPU units of one vCPU."""
TLS_SINCE = 15
"""Major version of PostgreSQL from which RDS has rds.force_ssl on by default (RDS user guide)."""
EVENT_MINUTES = 180
NO_QUOTA = t("Service Quotas knows no Fargate quota here.")
NO_QUOTA_WAY_OUT = t("On AWS the console shows it: Service Quotas, AWS Fargate.")


def database(session: Session, identifier: str, full: bool = True) -> Database | None:
    """The DB instance; ``full`` with its parameters and, if it is not well, its last events.

    Raises AwsProblem.
    """
    found = session.all(
        "rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=identifier
    )
    if not found:
        return None
    raw = found[0]
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
        subnets=tuple(each["SubnetIdentifier"] for each in group.get("Subnets", ())),
        secret=(raw.get("MasterUserSecret") or {}).get("SecretArn", ""),
        force_ssl=_force_ssl(session, raw) if full else None,
        storage_gb=raw.get("AllocatedStorage", 0),
        events=_events(session, identifier) if full and status != "available" else (),
        arn=raw.get("DBInstanceArn", ""),
        replicas=tuple(raw.get("ReadReplicaDBInstanceIdentifiers", ())),
        source=raw.get("ReadReplicaSourceDBInstanceIdentifier", ""),
        starts=raw.get("AutomaticRestartTime"),
        pause=paused.read(raw.get("TagList", ())),
        authority=raw.get("CACertificateIdentifier", ""),
    )


def _force_ssl(session: Session, raw: dict[str, Any]) -> bool | None:
    groups = raw.get("DBParameterGroups") or ()
    try:
        for group in groups:
            for each in session.all(
                "rds",
                "describe_db_parameters",
                "Parameters",
                DBParameterGroupName=group["DBParameterGroupName"],
                Source="user",
            ):
                if each["ParameterName"] == "rds.force_ssl":
                    return bool(each.get("ParameterValue") == "1")
    except AwsProblem:
        return None
    major = str(raw.get("EngineVersion", "0")).partition(".")[0]
    return int(major) >= TLS_SINCE if major.isdigit() else None


def _events(session: Session, identifier: str) -> tuple[Line, ...]:
    try:
        found = session.all(
            "rds",
            "describe_events",
            "Events",
            SourceIdentifier=identifier,
            SourceType="db-instance",
            Duration=EVENT_MINUTES,
        )
    except AwsProblem:
        return ()
    return tuple(Line(each["Date"], each["Message"]) for each in found)


def alarms(session: Session, prefix: str) -> tuple[Alarm, ...]:
    """The stack's alarms. Raises AwsProblem."""
    return tuple(
        Alarm(
            name=each["AlarmName"],
            state=each["StateValue"],
            reason=each.get("StateReason", ""),
            since=each.get("StateUpdatedTimestamp"),
        )
        for page in session.pages("cloudwatch", "describe_alarms", AlarmNamePrefix=f"{prefix}-")
        for each in [*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())]
    )


def quota(session: Session, names: StackNames, spot: bool) -> Quota:
    """Fargate's vCPU quota, and what other tasks of the account take of it. Raises AwsProblem.

    Pods that EKS runs on Fargate count for AWS too; ECS does not tell of them.
    """
    code = SPOT_VCPUS if spot else ON_DEMAND_VCPUS
    try:
        answer = session.call(
            "service-quotas", "get_service_quota", ServiceCode="fargate", QuotaCode=code
        )
    except AwsProblem as problem:
        if problem.kind == "missing":
            raise AwsProblem("refused", NO_QUOTA, NO_QUOTA_WAY_OUT, problem.code) from None
        raise
    taken = sum(_elsewhere(session, names, spot))
    return Quota(limit=float(answer["Quota"]["Value"]), elsewhere=taken / CPU_UNITS, code=code)


def _elsewhere(session: Session, names: StackNames, spot: bool) -> Iterator[int]:
    """The CPU units of each task in the region that is not the service's."""
    for cluster in session.all("ecs", "list_clusters", "clusterArns"):
        arns = session.all("ecs", "list_tasks", "taskArns", cluster=cluster, launchType="FARGATE")
        own = f"service:{names.service}" if cluster.endswith(f"/{names.cluster}") else None
        for each in compute.described(session, cluster, arns):
            on_spot = each.get("capacityProviderName") == compute.SPOT
            if on_spot == spot and each.get("group") != own:
                yield int(each.get("cpu") or 0)
