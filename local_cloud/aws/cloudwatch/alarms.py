"""Evaluates every minute the alarms that moto only stores (CloudWatch user guide, "Evaluating an alarm")."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.cloudwatch.queries import answers
from local_cloud.aws.cloudwatch.store import MINUTE, STORE, moment
from local_cloud.machine.problems import PROBLEMS

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
MORE = 2
"""Periods that are read in addition to the evaluated ones. The guide's examples read five for three."""
BEYOND: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
Points = Sequence[float | None]
"""One value for each period, the newest last; None for a period without data."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """An alarm's condition: ``needed`` of ``periods`` values beyond the threshold put it in ALARM."""

    comparison: str
    threshold: float
    periods: int
    needed: int
    missing: str = "missing"

    @property
    def range(self) -> int:
        return self.periods + MORE

    def state(self, points: Points, now: str) -> str:
        """Return the alarm's next state; ``now`` is its current one."""
        bad = [None if each is None else self._bad(each) for each in points]
        known = [each for each in bad if each is not None]
        if len(known) >= self.periods:
            return ALARM if sum(known[-self.periods :]) >= self.needed else OK
        if not known:
            return {"breaching": ALARM, "notBreaching": OK, "ignore": now}.get(
                self.missing, INSUFFICIENT
            )
        filled = self.periods - len(known) if self.missing == "breaching" else 0
        if sum(known) + filled >= self.needed:
            return ALARM
        if self.missing in ("breaching", "notBreaching") or not all(known):
            return OK
        if self.missing == "ignore":
            return now
        oldest = len(bad) - bad.index(True)
        return ALARM if oldest >= self.needed else INSUFFICIENT

    def reason(self, points: Points, state: str) -> str:
        """Return the reason of the state in CloudWatch's format."""
        known = [each for each in points if each is not None][-self.periods :]
        if state == INSUFFICIENT or not known:
            return f"Insufficient Data: {len(points) - len(known)} datapoints were unknown."
        bad = sum(map(self._bad, known))
        count, side = (bad, "") if state == ALARM else (len(known) - bad, "not ")
        return (
            f"Threshold Crossed: {count} out of the last {len(known)} datapoints {known} were "
            f"{side}{BEYOND[self.comparison][1]} the threshold ({self.threshold})."
        )

    def _bad(self, value: float) -> bool:
        return BEYOND[self.comparison][0](value, self.threshold)


NEW = "Unchecked: Initial alarm creation"


HIGH_RESOLUTION = (10, 20, 30)
HOUR, DAY = 3600, 86400


@hooks.before("cloudwatch", "PutMetricAlarm")
def period_fits(params: hooks.Params) -> None:
    """Refuse a period that is none of CloudWatch's, and an evaluation that is too long (API reference, Period)."""
    stats = [each["MetricStat"] for each in params.get("Metrics") or () if each.get("MetricStat")]
    periods = [int(each["Period"]) for each in (params, *stats) if each.get("Period")]
    for period in periods:
        if period % MINUTE and period not in HIGH_RESOLUTION:
            words = f"Period {period} must be 10, 20, 30 or a multiple of 60"
            raise hooks.Refused("ValidationError", words)
        most, name = (7 * DAY, "a week") if period >= HOUR else (DAY, "a day")
        if period * int(params["EvaluationPeriods"]) > most:
            raise hooks.Refused(
                "ValidationError",
                f"Metrics cannot be checked across more than {name} "
                f"(EvaluationPeriods * Period must be <= {most}).",
            )


@hooks.before("cloudwatch", "PutMetricAlarm")
def remember_state(params: hooks.Params) -> None:
    """Set a new alarm to INSUFFICIENT_DATA; a changed one keeps its state (API reference, PutMetricAlarm)."""
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
    """Evaluate every metric alarm over the periods that end with this minute."""
    with hooks.LOCK:
        for alarm in list(hooks.backend("cloudwatch").alarms.values()):
            if alarm.rule is None:
                with PROBLEMS.caught(f"the evaluation of the alarm {alarm.name}"):
                    _evaluate(alarm, minute + MINUTE)


def _evaluate(alarm: Any, end: int) -> None:
    rule = Condition(
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
    """Return the alarm's metrics as queries of GetMetricData, its own last, and the period."""
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
    """Return the current time without a time zone, as moto has it."""
    return moment(int(STORE.now().timestamp())).replace(tzinfo=None)
