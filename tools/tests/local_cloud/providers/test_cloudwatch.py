"""CloudWatch's metrics, alarms and logs, as AWS answers them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from tools.local_cloud.aws import hooks
from tools.local_cloud.aws.cloudwatch import alarms
from tools.local_cloud.aws.cloudwatch.alarms import Condition
from tools.local_cloud.aws.cloudwatch.queries import Maths, NotUnderstood
from tools.local_cloud.aws.cloudwatch.store import KEPT, STORE, Metric, Values

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
DIMENSIONS = [{"Name": "LoadBalancer", "Value": "app/a/1"}, {"Name": "TargetGroup", "Value": "tg"}]
HOUR = timedelta(hours=1)


@pytest.fixture
def cloudwatch(calls):
    STORE.clear()
    yield calls.client("cloudwatch")
    STORE.clear()
    hooks.backend("cloudwatch").reset()


def put(cloudwatch, minute, **what):
    datum = {"MetricName": "Seconds", "Dimensions": DIMENSIONS, "Unit": "Seconds", **what}
    at = NOON + timedelta(minutes=minute)
    cloudwatch.put_metric_data(Namespace="Own", MetricData=[{**datum, "Timestamp": at}])


def query(stat, name="m", dimensions=DIMENSIONS, period=60):
    metric = {"Namespace": "Own", "MetricName": "Seconds", "Dimensions": dimensions}
    return {"Id": name, "MetricStat": {"Metric": metric, "Stat": stat, "Period": period}}


def got(cloudwatch, *queries, scan="TimestampAscending"):
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=list(queries), StartTime=NOON, EndTime=NOON + HOUR, ScanBy=scan
    )
    return {
        each["Id"]: dict(
            zip(
                ((at - NOON).seconds // 60 for at in each["Timestamps"]),
                each["Values"],
                strict=True,
            )
        )
        for each in answer["MetricDataResults"]
    }


def test_every_statistic_is_of_the_values_of_its_period(cloudwatch):
    put(cloudwatch, 0.5, Values=[1, 2, 10], Counts=[90, 6, 4])
    put(cloudwatch, 3, Value=7)
    names = ("Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50", "p95", "p99")
    asked = [query(name, f"m{number}") for number, name in enumerate(names)]
    found = got(cloudwatch, *asked)
    assert [each[0] for each in found.values()] == [142, 1.42, 1, 10, 100, 1, 2, 10]
    assert [set(each) for each in found.values()] == [{0, 3}] * 8
    assert got(cloudwatch, query("Sum", period=300)) == {"m": {0: 149}}


def test_dimensions_name_a_metric_whatever_their_order(cloudwatch):
    put(cloudwatch, 0, Value=1)
    put(cloudwatch, 0, Value=5, Dimensions=DIMENSIONS[:1])
    assert got(cloudwatch, query("Sum", dimensions=DIMENSIONS[::-1])) == {"m": {0: 1}}
    assert got(cloudwatch, query("Sum", dimensions=DIMENSIONS[:1])) == {"m": {0: 5}}
    [first, second] = cloudwatch.list_metrics(MetricName="Seconds")["Metrics"]
    assert first["Dimensions"] == DIMENSIONS
    only = cloudwatch.list_metrics(Dimensions=[{"Name": "TargetGroup"}])["Metrics"]
    assert only == [first] != [second]


def test_sums_have_no_percentiles(cloudwatch):
    sums = {"SampleCount": 4, "Sum": 8, "Minimum": 1, "Maximum": 3}
    put(cloudwatch, 0, StatisticValues=sums)
    assert got(cloudwatch, query("Average"), query("p95", "p")) == {"m": {0: 2}, "p": {}}


def test_statistics_of_one_metric_have_their_unit_and_percentiles(cloudwatch):
    put(cloudwatch, 0, Values=[1, 3], Counts=[1, 1])
    answer = cloudwatch.get_metric_statistics(
        Namespace="Own",
        MetricName="Seconds",
        Dimensions=DIMENSIONS,
        StartTime=NOON,
        EndTime=NOON + HOUR,
        Period=60,
        Statistics=["Sum"],
        ExtendedStatistics=["p90"],
    )
    [point] = answer["Datapoints"]
    assert point["Timestamp"] == NOON
    assert (point["Sum"], point["ExtendedStatistics"], point["Unit"]) == (4, {"p90": 3}, "Seconds")


def test_a_statistic_or_sum_that_is_not_known_is_refused_by_name(cloudwatch):
    put(cloudwatch, 0, Value=1)
    with pytest.raises(ClientError, match="does not know the statistic TM"):
        got(cloudwatch, query("TM(10%:90%)"))
    rate = {"Id": "r", "Expression": "RATE(m)"}
    with pytest.raises(ClientError, match=r"does not understand RATE\(m\)"):
        got(cloudwatch, query("Sum"), rate)


def test_the_newest_comes_first_unless_asked_otherwise(cloudwatch):
    for minute in (0, 1):
        put(cloudwatch, minute, Value=minute)
    assert list(got(cloudwatch, query("Sum"), scan="TimestampDescending")["m"]) == [1, 0]


def test_what_is_older_than_a_day_is_let_go():
    metric, start = Metric.of("Own", "Old"), 1_000_000_020
    STORE.clear()
    for at in (start, start + KEPT, start + KEPT + 60):
        STORE.put(metric, at, Values.of(1))
    assert list(STORE.series(metric, range(start, start + 2 * KEPT, 60), "Sum")) == [
        start + KEPT,
        start + KEPT + 60,
    ]
    STORE.clear()


RATE = "IF(requests >= 20, 100 * FILL(errors, 0) / requests, 0)"


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (RATE, {0: 0, 1: 50}),
        ("requests - errors", {1: 10}),
        ("-errors", {1: -10}),
        ("errors / (requests - 20)", {}),
        ("FILL(errors, 0)", {0: 0, 1: 10, 2: 0}),
        ("1 + 1", {0: 2, 1: 2, 2: 2}),
    ],
)
def test_expressions_are_worked_out_where_there_are_values(expression, found):
    maths = Maths({"requests": {0: 10, 1: 20}, "errors": {1: 10}}, range(3))
    assert maths.evaluate(expression) == found


@pytest.mark.parametrize(
    "expression", ["other", "open('x')", "requests.real", "1 +", "a if b else c"]
)
def test_nothing_else_is_worked_out(expression):
    with pytest.raises(NotUnderstood):
        Maths({"requests": {}}, range(1)).evaluate(expression)


GUIDE = """
3 0-X-X OK OK OK OK
3 0---- OK OK OK OK
3 ----- INSUFFICIENT_DATA now ALARM OK
3 0XX-X ALARM ALARM ALARM ALARM
3 ----X INSUFFICIENT_DATA now ALARM OK
3 X---- ALARM now ALARM OK
3 --X-- ALARM now ALARM OK
2 0-X-X ALARM ALARM ALARM ALARM
2 00X0X ALARM ALARM ALARM ALARM
2 0-X-- OK OK ALARM OK
2 ----0 OK OK ALARM OK
2 ----X INSUFFICIENT_DATA now ALARM OK
"""


@pytest.mark.parametrize("row", GUIDE.strip().splitlines())
def test_missing_data_is_treated_as_in_the_guide_s_tables(row):
    needed, points, *states = row.split()
    values = [{"0": 0.0, "X": 9.0, "-": None}[each] for each in points]
    for missing, state in zip(
        ("missing", "ignore", "breaching", "notBreaching"), states, strict=True
    ):
        rule = Condition(
            comparison="GreaterThanThreshold",
            threshold=5,
            periods=3,
            needed=int(needed),
            missing=missing,
        )
        assert rule.state(values, "now") == state, missing


@pytest.mark.parametrize(
    ("comparison", "rings"),
    [
        ("GreaterThanThreshold", [False, False, True]),
        ("GreaterThanOrEqualToThreshold", [False, True, True]),
        ("LessThanThreshold", [True, False, False]),
        ("LessThanOrEqualToThreshold", [True, True, False]),
    ],
)
def test_on_which_side_of_the_threshold_it_rings(comparison, rings):
    rule = Condition(comparison=comparison, threshold=5, periods=1, needed=1)
    assert [rule.state([value], "OK") == "ALARM" for value in (4.0, 5.0, 6.0)] == rings


def alarm(cloudwatch, **more):
    cloudwatch.put_metric_alarm(
        **{
            "AlarmName": "slow",
            "Namespace": "Own",
            "MetricName": "Seconds",
            "Dimensions": DIMENSIONS,
            "ExtendedStatistic": "p95",
            "Period": 60,
            "EvaluationPeriods": 2,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            **more,
        }
    )


def state(cloudwatch, minute=None):
    if minute is not None:
        STORE.now = lambda: NOON + timedelta(minutes=minute + 1)
        alarms.evaluate(int(NOON.timestamp()) + 60 * minute)
    [found] = cloudwatch.describe_alarms()["MetricAlarms"]
    return found["StateValue"]


def test_an_alarm_rings_after_its_periods_and_stops_when_it_is_over(cloudwatch):
    alarm(cloudwatch)
    assert state(cloudwatch) == state(cloudwatch, 0) == "INSUFFICIENT_DATA"
    for minute, value in enumerate((0.5, 3, 3, 0.5)):
        put(cloudwatch, minute, Value=value)
    assert [state(cloudwatch, minute) for minute in range(4)] == ["OK", "OK", "ALARM", "OK"]
    [found] = cloudwatch.describe_alarms()["MetricAlarms"]
    assert "were not greater than the threshold (1.0)" in found["StateReason"]
    assert found["StateUpdatedTimestamp"] == NOON + timedelta(minutes=4)


def test_a_changed_alarm_keeps_its_state(cloudwatch):
    alarm(cloudwatch)
    for minute in (0, 1):
        put(cloudwatch, minute, Value=3)
    assert state(cloudwatch, 1) == "ALARM"
    alarm(cloudwatch, AlarmDescription="slower than people like")
    assert state(cloudwatch) == "ALARM"


def test_an_alarm_over_an_expression_looks_at_each_five_minutes_that_end_now(cloudwatch):
    seconds = {"Namespace": "Own", "MetricName": "Seconds", "Dimensions": DIMENSIONS}
    stat = {"Metric": seconds, "Stat": "Sum", "Period": 300}
    cloudwatch.put_metric_alarm(
        AlarmName="many",
        Metrics=[
            {"Id": "m", "MetricStat": stat, "ReturnData": False},
            {"Id": "r", "Expression": "FILL(m, 0) * 2", "ReturnData": True},
        ],
        EvaluationPeriods=1,
        Threshold=10,
        ComparisonOperator="GreaterThanThreshold",
    )
    for minute in (2, 6):
        put(cloudwatch, minute, Value=3)
    assert [state(cloudwatch, minute) for minute in (5, 6, 7)] == ["OK", "ALARM", "OK"]


NAME = "/ecs/filtered"


@pytest.fixture
def found(calls):
    """Searches four lines of two streams."""
    calls("logs", "create_log_group", {"logGroupName": NAME})
    now = int(time.time() * 1000)
    written = {
        "a": [(0, "started"), (20, "disk is full")],
        "b": [(10, "disk is slow"), (30, "end")],
    }
    for stream, lines in written.items():
        place = {"logGroupName": NAME, "logStreamName": stream}
        calls("logs", "create_log_stream", place)
        events = [{"timestamp": now + at, "message": text} for at, text in lines]
        calls("logs", "put_log_events", {**place, "logEvents": events})

    def search(pattern):
        answer = calls(
            "logs", "filter_log_events", {"logGroupName": NAME, "filterPattern": pattern}
        )
        return [each["message"] for each in answer["events"]]

    yield search
    calls("logs", "delete_log_group", {"logGroupName": NAME})


def test_all_streams_come_in_one_order_of_time(found):
    assert found("") == ["started", "disk is slow", "disk is full", "end"]


def test_words_and_phrases_decide_and_no_other_pattern_finds_everything(found):
    assert found("disk") == ["disk is slow", "disk is full"]
    assert found('"is full"') == ["disk is full"]
    assert found('?slow ?"is full"') == ["disk is slow", "disk is full"]
    with pytest.raises(ClientError, match=r"'\{ \$.level = 1 \}' works on AWS"):
        found("{ $.level = 1 }")
