"""Every alarm of the stack, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from infra.alarm import MINUTE, Alarm, Source
from stack.database import DatabaseSettings, connections, free_memory, free_storage
from stack.names import PAGE_ERRORS, RUNNING
from stack.service import ServiceSettings, task_memory


def database(identifier: pulumi.Input[str], settings: DatabaseSettings) -> tuple[Alarm, ...]:
    """The database's: what runs out first. A quarter of an hour, for backups and migrations."""
    rds = Source(namespace="AWS/RDS", dimensions={"DBInstanceIdentifier": identifier})
    return (
        Alarm(
            name="database-cpu",
            meaning="The database's CPU is nearly all used for a quarter of an hour",
            metrics=rds.one("CPUUtilization", "Average"),
            limit=90,
            periods=15,
        ),
        Alarm(
            name="database-memory",
            meaning="The database is short of memory; choose a larger databaseInstanceClass",
            metrics=rds.one("FreeableMemory", "Average"),
            limit=free_memory(settings.instance_class),
            over=False,
            periods=15,
        ),
        Alarm(
            name="database-storage",
            meaning="The database's storage fills up; raise databaseStorageGb by a tenth or more",
            metrics=rds.one("FreeStorageSpace", "Minimum"),
            limit=free_storage(settings.storage_gb),
            over=False,
        ),
        Alarm(
            name="database-connections",
            meaning="So many connections are open that new ones will soon be refused",
            metrics=rds.one("DatabaseConnections", "Maximum"),
            limit=connections(settings.instance_class),
        ),
    )


def _targets(balancer: pulumi.Input[str], group: pulumi.Input[str]) -> Source:
    """The target group's metrics, by the ARN suffixes of load balancer and target group."""
    named = {"LoadBalancer": balancer, "TargetGroup": group}
    return Source(namespace="AWS/ApplicationELB", dimensions=named)


def page(balancer: pulumi.Input[str], group: pulumi.Input[str]) -> tuple[Alarm, ...]:
    """The page's, by the ARN suffixes of load balancer and target group.

    They belong to stage 2: in stage 1 the load balancer answers 503 on purpose.
    """
    alb = Source(namespace="AWS/ApplicationELB", dimensions={"LoadBalancer": balancer})
    targets = _targets(balancer, group)
    return (
        Alarm(
            name=PAGE_ERRORS,
            meaning="The load balancer itself answers errors: no task takes its requests",
            metrics=alb.one("HTTPCode_ELB_5XX_Count", "Sum"),
            limit=5,
            periods=2,
            silence="notBreaching",
        ),
        Alarm(
            name="page-latency",
            meaning="One request in twenty waits longer than a second",
            metrics=alb.one("TargetResponseTime", "p95"),
            limit=1,
            silence="notBreaching",
        ),
        Alarm(
            name="app-errors",
            meaning="More than 5 % of the app's answers are errors, of at least 20 in five minutes",
            metrics={
                "errors": targets.metric("HTTPCode_Target_5XX_Count", "Sum"),
                "requests": targets.metric("RequestCount", "Sum"),
            },
            expression="IF(requests >= 20, 100 * FILL(errors, 0) / requests, 0)",
            limit=5,
            period=5 * MINUTE,
            periods=1,
            silence="notBreaching",
        ),
        Alarm(
            name="targets-unhealthy",
            meaning="A task fails the load balancer's health check and is not replaced by a good one",
            metrics=targets.one("UnHealthyHostCount", "Maximum"),
            limit=0,
            silence="notBreaching",
        ),
    )


def service(
    cluster: str,
    name: str,
    balancer: pulumi.Input[str],
    group: pulumi.Input[str],
    settings: ServiceSettings,
) -> tuple[Alarm, ...]:
    """The tasks' own: CPU, memory, and that as many run as are wanted.

    Without tasks the first two are quiet: else each morning of a schedule would tell that they are OK.
    """
    named = {"ClusterName": cluster, "ServiceName": name}
    ecs = Source(namespace="AWS/ECS", dimensions=named)
    return (
        Alarm(
            name="service-cpu",
            meaning="The tasks' CPU is nearly all used; raise taskCpu or the number of tasks",
            metrics=ecs.one("CPUUtilization", "Average"),
            limit=85,
            periods=10,
            silence="notBreaching",
        ),
        Alarm(
            name="service-memory",
            meaning="The tasks are about to be killed for their memory; raise taskMemory",
            metrics=ecs.one("MemoryUtilization", "Maximum"),
            limit=task_memory(settings.memory),
            silence="notBreaching",
        ),
        _running(named, _targets(balancer, group), settings),
    )


def _running(named: Mapping[str, str], targets: Source, settings: ServiceSettings) -> Alarm:
    """Fewer tasks than wanted, for ten minutes: longer than a roll-out goes without one.

    Container Insights reports both numbers. Without it, the load balancer says how many tasks pass
    its check, and the stack how many are wanted: with scaling, no more than its minimum. Where no
    task runs neither says anything (ECS developer guide, "Container Insights", considerations), so
    silence is told, too; but not where hours take every task away. `./careapp pause` turns the
    actions off. "targets-unhealthy" is no second one of these:
    it rings for a task that is there and sick, be it one too many, and not for one that is missing.
    """
    wanted = settings.least_count
    about: dict[str, Any] = {
        "name": RUNNING,
        "meaning": "Fewer tasks run than are wanted; ./careapp doctor says why",
        "periods": 10,
        "silence": "told" if wanted > 0 and settings.scaling.hours is None else "missing",
    }
    if not settings.insights:
        hosts = targets.one("HealthyHostCount", "Minimum")
        return Alarm(**about, metrics=hosts, limit=wanted, over=False)
    insights = Source(namespace="ECS/ContainerInsights", dimensions=named)
    both = {
        "wanted": insights.metric("DesiredTaskCount", "Minimum"),
        "running": insights.metric("RunningTaskCount", "Maximum"),
    }
    return Alarm(**about, metrics=both, expression="wanted - running", limit=0)
