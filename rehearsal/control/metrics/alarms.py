"""The alarms that moto only keeps, evaluated every minute from what CloudWatch has been told."""

from __future__ import annotations

from typing import Any

from rehearsal.control import hooks
from rehearsal.control.metrics import answers
from rehearsal.control.metrics.evaluation import INSUFFICIENT, Rule
from rehearsal.control.metrics.store import MINUTE, STORE, moment

NEW = "Unchecked: Initial alarm creation"


def install() -> None:
    """The hooks are in place by the import; the call makes that visible."""


@hooks.before("cloudwatch", "PutMetricAlarm")
def remember_state(params: hooks.Params) -> None:
    """A new alarm knows nothing yet; a changed one keeps its state (API reference, PutMetricAlarm)."""
    old = hooks.backend("cloudwatch").alarms.get(params["AlarmName"])
    _kept[params["AlarmName"]] = old


@hooks.after("cloudwatch", "PutMetricAlarm")
def keep_state(params: hooks.Params) -> None:
    alarm = hooks.backend("cloudwatch").alarms[params["AlarmName"]]
    old = _kept.pop(params["AlarmName"], None)
    alarm.state_value = old.state_value if old else INSUFFICIENT
    alarm.state_reason = old.state_reason if old else NEW
    alarm.state_updated_timestamp = old.state_updated_timestamp if old else _now()


_kept: dict[str, Any] = {}


def evaluate(minute: int) -> None:
    """Look at every metric alarm, as CloudWatch does each minute over windows that end with it."""
    with hooks.LOCK:
        for alarm in hooks.backend("cloudwatch").alarms.values():
            if alarm.rule is None:
                _evaluate(alarm, minute + MINUTE)


def _evaluate(alarm: Any, end: int) -> None:
    rule = Rule(
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        periods=int(alarm.evaluation_periods),
        needed=int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        missing=alarm.treat_missing_data or "missing",
    )
    queries, period = _queries(alarm)
    times = range(end - rule.range * period, end, period)
    series = answers(queries, times)[queries[-1]["Id"]]
    points = [series.get(time) for time in times]
    state = rule.state(points, alarm.state_value)
    if state != alarm.state_value:
        alarm.update_state(rule.reason(points, state), "{}", state)
        alarm.state_updated_timestamp = _now()
    elif alarm.state_reason == NEW:
        alarm.state_reason = rule.reason(points, state)


def _queries(alarm: Any) -> tuple[list[dict[str, Any]], int]:
    """What the alarm watches as GetMetricData's queries, its own the last; and the period."""
    if not alarm.metric_data_queries:
        stat = alarm.extended_statistic or alarm.statistic
        return [_query("own", alarm, stat, alarm.period)], int(alarm.period)
    stats = [each for each in alarm.metric_data_queries if each.metric_stat]
    queries = [
        _query(each.id, each.metric_stat.metric, each.metric_stat.stat, each.metric_stat.period)
        for each in stats
    ]
    queries += [
        {"Id": each.id, "Expression": each.expression}
        for each in alarm.metric_data_queries
        if each.expression
    ]
    return queries, int(stats[0].metric_stat.period)


def _query(name: str, metric: Any, stat: str, period: int) -> dict[str, Any]:
    dimensions = [{"Name": each.name, "Value": each.value} for each in metric.dimensions]
    named = {
        "Namespace": metric.namespace,
        "MetricName": metric.metric_name,
        "Dimensions": dimensions,
    }
    return {"Id": name, "MetricStat": {"Metric": named, "Stat": stat, "Period": period}}


def _now() -> Any:
    """Moto's moments have no time zone."""
    return moment(int(STORE.now().timestamp())).replace(tzinfo=None)
