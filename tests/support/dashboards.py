"""A CloudWatch dashboard and the series that it shows, read through the API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Points = Mapping[datetime, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a graph: what it reads, and what there is."""

    label: str
    metric: tuple[str, str]
    points: Points


@dataclass(frozen=True, kw_only=True)
class Widget:
    """A part of a dashboard at its place in the grid; a text has no lines."""

    x: int
    y: int
    width: int
    height: int
    properties: Mapping[str, Any]
    lines: tuple[Line, ...] = ()


def read(client: Any, name: str, start: datetime, end: datetime) -> list[Widget]:
    """All parts, with what their metrics were between the two moments."""
    body = json.loads(client.get_dashboard(DashboardName=name)["DashboardBody"])
    return [_widget(client, each, start, end) for each in body["widgets"]]


def _widget(client: Any, given: Mapping[str, Any], start: datetime, end: datetime) -> Widget:
    place = {key: given[key] for key in ("x", "y", "width", "height")}
    properties = given["properties"]
    rows = properties.get("metrics", ())
    queries = [_query(f"m{number}", row, properties) for number, row in enumerate(rows)]
    found = _series(client, queries, start, end) if queries else {}
    lines = tuple(
        Line(label=query["Label"], metric=(row[0], row[1]), points=found[query["Id"]])
        for query, row in zip(queries, rows, strict=True)
    )
    return Widget(**place, properties=properties, lines=lines)


def _query(name: str, row: list[Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the body, as GetMetricData wants it."""
    namespace, metric, *pairs, how = row
    named = [
        {"Name": key, "Value": value} for key, value in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    return {
        "Id": name,
        "Label": how["label"],
        "MetricStat": {
            "Metric": {"Namespace": namespace, "MetricName": metric, "Dimensions": named},
            "Period": properties["period"],
            "Stat": how["stat"],
        },
    }


def _series(
    client: Any, queries: list[dict[str, Any]], start: datetime, end: datetime
) -> dict[str, Points]:
    answer = client.get_metric_data(
        MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending"
    )
    return {
        each["Id"]: dict(
            zip((at.astimezone(UTC) for at in each["Timestamps"]), each["Values"], strict=True)
        )
        for each in answer["MetricDataResults"]
    }


def lines(widgets: list[Widget]) -> Iterator[Line]:
    """Every line of every graph."""
    for each in widgets:
        yield from each.lines
