"""Evaluates every minute the alarms that moto only stores (CloudWatch user guide, "Evaluating an alarm")."""

import ast
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from local_cloud.aws import hooks
from local_cloud.aws.cloudwatch.queries import answers
from local_cloud.aws.cloudwatch.store import MINUTE, STORE, moment
from local_cloud.aws.hooks import Params
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
        bad = [None if point is None else self._bad(point) for point in points]
        known = [value for value in bad if value is not None]
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
        known = [point for point in points if point is not None][-self.periods :]
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


def _periods(given: Params) -> list[int]:
    stats = [each["MetricStat"] for each in given.get("Metrics") or () if each.get("MetricStat")]
    return [int(metric["Period"]) for metric in (given, *stats) if metric.get("Period")]


def _longer(given: Params, most: int, periods: range) -> bool:
    count = int(given["EvaluationPeriods"])
    return any(period * count > most for period in _periods(given) if period in periods)


_all_described, _put = CloudWatchResponse.describe_alarms, CloudWatchBackend.put_metric_alarm


def _described(self: CloudWatchResponse) -> ActionResult:
    """Return the alarms of the types that are asked for, without a word metric ones (API reference, DescribeAlarms)."""
    found: Any = _all_described(self).result
    kinds = self._get_param("AlarmTypes") or ["MetricAlarm"]
    return ActionResult({key: found[key] if key[:-1] in kinds else [] for key in found})


def install() -> None:
    """Let moto make composite alarms, for which it has all but the operation, and show them to who asks for them.

    An alarm keeps its state. A second call changes nothing.
    """
    CloudWatchBackend.put_metric_alarm = _put_with_state  # type: ignore[method-assign,assignment]
    CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm  # type: ignore[attr-defined]
    CloudWatchResponse.describe_alarms = _described  # type: ignore[method-assign]


def _put_with_state(self: CloudWatchBackend, name: str, **given: Any) -> Any:
    """Set a new alarm to INSUFFICIENT_DATA; a changed one keeps its state (API reference, PutMetricAlarm)."""
    old: Any = self.alarms.get(name)
    alarm: Any = _put(self, name, **given)
    alarm.state_value = old.state_value if old else INSUFFICIENT
    alarm.state_reason = old.state_reason if old else NEW
    alarm.state_updated_timestamp = old.state_updated_timestamp if old else _now()
    return alarm


def evaluate(minute: int) -> None:
    """Evaluate every metric alarm over the periods that end with this minute, then every composite alarm."""
    with hooks.LOCK:
        alarms = hooks.backend("cloudwatch").alarms
        for alarm in sorted(alarms.values(), key=lambda each: each.rule is not None):
            with PROBLEMS.caught(f"the evaluation of the alarm {alarm.name}"):
                if alarm.rule is None:
                    _evaluate(alarm, minute + MINUTE)
                else:
                    state = ALARM if holds(alarm.rule, alarms) else OK
                    _change(
                        alarm, state, f"{alarm.rule} is {'true' if state == ALARM else 'false'}"
                    )


STATE = re.compile(r"""(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*["']?(.+?)["']?\s*\)""")
WORDS = {"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False"}
BOOLEAN = (ast.Expression, ast.BoolOp, ast.UnaryOp, ast.Constant, ast.And, ast.Or, ast.Not)


def holds(rule: str, alarms: Mapping[str, Any]) -> bool:
    """Return whether a composite alarm's rule holds. Raises ValueError for one that is none, and for unknown alarms.

    Source: API reference, PutCompositeAlarm, AlarmRule. An alarm is named by its name or ARN.
    """

    def state(found: re.Match[str]) -> str:
        name = found[2].partition(":alarm:")[2] or found[2]
        if name not in alarms:
            raise ValueError(f"unknown alarm {name}")
        return str(alarms[name].state_value == found[1])

    text = re.sub(r"\b[A-Z]+\b", lambda word: WORDS.get(word[0], word[0]), STATE.sub(state, rule))
    tree = ast.parse(text.strip(), mode="eval")
    if not all(isinstance(node, BOOLEAN) for node in ast.walk(tree)):
        raise ValueError(rule)
    return bool(eval(compile(tree, "alarm", "eval")))  # noqa: S307 - nothing but constants and operators


def _wrong_rule(given: Params) -> str | None:
    try:
        holds(given["AlarmRule"], hooks.backend("cloudwatch").alarms)
    except (SyntaxError, ValueError) as problem:
        return str(problem)
    return None


def _change(alarm: Any, state: str, reason: str) -> None:
    if state != alarm.state_value:
        alarm.update_state(reason, "{}", state)
        alarm.state_updated_timestamp = _now()
    elif alarm.state_reason == NEW:
        alarm.state_reason = reason


@hooks.instead("cloudwatch", "DescribeAlarmHistory")
def describe_history(params: Params) -> Params:
    """Return the changes of alarms' states, the newest first; those of other kinds are not kept."""
    asked, kind = params.get("AlarmName"), params.get("HistoryItemType") or "StateUpdate"
    items = []
    for alarm in hooks.backend("cloudwatch").alarms.values():
        now = ("", alarm.state_reason, "", alarm.state_value, alarm.state_updated_timestamp)
        states = (
            [*alarm.history, now] if asked in (None, alarm.name) and kind == "StateUpdate" else []
        )
        items += [
            {
                "AlarmName": alarm.name,
                "AlarmType": "CompositeAlarm" if alarm.rule else "MetricAlarm",
                "Timestamp": after[4],
                "HistoryItemType": kind,
                "HistorySummary": f"Alarm updated from {before[3]} to {after[3]}",
                "HistoryData": json.dumps(
                    {"newState": {"stateValue": after[3], "stateReason": after[1]}}
                ),
            }
            for before, after in pairwise(states)
        ]
    newest = params.get("ScanBy") != "TimestampAscending"
    return {"AlarmHistoryItems": sorted(items, key=itemgetter("Timestamp"), reverse=newest)}


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
    _change(alarm, state, rule.reason(points, state))


def _queries(alarm: Any) -> tuple[list[dict[str, Any]], int]:
    """Return the alarm's metrics as queries of GetMetricData, its own last, and the period."""
    if not alarm.metric_data_queries:
        stat = alarm.extended_statistic or alarm.statistic
        return [_query("own", alarm, stat, alarm.period)], int(alarm.period)
    stats = [query for query in alarm.metric_data_queries if query.metric_stat]
    queries = [
        _query(each.id, each.metric_stat.metric, each.metric_stat.stat, each.metric_stat.period)
        for each in stats
    ]
    queries += [
        {"Id": query.id, "Expression": query.expression}
        for query in alarm.metric_data_queries
        if query.expression
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


INVALID, ACROSS = "ValidationError", "(EvaluationPeriods * Period must be <= "
# fmt: off
REFUSALS: hooks.Refusals = {
    "cloudwatch PutMetricAlarm": (
        (INVALID, "Period {} must be 10, 20, 30 or a multiple of 60", lambda p: next(
            (period for period in _periods(p) if period % MINUTE and period not in HIGH_RESOLUTION), None)),
        (INVALID, f"Metrics cannot be checked across more than a day {ACROSS}{DAY}).",
         lambda p: _longer(p, DAY, range(HOUR))),
        (INVALID, f"Metrics cannot be checked across more than a week {ACROSS}{7 * DAY}).",
         lambda p: _longer(p, 7 * DAY, range(HOUR, 7 * DAY))),
        (INVALID, "Exactly one of MetricName with Namespace, Period and a statistic, and Metrics must be specified.",
         lambda p: bool(p.get("Metrics")) == bool(p.get("MetricName")) or (
             p.get("MetricName") and not (p.get("Namespace") and p.get("Period")))),
        (INVALID, "Exactly one of Statistic and ExtendedStatistic must be specified.",
         lambda p: p.get("MetricName") and bool(p.get("Statistic")) == bool(p.get("ExtendedStatistic"))),
        (INVALID, "The comparison operator {} needs an anomaly detection model in ThresholdMetricId.", lambda p: (
            not p.get("ThresholdMetricId")
            and (kind := str(p.get("ComparisonOperator"))).endswith(("LowerThreshold", "UpperThreshold")) and kind)),
        (INVALID, "Exactly one element of the metrics list should return data.", lambda p: p.get("Metrics") and len(
            [query for query in p["Metrics"] if str(query.get("ReturnData", True)).lower() == "true"]) != 1),
        (INVALID, "Invalid metrics list, an expression has no metric: {}", lambda p: next((
            metric["Expression"] for metric in p.get("Metrics") or () if metric.get("Expression")
            and not any(e.get("MetricStat") for e in p["Metrics"])), None)),
        (INVALID, "DatapointsToAlarm must be less than or equal to EvaluationPeriods.",
         lambda p: int(p.get("DatapointsToAlarm") or 0) > int(p["EvaluationPeriods"])),
    ),
    "cloudwatch PutMetricData": (
        ("InvalidParameterValue", "The parameters Values and Counts of {} must be of the same size.", lambda p: next((
            datum["MetricName"] for datum in p["MetricData"]
            if datum.get("Counts") and len(datum["Counts"]) != len(datum["Values"])), None)),
    ),
    "cloudwatch PutCompositeAlarm": ((INVALID, "AlarmRule is not valid: {}", _wrong_rule),),
}
# fmt: on
"""What ``hooks.register`` refuses."""
