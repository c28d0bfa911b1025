"""Asks CloudWatch for what it counts of the page's requests and of the database's connections."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ops.aws import Session
from ops.snapshot.surroundings import Measured, Minute

PERIOD = 60
BACK = timedelta(minutes=15)
AHEAD = timedelta(days=1)
"""A local cloud's clock runs ahead; AWS has no value of the future and takes the question."""


def measured(
    session: Session, database: str, balancer: str, group: str, moment: datetime
) -> Measured:
    """The last minutes' requests of a target group, and the database's newest number of connections.

    ``balancer`` and ``group`` are ARNs; the metrics bear their ends (ELB user guide, "CloudWatch metrics
    for your Application Load Balancer"). Raises AwsProblem.
    """
    names = {
        "LoadBalancer": balancer.partition(":loadbalancer/")[2],
        "TargetGroup": group.rpartition(":")[2],
    }
    answer = session.call(
        "cloudwatch",
        "get_metric_data",
        StartTime=(moment - BACK).replace(second=0, microsecond=0),
        EndTime=moment + AHEAD,
        ScanBy="TimestampAscending",
        MetricDataQueries=[
            _query("requests", "AWS/ApplicationELB", "RequestCount", "Sum", names),
            _query("failed", "AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", names),
            _query(
                *("connections", "AWS/RDS", "DatabaseConnections", "Maximum"),
                {"DBInstanceIdentifier": database},
            ),
        ],
    )
    found = {
        each["Id"]: dict(zip(each["Timestamps"], each["Values"], strict=True))
        for each in answer["MetricDataResults"]
    }
    failed, connections = found.get("failed", {}), list(found.get("connections", {}).values())
    return Measured(
        minutes=tuple(
            Minute(at, round(count), round(failed.get(at, 0)))
            for at, count in found.get("requests", {}).items()
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
