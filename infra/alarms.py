"""The CloudWatch alarms of the stack, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pulumi
import pulumi_aws as aws

from careapp.settings.database import DatabaseSettings, connections, free_memory, free_storage
from careapp.settings.monitoring import MonitoringSettings
from careapp.settings.names import DEPLOYMENT, PAGE_ERRORS, RUNNING
from careapp.settings.service import ServiceSettings, task_memory
from careapp.settings.settings import Settings

from .component import Component

MINUTE = 60
ERRORS = f"{DEPLOYMENT}-errors"
"""The name, after the stack's prefix, of the alarm on the errors of a deployment."""
MissingData = Literal["missing", "notify", "notBreaching"]
"""How an alarm treats missing data.

- "missing": INSUFFICIENT_DATA without a notification, for metrics that exist as long as the resource.
- "notify": INSUFFICIENT_DATA with a notification, for metrics that stop when all tasks are gone.
- "notBreaching": OK, for metrics that are reported only when the event occurs.

CloudWatch's "breaching" would set every new alarm to ALARM. An alarm starts in INSUFFICIENT_DATA, and
only a transition to it is notified (CloudWatch API reference, PutMetricAlarm).
"""


@dataclass(frozen=True)
class Metric:
    """One statistic of one CloudWatch metric."""

    namespace: str
    dimensions: Mapping[str, pulumi.Input[str]]
    name: str
    statistic: str


Source = Callable[[str, str], Metric]
"""Return the metric of one resource by its name and statistic."""


def source(namespace: str, **dimensions: pulumi.Input[str]) -> Source:
    """Return the source of the metrics of the resource with these dimensions."""
    return partial(Metric, namespace, dimensions)


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alarm on one metric, or on an expression over several.

    It is in ALARM after `periods` periods in a row, of `period` seconds each, in which the value was
    above `limit`, or below it when `over` is false.
    """

    name: str
    description: str
    metrics: Mapping[str, Metric]
    limit: float
    over: bool = True
    expression: str = ""
    period: int = MINUTE
    periods: int = 5
    missing_data: MissingData = "notBreaching"

    def inputs(self) -> dict[str, Any]:
        """Return the arguments of `aws.cloudwatch.MetricAlarm` without name and actions."""
        operator = "GreaterThanThreshold" if self.over else "LessThanThreshold"
        common = {
            "alarm_description": self.description,
            "comparison_operator": operator,
            "threshold": self.limit,
            "evaluation_periods": self.periods,
            "datapoints_to_alarm": self.periods,
            "treat_missing_data": "missing" if self.missing_data == "notify" else self.missing_data,
        }
        return common | (self._queries() if self.expression else self._single())

    def _single(self) -> dict[str, Any]:
        [metric] = self.metrics.values()
        percentile = metric.statistic.startswith("p")
        return {
            "namespace": metric.namespace,
            "metric_name": metric.name,
            "extended_statistic" if percentile else "statistic": metric.statistic,
            "dimensions": dict(metric.dimensions),
            "period": self.period,
        }

    def _queries(self) -> dict[str, Any]:
        queries = [
            {
                "id": name,
                "metric": {
                    "namespace": metric.namespace,
                    "metric_name": metric.name,
                    "stat": metric.statistic,
                    "dimensions": dict(metric.dimensions),
                    "period": self.period,
                },
            }
            for name, metric in self.metrics.items()
        ]
        result = {"id": "result", "expression": self.expression, "label": self.name}
        return {"metric_queries": [*queries, {**result, "return_data": True}]}


def database(identifier: pulumi.Input[str], settings: DatabaseSettings) -> tuple[Alarm, ...]:
    """Return the database's alarms. CPU and memory have 15 minutes, for backups and migrations."""
    rds = source("AWS/RDS", DBInstanceIdentifier=identifier)
    alarm = partial(Alarm, missing_data="missing")
    return (
        alarm(
            name="database-cpu",
            description="The database has used more than 90 % of its CPU for 15 minutes",
            metrics={"one": rds("CPUUtilization", "Average")},
            limit=90,
            periods=15,
        ),
        alarm(
            name="database-memory",
            description="The database is low on memory; set a larger databaseInstanceClass",
            metrics={"one": rds("FreeableMemory", "Average")},
            limit=free_memory(settings.instance_class),
            over=False,
            periods=15,
        ),
        alarm(
            name="database-storage",
            description="The database is low on storage; raise databaseStorageGb by 10 % or more",
            metrics={"one": rds("FreeStorageSpace", "Minimum")},
            limit=free_storage(settings.storage_gb),
            over=False,
        ),
        alarm(
            name="database-connections",
            description="The number of open connections is near the limit, above which new ones are refused",
            metrics={"one": rds("DatabaseConnections", "Maximum")},
            limit=connections(settings.instance_class),
        ),
    )


Groups = Sequence[pulumi.Input[str]]
"""The ARN suffixes of the target group, or of the two between which ECS shifts the requests."""


def _targets(balancer: pulumi.Input[str], group: pulumi.Input[str]) -> Source:
    """Return the target group's metrics, by the ARN suffixes of load balancer and target group."""
    return source("AWS/ApplicationELB", LoadBalancer=balancer, TargetGroup=group)


def page(balancer: pulumi.Input[str], groups: Groups) -> tuple[Alarm, ...]:
    """Return the page's alarms, by the ARN suffixes of load balancer and target groups.

    They belong to stage 2: in stage 1 the load balancer's default action is 503.
    """
    alb = source("AWS/ApplicationELB", LoadBalancer=balancer)
    # Of two target groups, the load balancer reports the sum of the requests.
    targets = _targets(balancer, groups[0]) if len(groups) == 1 else alb
    return (
        Alarm(
            name=PAGE_ERRORS,
            description="The load balancer itself answers with errors: no task takes its requests",
            metrics={"one": alb("HTTPCode_ELB_5XX_Count", "Sum")},
            limit=5,
            periods=2,
        ),
        Alarm(
            name="page-latency",
            description="5 % of the requests take longer than a second",
            metrics={"one": alb("TargetResponseTime", "p95")},
            limit=1,
        ),
        Alarm(
            name="app-errors",
            description="More than 5 % of the app's responses are errors, of at least 20 in five minutes",
            **_share_of_errors(targets, 20),
            limit=5,
            period=5 * MINUTE,
            periods=1,
        ),
        _unhealthy(balancer, groups),
    )


def _unhealthy(balancer: pulumi.Input[str], groups: Groups) -> Alarm:
    """Return the alarm for unhealthy targets, of both target groups if there are two."""
    hosts = [_targets(balancer, group)("UnHealthyHostCount", "Maximum") for group in groups]
    names = ("one", "other")[: len(hosts)]
    return Alarm(
        name="targets-unhealthy",
        description="A task fails the load balancer's health check and is not replaced by a healthy one",
        metrics=dict(zip(names, hosts, strict=True)),
        expression=" + ".join(f"FILL({name}, 0)" for name in names) if len(names) > 1 else "",
        limit=0,
    )


TELLING_REQUESTS = 20 + 6
"""Requests a minute below which the deployment alarms are OK: 20 of users, for a few do not tell a bad version, and the
six of the roll-out gate, which requests the page every ten seconds (packages/ecs-gate/ecs_gate/rollout/judge.py)."""


def deployment(
    balancer: pulumi.Input[str], groups: Groups, settings: MonitoringSettings
) -> Iterator[Alarm]:
    """Yield the alarms that ECS watches during a deployment: those on the responses of each target group's tasks.

    Of two target groups each has its own: in the sum, the old version would hide the errors of a canary. Two minutes
    in a row, so that they end well within the bake time. A task that answers nothing has no such metrics: that is the
    health check's subject.
    """
    for group, ending in zip(groups, ("", "-2"), strict=False):
        targets = _targets(balancer, group)
        requests = targets("RequestCount", "Sum")
        if settings.error_percent:
            yield Alarm(
                name=f"{ERRORS}{ending}",
                description="ECS rolls a deployment back: too many responses are errors",
                **_share_of_errors(targets, TELLING_REQUESTS),
                limit=settings.error_percent,
                periods=2,
            )
        if settings.latency:
            yield Alarm(
                name=f"{DEPLOYMENT}-latency{ending}",
                description="ECS rolls a deployment back: the slowest 5 % of the responses take too long",
                metrics={"latency": targets("TargetResponseTime", "p95"), "requests": requests},
                expression=f"IF(requests >= {TELLING_REQUESTS}, latency, 0)",
                limit=settings.latency,
                periods=2,
            )


def _share_of_errors(targets: Source, least: int) -> dict[str, Any]:
    """Return metrics and expression of the responses that are errors, in percent of ``least`` or more."""
    errors, requests = targets("HTTPCode_Target_5XX_Count", "Sum"), targets("RequestCount", "Sum")
    return {
        "metrics": {"errors": errors, "requests": requests},
        "expression": f"IF(requests >= {least}, 100 * FILL(errors, 0) / requests, 0)",
    }


def service(balancer: pulumi.Input[str], groups: Groups, settings: Settings) -> tuple[Alarm, ...]:
    """Return the service's alarms: CPU, memory and the number of running tasks.

    Missing data of CPU and memory is notBreaching: otherwise each start of `schedule` would notify OK.
    """
    names = settings.names
    ecs = source("AWS/ECS", ClusterName=names.cluster, ServiceName=names.service)
    return (
        Alarm(
            name="service-cpu",
            description="The tasks use more than 85 % of their CPU; raise taskCpu or the number of tasks",
            metrics={"one": ecs("CPUUtilization", "Average")},
            limit=85,
            periods=10,
        ),
        Alarm(
            name="service-memory",
            description="The tasks are near their memory limit, where ECS kills them; raise taskMemory",
            metrics={"one": ecs("MemoryUtilization", "Maximum")},
            limit=task_memory(settings.service.memory),
        ),
        _running(_running_tasks(ecs, balancer, groups), settings.service),
    )


def _running_tasks(ecs: Source, balancer: pulumi.Input[str], groups: Groups) -> Metric:
    """Return the number of tasks: the healthy targets, or, of two target groups, the running tasks.

    Each running task reports its CPU once a minute (ECS developer guide, service RUNNING task count).
    """
    if len(groups) > 1:
        return ecs("CPUUtilization", "SampleCount")
    return _targets(balancer, groups[0])("HealthyHostCount", "Minimum")


def _running(tasks: Metric, settings: ServiceSettings) -> Alarm:
    """Return the alarm for fewer running tasks than desired; with scaling, than `minCount`.

    Ten minutes are longer than a deployment is below the desired count. When no task runs, the metric of ``tasks``
    has no data. So missing data is notified, except with a schedule that stops all tasks.
    `./careapp pause` turns the actions off. "targets-unhealthy" is about tasks that run and are
    unhealthy, not about missing tasks.
    """
    desired = settings.least_count
    return Alarm(
        name=RUNNING,
        description="Fewer tasks run than desired; ./careapp doctor names the cause",
        metrics={"one": tasks},
        limit=desired,
        over=False,
        periods=10,
        missing_data="notify" if desired > 0 and settings.scaling.hours is None else "missing",
    )


def jobs(group: str) -> tuple[Alarm, ...]:
    """Return the alarm on runs of jobs that EventBridge Scheduler has given up, by the name of the schedule group.

    It counts a run when the retry policy is exhausted (EventBridge Scheduler User Guide, "Monitoring … with Amazon
    CloudWatch"); a refused call that a retry makes good is no missed run.
    """
    scheduler = source("AWS/Scheduler", ScheduleGroup=group)
    return (
        Alarm(
            name="jobs-missed",
            description="A run of a job could not be started; see ./careapp jobs and ./careapp doctor",
            metrics={"one": scheduler("InvocationDroppedCount", "Sum")},
            limit=0,
            periods=1,
        ),
    )


def create(
    component: Component,
    prefix: str,
    watched: Iterable[Alarm],
    topic_arn: pulumi.Input[str] | None,
) -> list[aws.cloudwatch.MetricAlarm]:
    """Create the alarms of a component, each of which notifies the topic, if there is one, of ALARM and of OK."""
    actions = [topic_arn] if topic_arn else []
    return [
        aws.cloudwatch.MetricAlarm(
            f"{prefix}-{alarm.name}",
            name=f"{prefix}-{alarm.name}",
            **alarm.inputs(),
            alarm_actions=actions,
            ok_actions=actions,
            insufficient_data_actions=actions if alarm.missing_data == "notify" else [],
            opts=component.child,
        )
        for alarm in watched
    ]
