"""The CloudWatch dashboard, with the graphs in the order in which an incident is examined."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from careapp.settings.names import StackNames
from careapp.settings.settings import Settings

from .alarms import MINUTE, Alarm, Metric, source
from .notices import rule_name

WIDTH, HEIGHT = 24, 6
"""Columns of a CloudWatch dashboard, and rows of a graph (Dashboard Body Structure)."""
Widget: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """One graph: its title, the label of the left axis, and its metrics by label."""

    title: str
    left: str
    lines: Mapping[str, Metric]


def body(
    settings: Settings, balancer: str, groups: Sequence[str], alarms: Sequence[Alarm]
) -> dict[str, Any]:
    """Return the dashboard body; a graph has a horizontal line at the limit of its alarm.

    The names in the metrics' dimensions are known before ECS exists, so that turning ECS on does not change it.
    ``balancer`` and ``groups`` are the ARN suffixes of the load balancer and of its target groups.
    """
    names = settings.names
    rows = (_page(balancer), _tasks(names, balancer, groups), _database(names.database))
    widgets = [_note(settings.stack)]
    top = HEIGHT // 3
    for row in rows:
        width = WIDTH // len(row)
        for column, graph in enumerate(row):
            position = {"x": column * width, "y": top, "width": width, "height": HEIGHT}
            widgets.append({**position, **_widget(graph, settings.region, alarms)})
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


def _page(balancer: str) -> tuple[Graph, ...]:
    alb = source("AWS/ApplicationELB", LoadBalancer=balancer)
    return (
        Graph(
            "Page: errors",
            "responses a minute",
            {
                "by the load balancer": alb("HTTPCode_ELB_5XX_Count", "Sum"),
                "by the app": alb("HTTPCode_Target_5XX_Count", "Sum"),
                "app not reached": alb("TargetConnectionErrorCount", "Sum"),
            },
        ),
        Graph(
            "Page: response time",
            "seconds",
            {each: alb("TargetResponseTime", each) for each in ("p50", "p95", "p99")},
        ),
        Graph("Page: requests", "a minute", {"requests": alb("RequestCount", "Sum")}),
    )


def _tasks(names: StackNames, balancer: str, groups: Sequence[str]) -> tuple[Graph, ...]:
    ecs = source("AWS/ECS", ClusterName=names.cluster, ServiceName=names.service)
    rule = source("AWS/Events", RuleName=rule_name(names.prefix))
    return (
        Graph("Targets", "tasks", _targets(balancer, groups)),
        Graph(
            "Tasks: CPU and memory",
            "% of the task's",
            {
                "CPU": ecs("CPUUtilization", "Average"),
                "memory": ecs("MemoryUtilization", "Maximum"),
            },
        ),
        Graph("Running tasks", "tasks", {"running": ecs("CPUUtilization", "SampleCount")}),
        Graph("Failed deployments", "deployments", {"failed": rule("TriggeredRules", "Sum")}),
    )


def _targets(balancer: str, groups: Sequence[str]) -> dict[str, Metric]:
    """Return the lines of the target group, or of both."""
    lines: dict[str, Metric] = {}
    for number, group in enumerate(groups, start=1):
        targets = source("AWS/ApplicationELB", LoadBalancer=balancer, TargetGroup=group)
        place = f", target group {number}" if len(groups) > 1 else ""
        lines[f"healthy{place}"] = targets("HealthyHostCount", "Minimum")
        lines[f"unhealthy{place}"] = targets("UnHealthyHostCount", "Maximum")
    return lines


def _database(identifier: str) -> tuple[Graph, ...]:
    rds = source("AWS/RDS", DBInstanceIdentifier=identifier)
    shown = (
        ("Database: CPU", "% of its CPUs", "used", "CPUUtilization", "Average"),
        ("Database: connections", "connections", "open", "DatabaseConnections", "Maximum"),
        ("Database: free memory", "bytes", "free", "FreeableMemory", "Average"),
        ("Database: free storage", "bytes", "free", "FreeStorageSpace", "Minimum"),
    )
    return tuple(
        Graph(title, left, {label: rds(name, statistic)})
        for title, left, label, name, statistic in shown
    )


def _widget(graph: Graph, region: str, alarms: Iterable[Alarm]) -> Widget:
    limits = [
        {"label": alarm.name, "value": alarm.limit}
        for alarm in alarms
        if not alarm.expression
        and all(metric in graph.lines.values() for metric in alarm.metrics.values())
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
