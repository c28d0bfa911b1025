"""The dashboard and the alarms that the program declares, over what the local cloud tells CloudWatch."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from local_cloud.calls import Calls
from local_cloud.paths import ROOT
from local_cloud.tests.dataplane.stack import until

NOT_MEASURED = {("AWS/RDS", "FreeableMemory")}
"""Metrics of the dashboard that cannot be measured in the local cloud."""
WHEN_IT_HAPPENS = {
    ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"),
    ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"),
    ("AWS/ApplicationELB", "TargetConnectionErrorCount"),
    ("AWS/Events", "TriggeredRules"),
    ("AWS/Scheduler", "InvocationDroppedCount"),
    ("AWS/Scheduler", "TargetErrorCount"),
}
"""Metrics that are published only when an event occurs, as on AWS."""
STACK = "careapp-poc"
DAY = timedelta(days=1)
"""The rehearsal's clock is ahead of the wall's."""


@pytest.fixture
def cloudwatch(running):
    return Calls(running.facts()["endpoint"], "ap-northeast-1").client("cloudwatch")


@dataclass(frozen=True)
class Line:
    """A line of one of the dashboard's graphs, and the values of its metric."""

    label: str
    metric: tuple[str, str]
    values: list[float]


@pytest.fixture
def shown(cloudwatch) -> Callable[[], list[Line]]:
    """Every line of every graph, as the dashboard's body declares it."""
    body = json.loads(cloudwatch.get_dashboard(DashboardName=STACK)["DashboardBody"])
    now = datetime.now(UTC)

    def read(period: int, row: list) -> Line:
        namespace, name, *pairs, how = row
        dimensions = [
            {"Name": key, "Value": value}
            for key, value in zip(pairs[::2], pairs[1::2], strict=True)
        ]
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}
        stat = {"Metric": metric, "Period": period, "Stat": how["stat"]}
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "line", "MetricStat": stat}],
            StartTime=now - DAY,
            EndTime=now + DAY,
        )
        return Line(how["label"], (namespace, name), answer["MetricDataResults"][0]["Values"])

    graphs = [each["properties"] for each in body["widgets"]]
    return lambda: [
        read(graph["period"], row) for graph in graphs for row in graph.get("metrics", ())
    ]


def test_every_line_has_data_or_says_why_not(shown):
    until(lambda: any(line.values for line in shown() if line.label == "p95"), 60)
    silent = {line.metric for line in shown() if not line.values}
    assert NOT_MEASURED <= silent <= NOT_MEASURED | WHEN_IT_HAPPENS


def test_metrics_that_are_not_measured_are_documented():
    words = (ROOT / "local_cloud" / "README.md").read_text()
    assert [name for _, name in NOT_MEASURED if f"`{name}`" not in words] == []


def test_every_alarm_says_what_its_metric_says(running, cloudwatch):
    def states() -> dict[str, str]:
        found = cloudwatch.describe_alarms()["MetricAlarms"]
        return {each["AlarmName"].removeprefix(f"{STACK}-"): each["StateValue"] for each in found}

    quiet = dict.fromkeys(states(), "OK") | {"database-memory": "INSUFFICIENT_DATA"}
    assert len(quiet) > 1
    until(lambda: states() == quiet, 60)
    assert running.facts()["state"]["problems"] == []
