"""The CloudWatch dashboard, with the graphs in the order in which an incident is examined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from infra.alarms import MINUTE, Alarm, Metric, Source

WIDTH, HEIGHT = 24, 6
"""Columns of a CloudWatch dashboard, and rows of a graph (Dashboard Body Structure)."""
Widget: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The names in the metrics' dimensions.

    They are fixed and known before ECS exists, so that turning ECS on does not change the dashboard.
    """

    stack: str
    region: str
    balancer: str
    target_groups: Sequence[str]
    database: str
    cluster: str
    service: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One graph: its title and its metrics by label."""

    title: str
    lines: Mapping[str, Metric]
    left: str = ""
    """The label of the left axis."""


def body(watched: Watched, alarms: Sequence[Alarm]) -> dict[str, Any]:
    """Return the dashboard body; a graph has a horizontal line at the limit of its alarm."""
    rows = (_page(watched), _tasks(watched), _database(watched))
    widgets = [_note(watched.stack)]
    top = HEIGHT // 3
    for row in rows:
        width = WIDTH // len(row)
        for column, graph in enumerate(row):
            position = {"x": column * width, "y": top, "width": width, "height": HEIGHT}
            widgets.append({**position, **_widget(graph, watched.region, alarms)})
        top += HEIGHT
    return {"start": "-PT3H", "widgets": widgets}


def _note(stack: str) -> Widget:
    text = (
        "From top to bottom: the page; the targets, tasks and deployments; the database. "
        f"`./careapp doctor --stack {stack}` names the cause, "
        f"`./careapp events --stack {stack}` lists the events in order. "
        "Until ECS is on, only the database and the 503 page have data."
    )
    position = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT // 3}
    return {"type": "text", **position, "properties": {"markdown": text}}


def _page(watched: Watched) -> tuple[Graph, ...]:
    alb = _source("AWS/ApplicationELB", LoadBalancer=watched.balancer)
    return (
        Graph(
            title="Page: errors",
            left="responses a minute",
            lines={
                "by the load balancer": alb.metric("HTTPCode_ELB_5XX_Count", "Sum"),
                "by the app": alb.metric("HTTPCode_Target_5XX_Count", "Sum"),
                "app not reached": alb.metric("TargetConnectionErrorCount", "Sum"),
            },
        ),
        Graph(
            title="Page: response time",
            left="seconds",
            lines={
                name: alb.metric("TargetResponseTime", statistic)
                for name, statistic in (("p50", "p50"), ("p95", "p95"), ("p99", "p99"))
            },
        ),
        Graph(
            title="Page: requests",
            left="a minute",
            lines={"requests": alb.metric("RequestCount", "Sum")},
        ),
    )


def _tasks(watched: Watched) -> tuple[Graph, ...]:
    ecs = _source("AWS/ECS", ClusterName=watched.cluster, ServiceName=watched.service)
    rule = _source("AWS/Events", RuleName=watched.rule)
    return (
        Graph(
            title="Targets",
            left="tasks",
            lines=_targets(watched),
        ),
        Graph(
            title="Tasks: CPU and memory",
            left="% of the task's",
            lines={
                "CPU": ecs.metric("CPUUtilization", "Average"),
                "memory": ecs.metric("MemoryUtilization", "Maximum"),
            },
        ),
        Graph(
            title="Running tasks",
            left="tasks",
            lines={"running": ecs.metric("CPUUtilization", "SampleCount")},
        ),
        Graph(
            title="Failed deployments",
            left="deployments",
            lines={"failed": rule.metric("TriggeredRules", "Sum")},
        ),
    )


def _targets(watched: Watched) -> dict[str, Metric]:
    """Return the lines of the target group, or of both."""
    lines: dict[str, Metric] = {}
    for number, group in enumerate(watched.target_groups, start=1):
        targets = _source("AWS/ApplicationELB", LoadBalancer=watched.balancer, TargetGroup=group)
        place = f", target group {number}" if len(watched.target_groups) > 1 else ""
        lines[f"healthy{place}"] = targets.metric("HealthyHostCount", "Minimum")
        lines[f"unhealthy{place}"] = targets.metric("UnHealthyHostCount", "Maximum")
    return lines


def _database(watched: Watched) -> tuple[Graph, ...]:
    rds = _source("AWS/RDS", DBInstanceIdentifier=watched.database)
    shown = (
        ("Database: CPU", "% of its CPUs", "used", "CPUUtilization", "Average"),
        ("Database: connections", "connections", "open", "DatabaseConnections", "Maximum"),
        ("Database: free memory", "bytes", "free", "FreeableMemory", "Average"),
        ("Database: free storage", "bytes", "free", "FreeStorageSpace", "Minimum"),
    )
    return tuple(
        Graph(title=title, left=left, lines={label: rds.metric(name, statistic)})
        for title, left, label, name, statistic in shown
    )


def _source(namespace: str, **dimensions: str) -> Source:
    return Source(namespace=namespace, dimensions=dimensions)


def _widget(graph: Graph, region: str, alarms: Iterable[Alarm]) -> Widget:
    limits = [
        {"label": alarm.name, "value": alarm.limit}
        for alarm in alarms
        if not alarm.expression
        and all(each in graph.lines.values() for each in alarm.metrics.values())
    ]
    properties: dict[str, Any] = {
        "title": graph.title,
        "region": region,
        "view": "timeSeries",
        "stacked": False,
        "period": MINUTE,
        "metrics": [_line(label, metric) for label, metric in graph.lines.items()],
        "yAxis": {"left": {"label": graph.left, "min": 0, "showUnits": False}},
    }
    if limits:
        properties["annotations"] = {"horizontal": limits}
    return {"type": "metric", "properties": properties}


def _line(label: str, metric: Metric) -> list[Any]:
    dimensions = [part for pair in metric.dimensions.items() for part in pair]
    return [metric.namespace, metric.name, *dimensions, {"stat": metric.statistic, "label": label}]
