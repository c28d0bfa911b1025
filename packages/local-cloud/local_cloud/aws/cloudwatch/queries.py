"""CloudWatch's metric calls, since moto keeps every value for ever and has no percentiles and no metric math."""

import ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from local_cloud.aws.cloudwatch.store import STORE, Metric, Values, moment, named
from local_cloud.aws.hooks import Params, Refused, instead

Series = dict[int, float]
Value = float | Series

ARITHMETIC: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COMPARISONS: Mapping[type, Callable[[float, float], float]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
MOST = 1440
"""The most data points of an answer (API reference, GetMetricStatistics)."""


class NotUnderstood(Exception):
    """An expression has an unknown part, which the text names."""


@dataclass(frozen=True)
class Maths:
    """Evaluates expressions over series by their ids, for the periods that begin at ``times``."""

    series: Mapping[str, Series]
    times: range

    def evaluate(self, expression: str) -> Series:
        """Return the expression's value in each period that has one. Raises NotUnderstood."""
        try:
            found = self._value(ast.parse(expression.strip(), mode="eval").body)
        except SyntaxError as wrong:
            raise NotUnderstood(expression) from wrong
        return found if isinstance(found, dict) else dict.fromkeys(self.times, found)

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in self.series:
                return self.series[name]
            case ast.UnaryOp(op=ast.USub(), operand=of):
                return self._both(operator.sub, 0.0, self._value(of))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                return self._both(ARITHMETIC[type(op)], self._value(left), self._value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
                return self._both(COMPARISONS[type(op)], self._value(left), self._value(right))
            case ast.Call(func=ast.Name(id="FILL"), args=[of, ast.Constant(value=filler)]):
                return self._fill(self._value(of), float(filler))  # type: ignore[arg-type]
            case ast.Call(func=ast.Name(id="IF"), args=[condition, then, other]):
                return self._if(self._value(condition), self._value(then), self._value(other))
        raise NotUnderstood(ast.unparse(node))

    def _both(self, how: Callable[[float, float], float], left: Value, right: Value) -> Value:
        """Combine the values of two series, without results that are no number: CloudWatch drops a division by zero."""
        if not isinstance(left, dict) and not isinstance(right, dict):
            return float(how(left, right))
        found: Series = {}
        for time in self.times:
            first, second = _at(left, time), _at(right, time)
            if first is None or second is None or (how is operator.truediv and not second):
                continue
            found[time] = float(how(first, second))
        return found

    def _fill(self, value: Value, filler: float) -> Value:
        if not isinstance(value, dict):
            return value
        return {time: value.get(time, filler) for time in self.times}

    def _if(self, condition: Value, then: Value, other: Value) -> Value:
        found: Series = {}
        for time in self.times:
            held = _at(condition, time)
            chosen = None if held is None else _at(then if held else other, time)
            if chosen is not None:
                found[time] = chosen
        return found


def _at(value: Value, time: int) -> float | None:
    return value.get(time) if isinstance(value, dict) else value


@instead("cloudwatch", "PutMetricData")
def put(params: Params) -> Params:
    """Store single values, values with counts, or sums."""
    for datum in params.get("MetricData", ()):
        metric = _metric({**datum, "Namespace": params["Namespace"]})
        at: datetime = datum.get("Timestamp") or STORE.now()
        STORE.put(metric, at.timestamp(), _values(datum))
    return {}


def _metric(params: Params) -> Metric:
    return Metric(params["Namespace"], params["MetricName"], named(params.get("Dimensions") or ()))


def _values(datum: Params) -> Values:
    if sums := datum.get("StatisticValues"):
        count, total = float(sums["SampleCount"]), float(sums["Sum"])
        return Values(count, total, float(sums["Minimum"]), float(sums["Maximum"]), None)
    if "Value" in datum:
        return Values.of(float(datum["Value"]))
    made, values = Values(), datum.get("Values") or ()
    for value, times in zip(values, datum.get("Counts") or [1] * len(values), strict=True):
        made.add(float(value), float(times))
    return made


@instead("cloudwatch", "GetMetricData")
def get_data(params: Params) -> Params:
    """Return each query's series, including expressions over other queries of the same call."""
    start, end = params["StartTime"], params["EndTime"]
    if start >= end:
        raise Refused("ValidationError", "The parameter EndTime must be greater than StartTime.")
    queries = params.get("MetricDataQueries", ())
    found = answers(queries, range(int(start.timestamp()), math.ceil(end.timestamp())))
    newest_first = params.get("ScanBy") != "TimestampAscending"
    return {
        "MetricDataResults": [
            _result(query, found[query["Id"]], newest_first)
            for query in queries
            if query.get("ReturnData", True)
        ],
        "Messages": [],
    }


@instead("cloudwatch", "GetMetricStatistics")
def get_statistics(params: Params) -> Params:
    """Return the data points of one metric; AWS sorts them in no order, here they are sorted by time."""
    if params["StartTime"] >= params["EndTime"]:
        words = "The parameter StartTime must be less than the parameter EndTime."
        raise Refused("InvalidParameterValue", words)
    period, metric = int(params["Period"]), _metric(params)
    begin = int(params["StartTime"].timestamp()) // period * period
    times = range(begin, math.ceil(params["EndTime"].timestamp()), period)
    if len(times) > MOST + 1:  # the first period may begin before the start
        words = (
            f"You have requested up to {len(times)} datapoints, which exceeds the limit of {MOST}."
        )
        raise Refused("InvalidParameterCombination", words)
    simple, extended = params.get("Statistics") or (), params.get("ExtendedStatistics") or ()
    series = {name: _series(metric, times, name) for name in (*simple, *extended)}
    points = [
        {"Timestamp": moment(time)}
        | {name: series[name][time] for name in simple}
        | ({"ExtendedStatistics": {name: series[name].get(time) for name in extended}} if extended else {})
        for time in sorted({*chain(*series.values())})
    ]  # fmt: skip
    return {"Label": metric.name, "Datapoints": points}


@instead("cloudwatch", "ListMetrics")
def list_metrics(params: Params) -> Params:
    """Return the metrics with this namespace, name and dimensions, of which one may have a name alone."""
    namespace, name = (params.get(each) for each in ("Namespace", "MetricName"))
    asked = [(each["Name"], each.get("Value")) for each in params.get("Dimensions") or ()]
    return {
        "Metrics": [
            {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in sorted(metric.dimensions)],
            }
            for metric in STORE.metrics()
            if namespace in (None, metric.namespace)
            and name in (None, metric.name)
            and all(dict(metric.dimensions).get(key) in ((value,) if value else dict(metric.dimensions).values())
                    for key, value in asked)
        ]
    }  # fmt: skip


def answers(queries: Iterable[Any], times: range) -> dict[str, Series]:
    """Return the series of each query by its id. Raises Refused for an unknown expression or statistic.

    ``times`` are the beginnings of the periods, which are multiples of the period.
    """
    found: dict[str, Series] = {}
    stats = [query for query in queries if query.get("MetricStat")]
    for query in stats:
        stat = query["MetricStat"]
        periods = _periods(times, int(stat["Period"]))
        found[query["Id"]] = _series(_metric(stat["Metric"]), periods, stat["Stat"])
    period = max((int(query["MetricStat"]["Period"]) for query in stats), default=60)
    for query in queries:
        if query.get("Expression"):
            try:
                maths = Maths(found, _periods(times, int(query.get("Period") or period)))
                found[query["Id"]] = maths.evaluate(query["Expression"])
            except NotUnderstood as part:
                words = f"the rehearsal does not understand {part} in {query['Expression']}"
                raise Refused("ValidationError", words) from None
    return found


def _periods(times: range, period: int) -> range:
    if times.step == period:
        return times
    return range(times.start // period * period, times.stop, period)


def _series(metric: Metric, times: range, statistic: str) -> Series:
    try:
        return STORE.series(metric, times, statistic)
    except ValueError:
        words = f"the rehearsal does not know the statistic {statistic}"
        raise Refused("ValidationError", words) from None


def _result(query: Any, series: Series, newest_first: bool) -> Params:
    stat = query.get("MetricStat")
    own = f"{stat['Metric']['MetricName']} {stat['Stat']}" if stat else query["Id"]
    times = sorted(series, reverse=newest_first)
    return {
        "Id": query["Id"],
        "Label": query.get("Label") or own,
        "Timestamps": [moment(time) for time in times],
        "Values": [series[time] for time in times],
        "StatusCode": "Complete",
    }
