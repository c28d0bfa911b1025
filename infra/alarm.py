"""What an alarm is: what is measured, where it rings, and what silence means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
import pulumi_aws as aws

MINUTE = 60
Silence = Literal["missing", "told", "notBreaching"]
"""What no data means: "missing" shows INSUFFICIENT_DATA and tells nobody, which is right where data
always flows while the thing exists; "told" tells, for what is no more reported when all is lost;
"notBreaching" is for what is only reported when it happens.

CloudWatch's own "breaching" would ring for every new alarm, whose data are still to come; but an
alarm begins in INSUFFICIENT_DATA, and only a change to it is told (CloudWatch API reference,
PutMetricAlarm)."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One statistic of one CloudWatch metric."""

    namespace: str
    name: str
    statistic: str
    dimensions: Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Rings when the metric, or the expression over several, has been beyond its limit.

    `period` is in seconds; it rings after `periods` in a row. `over` tells on which side of
    `limit` the trouble lies.
    """

    name: str
    meaning: str
    metrics: Mapping[str, Metric]
    limit: float
    over: bool = True
    expression: str = ""
    period: int = MINUTE
    periods: int = 5
    silence: Silence = "missing"

    def inputs(self) -> dict[str, Any]:
        """The alarm as the arguments of `aws.cloudwatch.MetricAlarm`, name and actions left out."""
        side = "GreaterThanThreshold" if self.over else "LessThanThreshold"
        common = {
            "alarm_description": self.meaning,
            "comparison_operator": side,
            "threshold": self.limit,
            "evaluation_periods": self.periods,
            "datapoints_to_alarm": self.periods,
            "treat_missing_data": "missing" if self.silence == "told" else self.silence,
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
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id=name,
                metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                    namespace=metric.namespace,
                    metric_name=metric.name,
                    stat=metric.statistic,
                    dimensions=dict(metric.dimensions),
                    period=self.period,
                ),
            )
            for name, metric in self.metrics.items()
        ]
        result = aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id="result", expression=self.expression, label=self.name, return_data=True
        )
        return {"metric_queries": [*queries, result]}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where metrics come from: a namespace and the dimensions that name one resource."""

    namespace: str
    dimensions: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)

    def metric(self, name: str, statistic: str) -> Metric:
        return Metric(
            namespace=self.namespace, name=name, statistic=statistic, dimensions=self.dimensions
        )

    def one(self, name: str, statistic: str) -> dict[str, Metric]:
        return {"one": self.metric(name, statistic)}
