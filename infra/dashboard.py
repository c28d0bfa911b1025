"""The dashboard: what one looks at in an incident, in the order in which one looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from infra.alarm import MINUTE, Alarm, Metric, Source

WIDTH, HEIGHT = 24, 6
"""Columns of a CloudWatch dashboard, and the rows that a graph takes (Dashboard Body Structure)."""
Widget: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The names that the metrics go by. All are known before ECS is there, as names are fixed.

    So one dashboard serves both stages, and turning ECS on changes nothing in it.
    """

    stack: str
    region: str
    balancer: str
    target_group: str
    database: str
    cluster: str
    service: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One picture: its title and its lines by label."""

    title: str
    lines: Mapping[str, Metric]
    left: str = ""
    """What the axis counts."""


def body(watched: Watched, alarms: Sequence[Alarm]) -> dict[str, Any]:
    """The dashboard as CloudWatch takes it; where an alarm rings, its graph has a line."""
    rows = (_page(watched), _tasks(watched), _database(watched))
    widgets = [_note(watched.stack)]
    top = HEIGHT // 3
    for row in rows:
        wide = WIDTH // len(row)
        for place, graph in enumerate(row):
            where = {"x": place * wide, "y": top, "width": wide, "height": HEIGHT}
            widgets.append({**where, **_widget(graph, watched.region, alarms)})
        top += HEIGHT
    return {"start": "-PT3H", "widgets": widgets}


def _note(stack: str) -> Widget:
    text = (
        "From top to bottom: does the page answer; are its targets healthy, do the tasks have "
        "what they need, was a roll-out given up; does the database have what it needs. "
        f"`./careapp doctor --stack {stack}` names the cause, "
        f"`./careapp events --stack {stack}` tells what happened when. "
        "Until ECS is on, only the database and the 503 page have something to show."
    )
    place = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT // 3}
    return {"type": "text", **place, "properties": {"markdown": text}}


def _page(watched: Watched) -> tuple[Graph, ...]:
    alb = _source("AWS/ApplicationELB", LoadBalancer=watched.balancer)
    return (
        Graph(
            title="Page: errors",
            left="answers a minute",
            lines={
                "by the load balancer": alb.metric("HTTPCode_ELB_5XX_Count", "Sum"),
                "by the app": alb.metric("HTTPCode_Target_5XX_Count", "Sum"),
                "app not reached": alb.metric("TargetConnectionErrorCount", "Sum"),
            },
        ),
        Graph(
            title="Page: seconds until the answer",
            left="seconds",
            lines={
                name: alb.metric("TargetResponseTime", statistic)
                for name, statistic in (("half", "p50"), ("95 %", "p95"), ("99 %", "p99"))
            },
        ),
        Graph(
            title="Page: requests",
            left="a minute",
            lines={"requests": alb.metric("RequestCount", "Sum")},
        ),
    )


def _tasks(watched: Watched) -> tuple[Graph, ...]:
    group = _source(
        "AWS/ApplicationELB", LoadBalancer=watched.balancer, TargetGroup=watched.target_group
    )
    ecs = _source("AWS/ECS", ClusterName=watched.cluster, ServiceName=watched.service)
    rule = _source("AWS/Events", RuleName=watched.rule)
    return (
        Graph(
            title="Targets",
            left="tasks",
            lines={
                "healthy": group.metric("HealthyHostCount", "Minimum"),
                "unhealthy": group.metric("UnHealthyHostCount", "Maximum"),
            },
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
            title="Tasks that run",
            left="tasks",
            lines={"running": ecs.metric("CPUUtilization", "SampleCount")},
        ),
        Graph(
            title="Roll-outs that failed",
            left="roll-outs",
            lines={"failed": rule.metric("TriggeredRules", "Sum")},
        ),
    )


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
    named = [part for pair in metric.dimensions.items() for part in pair]
    return [metric.namespace, metric.name, *named, {"stat": metric.statistic, "label": label}]
