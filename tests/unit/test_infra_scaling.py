"""Scaling: the range, what it goes by, the hours, and that the program keeps out of it."""

from functools import partial

import pytest

from stack.scaling import ScalingSettings, hours, time_zone
from tests.unit.conftest import TAGS, service
from tests.unit.test_infra_service import SERVICE

TARGET = "aws:appautoscaling/target:Target"
POLICY = "aws:appautoscaling/policy:Policy"
ACTION = "aws:appautoscaling/scheduledAction:ScheduledAction"
WHERE = {
    "serviceNamespace": "ecs",
    "scalableDimension": "ecs:service:DesiredCount",
    "resourceId": "service/careapp-poc-cluster/careapp-poc-service",
}
OFFICE = {"schedule": "mon-fri 08:00-20:30", "scheduleTimeZone": "Europe/Berlin"}


@pytest.fixture
def build(declare):
    return partial(declare, service)


def suspended(*, schedule):
    return {
        "dynamicScalingInSuspended": False,
        "dynamicScalingOutSuspended": False,
        "scheduledScalingSuspended": schedule,
    }


def test_without_it_the_count_is_the_program_s(engine, build):
    build(desiredCount="3")
    assert engine.inputs(TARGET) == engine.inputs(POLICY) == engine.inputs(ACTION) == {}
    assert list(engine.request(SERVICE, "careapp-poc-service").ignoreChanges) == []


def test_a_range_and_what_it_goes_by(engine, build):
    build(minCount="2", maxCount="6", scaleCpuTarget="55", scaleRequestsPerTarget="400")
    assert engine.inputs(TARGET) == {
        "careapp-poc-service": {
            **WHERE,
            "minCapacity": 2,
            "maxCapacity": 6,
            "suspendedState": suspended(schedule=True),
            "tags": TAGS,
        }
    }
    tracking = {"scaleOutCooldown": 60, "scaleInCooldown": 300}
    assert engine.inputs(POLICY) == {
        "careapp-poc-cpu": {
            **WHERE,
            "name": "careapp-poc-cpu",
            "policyType": "TargetTrackingScaling",
            "targetTrackingScalingPolicyConfiguration": {
                **tracking,
                "targetValue": 55,
                "predefinedMetricSpecification": {
                    "predefinedMetricType": "ECSServiceAverageCPUUtilization"
                },
            },
        },
        "careapp-poc-requests": {
            **WHERE,
            "name": "careapp-poc-requests",
            "policyType": "TargetTrackingScaling",
            "targetTrackingScalingPolicyConfiguration": {
                **tracking,
                "targetValue": 400,
                "predefinedMetricSpecification": {
                    "predefinedMetricType": "ALBRequestCountPerTarget",
                    "resourceLabel": "app/careapp-poc-alb/1/targetgroup/careapp-poc-tg/2",
                },
            },
        },
    }
    assert engine.inputs(ACTION) == {}


@pytest.mark.parametrize(
    ("given", "policies"), [("cpu", {"careapp-poc-cpu"}), ("requests", {"careapp-poc-requests"})]
)
def test_either_target_may_be_off(engine, build, given, policies):
    cpu, requests = ("60", "0") if given == "cpu" else ("0", "100")
    build(maxCount="2", scaleCpuTarget=cpu, scaleRequestsPerTarget=requests)
    assert set(engine.inputs(POLICY)) == policies


@pytest.mark.parametrize(("desired", "starts"), [("1", 2), ("3", 3), ("9", 6)])
def test_a_new_service_starts_within_the_range(engine, build, desired, starts):
    build(desiredCount=desired, minCount="2", maxCount="6")
    assert engine.inputs(SERVICE)["careapp-poc-service"]["desiredCount"] == starts


def test_hours_without_a_range_start_and_stop_the_desired_count(engine, build):
    build(desiredCount="2", **OFFICE)
    common = {**WHERE, "timezone": "Europe/Berlin"}
    assert engine.inputs(ACTION) == {
        "careapp-poc-start": {
            **common,
            "name": "careapp-poc-start",
            "schedule": "cron(0 8 ? * MON-FRI *)",
            "scalableTargetAction": {"minCapacity": 2, "maxCapacity": 2},
        },
        "careapp-poc-stop": {
            **common,
            "name": "careapp-poc-stop",
            "schedule": "cron(30 20 ? * MON-FRI *)",
            "scalableTargetAction": {"minCapacity": 0, "maxCapacity": 0},
        },
    }
    assert engine.inputs(POLICY) == {}
    assert engine.inputs(TARGET)["careapp-poc-service"]["suspendedState"] == suspended(
        schedule=False
    )


def test_hours_bring_the_range_back(engine, build):
    build(minCount="2", maxCount="6", **OFFICE)
    start = engine.inputs(ACTION)["careapp-poc-start"]
    assert start["scalableTargetAction"] == {"minCapacity": 2, "maxCapacity": 6}


@pytest.mark.parametrize(
    ("on", "range_of_hours"), [({"maxCount": "4"}, []), (OFFICE, ["minCapacity", "maxCapacity"])]
)
def test_an_update_leaves_the_count_to_whoever_scales_and_the_range_to_the_hours(
    engine, build, on, range_of_hours
):
    build(**on)
    assert list(engine.request(SERVICE, "careapp-poc-service").ignoreChanges) == ["desiredCount"]
    assert list(engine.request(TARGET, "careapp-poc-service").ignoreChanges) == range_of_hours


@pytest.mark.parametrize(
    ("text", "days", "cron"),
    [
        ("mon-fri 08:00-20:00", "MON-FRI", "cron(0 8 ? * MON-FRI *)"),
        ("sat 00:05-23:59", "SAT", "cron(5 0 ? * SAT *)"),
        ("mon,wed,fri 09:30-18:00", "MON,WED,FRI", "cron(30 9 ? * MON,WED,FRI *)"),
        # AWS counts from Sunday: a range that ends with it would go backwards.
        ("sat-sun 10:00-18:00", "SAT,SUN", "cron(0 10 ? * SAT,SUN *)"),
        (
            "mon-sun 08:00-20:00",
            "MON,TUE,WED,THU,FRI,SAT,SUN",
            "cron(0 8 ? * MON,TUE,WED,THU,FRI,SAT,SUN *)",
        ),
    ],
)
def test_hours_are_written_as_aws_reads_them(text, days, cron):
    assert (hours(text).days, hours(text).starts) == (days, cron)


@pytest.mark.parametrize(
    "zone", ["Asia/Tokyo", "America/Argentina/Buenos_Aires", "Etc/GMT+9", "Pacific/Tahiti", "UTC"]
)
def test_a_canonical_time_zone_is_taken_as_it_is(zone):
    assert time_zone(zone) == zone


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        (ScalingSettings(minimum=3, maximum=3), {3}),
        (ScalingSettings(minimum=2, maximum=4, cpu=50), {2, 3, 4}),
        (ScalingSettings(minimum=2, maximum=2, hours=hours("sat 08:00-09:00")), {0, 2}),
    ],
)
def test_the_counts_that_may_be_wanted(settings, counts):
    assert settings.counts == counts
