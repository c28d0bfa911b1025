"""Scaling by load: what the alarms of target tracking make of a service's desired count."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tools.local_cloud.aws.scaling.tracking import Change, Cooldowns, Reading, needed
from tools.tests.local_cloud.dataplane.conftest import serving
from tools.tests.local_cloud.dataplane.stack import Load, Stack

CPU = Reading(policy="cpu", target=60, value=90, high="cpu-high", out_cooldown=60)
IDLE = replace(CPU, value=10, high="", low="cpu-low")
REQUESTS = replace(IDLE, policy="requests", target=100, value=40, low="requests-low")
RESOURCE = {
    "ServiceNamespace": "ecs",
    "ScalableDimension": "ecs:service:DesiredCount",
    "ResourceId": "service/main/web",
}
GOAL = 20
"""Requests per target and minute, which is a second here. The load makes about 70."""


@pytest.mark.parametrize(
    ("running", "value", "count"), [(1, 61, 2), (2, 180, 6), (4, 60, 4), (3, 10, 1), (2, 0, 0)]
)
def test_as_many_tasks_are_needed_as_bring_the_metric_to_its_target(running, value, count):
    assert needed(running, value, 60) == count


def test_the_policy_that_asks_for_most_scales_out():
    other = replace(CPU, policy="requests", target=100, value=400, high="requests-high")
    found = Cooldowns().scale_out([CPU, other], 2, 0)
    words = "monitor alarm requests-high in state ALARM triggered policy requests"
    assert found == Change(8, words)
    assert Cooldowns().scale_out([IDLE, REQUESTS], 2, 0) is None


def test_during_the_cooldown_only_a_larger_load_asks_for_more_tasks():
    cooldowns = Cooldowns(out_until=60, ran=2)
    assert [
        change.count
        for value, running, now in ((90, 3, 30), (120, 3, 59), (90, 3, 60))
        if (change := cooldowns.scale_out([replace(CPU, value=value)], running, now))
    ] == [3, 4, 5]


def test_all_policies_must_agree_to_scale_in_and_the_largest_count_counts():
    words = "monitor alarm requests-low in state ALARM triggered policy requests"
    assert Cooldowns().scale_in([IDLE, REQUESTS], 4, 0) == Change(2, words)
    assert Cooldowns().scale_in([IDLE, replace(REQUESTS, low="")], 4, 0) is None
    assert Cooldowns().scale_in([replace(IDLE, scales_in=False)], 4, 0) is None
    assert Cooldowns(in_until=10).scale_in([IDLE], 4, 9) is None


@pytest.fixture(scope="module")
def scaled() -> Iterator[Stack]:
    """Yield a running service that is scaled by requests; a minute of AWS takes a second."""
    for stack in serving(60.0):
        scaling = stack.client("application-autoscaling")
        scaling.register_scalable_target(**RESOURCE, MinCapacity=1, MaxCapacity=2)
        label = stack.ids["alb"].partition(":loadbalancer/")[2]
        label += "/" + stack.ids["tg"].rpartition(":")[2]
        scaling.put_scaling_policy(
            **RESOURCE,
            PolicyName="requests",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ALBRequestCountPerTarget",
                    "ResourceLabel": label,
                },
                "TargetValue": GOAL,
                "ScaleOutCooldown": 60,
                "ScaleInCooldown": 60,
            },
        )
        yield stack


def activities(stack) -> list[dict[str, Any]]:
    """Return the scaling activities, the oldest first."""
    found = stack.client("application-autoscaling").describe_scaling_activities(**RESOURCE)
    return list(reversed(found["ScalingActivities"]))


@pytest.mark.slow
def test_a_policy_has_the_two_alarms_of_its_metric(scaled):
    found = scaled.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking")
    assert [
        (each["MetricName"], each["Statistic"], each["Threshold"], each["EvaluationPeriods"])
        for each in found["MetricAlarms"]
    ] == [
        ("RequestCountPerTarget", "Sum", GOAL, 3),
        ("RequestCountPerTarget", "Sum", pytest.approx(GOAL * 0.9), 15),
    ]


@pytest.mark.slow
def test_a_burst_of_requests_adds_tasks_and_its_end_removes_them(scaled):
    loads = [Load(scaled.url()) for _ in range(4)]
    scaled.until(lambda: scaled.describe()["runningCount"] == 2, 60, "two tasks")
    for load in loads:
        load.stop()
    scaled.until(lambda: scaled.describe()["runningCount"] == 1, 90, "one task")
    done = scaled.until(lambda: done_of(scaled), 10, "the last activity's end")

    assert [load.failed for load in loads] == [[], [], [], []]
    assert [each["Description"] for each in done] == [
        "Setting desired count to 2.",
        "Setting desired count to 1.",
    ]
    first, last = done
    assert first["Cause"].startswith("monitor alarm TargetTracking-service/main/web-AlarmHigh-")
    assert first["Cause"].endswith(" in state ALARM triggered policy requests")
    assert "-AlarmLow-" in last["Cause"]
    assert (last["Description"], last["StatusMessage"], last["StatusCode"]) == (
        "Setting desired count to 1.",
        "Successfully set desired count to 1. Change successfully fulfilled by ecs.",
        "Successful",
    )
    waited = (last["StartTime"] - first["StartTime"]).total_seconds()
    assert math.floor(waited) >= 15 * 60


def done_of(stack) -> list[dict[str, Any]]:
    """Return all activities when the last one has ended, else nothing."""
    found = activities(stack)
    return found if found[-1]["StatusCode"] == "Successful" else []
