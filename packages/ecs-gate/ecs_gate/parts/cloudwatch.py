"""Alarms, metrics and the Fargate quota as frozen records, and how they are read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.facts.fargate import CPU_UNITS
from ecs_gate.parts import ecs
from ecs_gate.parts.records import Alarmed
from ecs_gate.target import Names
from ecs_gate.text import t

ON_DEMAND_VCPUS, SPOT_VCPUS = "L-3032A538", "L-36FBB829"
"""Quota codes of "Fargate On-Demand" and "Fargate Spot vCPU resource count" (Service Quotas)."""


@dataclass(frozen=True)
class Minute:
    """A minute of a target group: how many requests it got, and how many its targets answered with 5xx."""

    at: datetime
    requests: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """CloudWatch's metrics: the last minutes, oldest first, and the database's connections."""

    minutes: tuple[Minute, ...] = ()
    connections: int | None = None


@dataclass(frozen=True, kw_only=True)
class Alarm:
    name: str
    state: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The vCPUs that Fargate may run in the region at once: On-Demand or Spot.

    ``elsewhere`` are those that other tasks than this service's have now.
    """

    limit: float
    elsewhere: float = 0
    code: str = ON_DEMAND_VCPUS


PERIOD = 60

BACK = timedelta(minutes=15)

AHEAD = timedelta(days=1)
"""A local cloud's clock runs ahead; AWS has no value of the future and takes the question."""


def measured(
    session: Session, database: str, balancer: str, group: str, moment: datetime
) -> Measured:
    """Return the last minutes' requests of a target group, and the database's newest number of connections.

    ``balancer`` and ``group`` are ARNs; the metrics bear their ends (ELB user guide, "CloudWatch metrics
    for your Application Load Balancer"). Raises AwsProblem.
    """
    names = {
        "LoadBalancer": balancer.partition(":loadbalancer/")[2],
        "TargetGroup": group.rpartition(":")[2],
    }
    of_database = {"DBInstanceIdentifier": database}
    open_ = _query("connections", "AWS/RDS", "DatabaseConnections", "Maximum", of_database)
    answer = session.call(
        "cloudwatch",
        "get_metric_data",
        StartTime=(moment - BACK).replace(second=0, microsecond=0),
        EndTime=moment + AHEAD,
        ScanBy="TimestampAscending",
        MetricDataQueries=[
            _query("requests", "AWS/ApplicationELB", "RequestCount", "Sum", names),
            _query("failed", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", names),
            *([open_] if database else ()),
        ],
    )
    values = {
        result["Id"]: dict(zip(result["Timestamps"], result["Values"], strict=True))
        for result in answer["MetricDataResults"]
    }
    failed, connections = values.get("failed", {}), list(values.get("connections", {}).values())
    return Measured(
        minutes=tuple(
            Minute(at, round(count), round(failed.get(at, 0)))
            for at, count in values.get("requests", {}).items()
        ),
        connections=round(connections[-1]) if connections else None,
    )


def _query(
    name: str, namespace: str, metric: str, statistic: str, dimensions: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": metric,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": PERIOD,
            "Stat": statistic,
        },
    }


NO_QUOTA = t("Service Quotas has no Fargate quota here.")

NO_QUOTA_WAY_OUT = t("On AWS the console shows it: Service Quotas, AWS Fargate.")


def alarms(session: Session, prefix: str, known: Sequence[str] = ()) -> tuple[Alarm, ...]:
    """Return the alarms whose names begin with a prefix, or without one those that are ``known``. Raises AwsProblem."""
    chosen = {"AlarmNamePrefix": f"{prefix}-"} if prefix else {"AlarmNames": list(known)}
    if not (prefix or known):
        return ()
    return tuple(
        Alarm(name=each["AlarmName"], state=each["StateValue"], reason=each.get("StateReason", ""))
        for each in _described(session, **chosen)
    )


def _described(session: Session, **chosen: Any) -> Iterator[dict[str, Any]]:
    """Yield alarms of both types; CloudWatch shows composite ones to who asks for them (API reference,
    DescribeAlarms, AlarmTypes).
    """
    kinds = ("MetricAlarm", "CompositeAlarm")
    for page in session.pages("cloudwatch", "describe_alarms", **chosen, AlarmTypes=[*kinds]):
        yield from (alarm for kind in kinds for alarm in page.get(f"{kind}s", ()))


def alarms_that_ended(session: Session, names: Names) -> Alarmed:
    """Return the alarms that ended the service's newest deployment; none for another end. Raises AwsProblem."""
    rows = ecs.service_deployments(session, names)
    deployment = ecs.service_deployment(session, rows[0]["serviceDeploymentArn"]) if rows else None
    ended = tuple(((deployment or {}).get("alarms") or {}).get("triggeredAlarmNames") or ())
    if not ended:
        return Alarmed()
    mine = ecs.groups_of(session, rows[0]["targetServiceRevisionArn"])
    watched = [_groups(alarm) for alarm in _described(session, AlarmNames=list(ended))]
    # An alarm names a target group by the last part of its ARN.
    elsewhere = all(
        group and not any(map(arn.endswith, group)) for group in watched for arn in mine
    )
    return Alarmed(ended, blameless=bool(mine and watched and elsewhere))


def _groups(alarm: Mapping[str, Any]) -> list[str]:
    """Return the target groups whose metrics an alarm watches, as `targetgroup/NAME/ID`."""
    metrics = [each.get("MetricStat", {}).get("Metric", {}) for each in alarm.get("Metrics", ())]
    dimensions = [pair for metric in (alarm, *metrics) for pair in metric.get("Dimensions", ())]
    return [dimension["Value"] for dimension in dimensions if dimension["Name"] == "TargetGroup"]


def quota(session: Session, names: Names, spot: bool) -> Quota:
    """Return Fargate's vCPU quota, and how much of it other tasks of the account use. Raises AwsProblem.

    AWS also counts pods that EKS runs on Fargate; ECS does not list them.
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


def _elsewhere(session: Session, names: Names, spot: bool) -> Iterator[int]:
    """Yield the CPU units of each task in the region that is not the service's."""
    for cluster in session.all("ecs", "list_clusters", "clusterArns"):
        arns = session.all("ecs", "list_tasks", "taskArns", cluster=cluster, launchType="FARGATE")
        own = f"service:{names.service}" if cluster.endswith(f"/{names.cluster}") else None
        for task in ecs.described(session, cluster, arns):
            on_spot = task.get("capacityProviderName") == ecs.SPOT
            if on_spot == spot and task.get("group") != own:
                yield int(task.get("cpu") or 0)
