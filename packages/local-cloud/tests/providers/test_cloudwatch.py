"""CloudWatch's metrics, alarms and logs, as AWS answers them."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from local_cloud.aws import hooks
from local_cloud.aws.cloudwatch import alarms
from local_cloud.aws.cloudwatch.alarms import Condition
from local_cloud.aws.cloudwatch.queries import Maths, NotUnderstood
from local_cloud.aws.cloudwatch.store import KEPT, STORE, Metric, Values
from tests.providers.conftest import recorded, refused

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
DIMENSIONS = [{"Name": "LoadBalancer", "Value": "app/a/1"}, {"Name": "TargetGroup", "Value": "tg"}]
SECONDS = {"Namespace": "Own", "MetricName": "Seconds", "Dimensions": DIMENSIONS}
HOUR = {"StartTime": NOON, "EndTime": NOON + timedelta(hours=1)}


class Metrics:
    """The metric of SECONDS: its data by the minute after noon, and an alarm."""

    def __init__(self, cloudwatch):
        self.api = cloudwatch

    def put(self, minute, **what):
        datum = {"MetricName": "Seconds", "Dimensions": DIMENSIONS, "Unit": "Seconds", **what}
        datum["Timestamp"] = NOON + timedelta(minutes=minute)
        self.api.put_metric_data(Namespace="Own", MetricData=[datum])

    def get(self, *queries, scan="TimestampAscending"):
        asked = {"MetricDataQueries": queries, "ScanBy": scan, **HOUR}
        return {
            metric["Id"]: {
                (at - NOON).seconds // 60: value
                for at, value in zip(metric["Timestamps"], metric["Values"], strict=True)
            }
            for metric in self.api.get_metric_data(**asked)
        }

    def alarm(self, **changes):
        self.api.put_metric_alarm(
            **{
                "AlarmName": "slow",
                **SECONDS,
                "ExtendedStatistic": "p95",
                "Period": 60,
                "EvaluationPeriods": 2,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanThreshold",
                **changes,
            }
        )

    @property
    def found(self):
        [found] = self.api.describe_alarms()["MetricAlarms"]
        return found

    def state(self, minute):
        """The alarm's state at the end of a minute."""
        STORE.now = lambda: NOON + timedelta(minutes=minute + 1)
        alarms.evaluate(int(NOON.timestamp()) + 60 * minute)
        return self.found["StateValue"]


@pytest.fixture
def metrics(aws):
    STORE.clear()
    yield Metrics(aws.cloudwatch)
    STORE.clear()
    hooks.backend("cloudwatch").reset()


def query(stat, name="m", dimensions=DIMENSIONS, period=60):
    metric = {**SECONDS, "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": metric, "Stat": stat, "Period": period}}


def test_every_statistic_is_of_the_values_of_its_period(metrics):
    metrics.put(0.5, Values=[1, 2, 10], Counts=[90, 6, 4])
    metrics.put(3, Value=7)
    names = ("Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50", "p95", "p99")
    asked = [query(name, f"m{number}") for number, name in enumerate(names)]
    found = metrics.get(*asked)
    assert [values[0] for values in found.values()] == [142, 1.42, 1, 10, 100, 1, 2, 10]
    assert [set(values) for values in found.values()] == [{0, 3}] * 8
    assert metrics.get(query("Sum", period=300)) == {"m": {0: 149}}
    # The newest comes first unless asked otherwise.
    assert list(metrics.get(query("Sum"), scan="TimestampDescending")["m"]) == [3, 0]


def test_dimensions_name_a_metric_whatever_their_order(metrics):
    metrics.put(0, Value=1)
    metrics.put(0, Value=5, Dimensions=DIMENSIONS[:1])
    assert metrics.get(query("Sum", dimensions=DIMENSIONS[::-1])) == {"m": {0: 1}}
    assert metrics.get(query("Sum", dimensions=DIMENSIONS[:1])) == {"m": {0: 5}}


def test_sums_have_no_percentiles(metrics):
    sums = {"SampleCount": 4, "Sum": 8, "Minimum": 1, "Maximum": 3}
    metrics.put(0, StatisticValues=sums)
    assert metrics.get(query("Average"), query("p95", "p")) == {"m": {0: 2}, "p": {}}


def test_an_unknown_statistic_or_sum_is_refused_by_name(metrics):
    metrics.put(0, Value=1)
    rate = {"Id": "r", "Expression": "RATE(m)"}
    for queries, words in (
        ([query("TM(10%:90%)")], "does not know the statistic TM"),
        ([query("Sum"), rate], "does not understand RATE(m)"),
    ):
        asked = {"MetricDataQueries": queries, **HOUR}
        refused(metrics.api.get_metric_data, "ValidationError", words, **asked)


def test_a_value_that_is_older_than_a_day_is_let_go():
    metric, start = Metric.of("Own", "Old"), 1_000_000_020
    STORE.clear()
    times = [start, start + KEPT, start + KEPT + 60]
    for at in times:
        STORE.put(metric, at, Values.of(1))
    assert list(STORE.series(metric, range(start, start + 2 * KEPT, 60), "Sum")) == times[1:]
    STORE.clear()


TABLES = recorded("cloudwatch")


@pytest.mark.parametrize(("expression", "found"), TABLES["expressions"])
def test_an_expression_is_worked_out_where_there_are_values(expression, found):
    maths = Maths({"requests": {0: 10, 1: 20}, "errors": {1: 10}}, range(3))
    if found is None:
        with pytest.raises(NotUnderstood):
            maths.evaluate(expression)
    else:
        assert maths.evaluate(expression) == found


@pytest.mark.parametrize(("needed", "points", "states"), TABLES["missing"])
def test_missing_data_is_treated_as_in_the_guide_s_tables(needed, points, states):
    values = [{"0": 0.0, "X": 9.0, "-": None}[point] for point in points]
    over = {"comparison": "GreaterThanThreshold", "threshold": 5, "periods": 3}
    treatments = ("missing", "ignore", "breaching", "notBreaching")
    for missing, state in zip(treatments, states.split(), strict=True):
        rule = Condition(**over, needed=needed, missing=missing)
        assert rule.state(values, "now") == state, missing


@pytest.mark.parametrize(("comparison", "in_alarm"), TABLES["thresholds"])
def test_an_alarm_is_on_its_side_of_the_threshold(comparison, in_alarm):
    rule = Condition(comparison=comparison, threshold=5, periods=1, needed=1)
    assert [rule.state([value], "OK") == "ALARM" for value in (4.0, 5.0, 6.0)] == in_alarm


def test_an_alarm_begins_after_its_periods_and_ends_when_it_is_over(metrics):
    """A changed one keeps its state."""
    metrics.alarm()
    assert metrics.found["StateValue"] == metrics.state(0) == "INSUFFICIENT_DATA"
    for minute, value in enumerate((0.5, 3, 3, 0.5)):
        metrics.put(minute, Value=value)
    assert [metrics.state(minute) for minute in range(3)] == ["OK", "OK", "ALARM"]
    metrics.alarm(AlarmDescription="slower than people like")
    assert [metrics.found["StateValue"], metrics.state(3)] == ["ALARM", "OK"]
    assert "were not greater than the threshold (1.0)" in metrics.found["StateReason"]
    assert metrics.found["StateUpdatedTimestamp"] == NOON + timedelta(minutes=4)


def test_a_composite_alarm_follows_others_and_all_have_a_history(metrics, aws):
    metrics.alarm()
    aws.cloudwatch.put_composite_alarm(AlarmName="always", AlarmRule="TRUE")
    rule = "ALARM(slow) AND NOT (OK(slow) OR FALSE)"
    aws.cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule=rule)
    wrong = {"AlarmName": "wrong", "AlarmRule": "ALARM(none)"}
    refused(aws.cloudwatch.put_composite_alarm, "ValidationError", "unknown alarm none", **wrong)
    for minute in range(2):
        metrics.put(minute, Value=3)
        metrics.state(minute)
    found = aws.cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert {alarm["AlarmName"]: alarm["StateValue"] for alarm in found} == {
        "always": "ALARM",
        "both": "ALARM",
    }
    assert aws.cloudwatch.describe_alarms(AlarmNames=["both"])["CompositeAlarms"] == []
    items = aws.cloudwatch.describe_alarm_history(AlarmName="both")
    assert items[0]["HistorySummary"] == "Alarm updated from OK to ALARM"
    aws.cloudwatch.delete_alarms(AlarmNames=["both", "always"])


def test_statistics_and_metrics_are_listed(metrics, aws):
    metrics.put(1, Value=2)
    asked = {**SECONDS, **HOUR, "Period": 60, "Statistics": ["Sum"], "ExtendedStatistics": ["p50"]}
    [point] = aws.cloudwatch.get_metric_statistics(**asked)["Datapoints"]
    assert (point["Sum"], point["ExtendedStatistics"]) == (2, {"p50": 2})
    chosen = {"Namespace": "Own", "Dimensions": DIMENSIONS[:1]}
    assert [metric["MetricName"] for metric in aws.cloudwatch.list_metrics(**chosen)] == ["Seconds"]
    backwards = {**asked, "StartTime": NOON + timedelta(hours=2)}
    refused(aws.cloudwatch.get_metric_statistics, "InvalidParameterValue", **backwards)


def test_an_alarm_over_an_expression_reads_the_last_five_minutes(metrics):
    metrics.api.put_metric_alarm(
        AlarmName="many",
        Metrics=[
            {**query("Sum", period=300), "ReturnData": False},
            {"Id": "r", "Expression": "FILL(m, 0) * 2", "ReturnData": True},
        ],
        EvaluationPeriods=1,
        Threshold=10,
        ComparisonOperator="GreaterThanThreshold",
    )
    for minute in (2, 6):
        metrics.put(minute, Value=3)
    assert [metrics.state(minute) for minute in (5, 6, 7)] == ["OK", "ALARM", "OK"]


def test_words_and_phrases_find_lines_in_their_order_of_time(aws):
    group, now = {"logGroupName": "/ecs/filtered"}, int(time.time() * 1000)
    aws.logs.create_log_group(**group)
    lines = {"a": {0: "started", 20: "disk is full"}, "b": {10: "disk is slow", 30: "end"}}
    for stream, written in lines.items():
        place = {**group, "logStreamName": stream}
        aws.logs.create_log_stream(**place)
        events = [{"timestamp": now + at, "message": text} for at, text in written.items()]
        aws.logs.put_log_events(**place, logEvents=events)
    search = aws.logs.filter_log_events
    for pattern, expected in (
        ("", ["started", "disk is slow", "disk is full", "end"]),
        ("disk", ["disk is slow", "disk is full"]),
        ('"is full"', ["disk is full"]),
        ('?slow ?"is full"', ["disk is slow", "disk is full"]),
    ):
        found = search(**group, filterPattern=pattern)["events"]
        assert [event["message"] for event in found] == expected
    other = {**group, "filterPattern": "{ $.level = 1 }"}
    refused(search, "InvalidParameterException", "'{ $.level = 1 }' works on AWS", **other)
    aws.logs.delete_log_group(**group)
