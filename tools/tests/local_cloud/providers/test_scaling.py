"""A scalable target holds the service's count in its range; a service names a capacity provider of its cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event

import pytest
from botocore.exceptions import ClientError

from tools.local_cloud.aws.scaling import schedule
from tools.local_cloud.providers import lifecycle
from tools.local_cloud.providers.aws import KINDS
from tools.tests.local_cloud.providers.conftest import counter, definition, refused

TARGET = KINDS["aws:appautoscaling/target:Target"]
POLICY = KINDS["aws:appautoscaling/policy:Policy"]
ACTION = KINDS["aws:appautoscaling/scheduledAction:ScheduledAction"]
CLUSTER = KINDS["aws:ecs/cluster:Cluster"]
PROVIDERS = KINDS["aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"]
SERVICE = KINDS["aws:ecs/service:Service"]
SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
SATURDAY = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture
def service(calls, subnets):
    """An ECS service that wants one task; its cluster's name."""
    name = f"scaled{next(counter)}"
    calls("ecs", "create_cluster", {"clusterName": name})
    calls("ecs", "register_task_definition", definition())
    network = {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": []}}
    params = {"cluster": name, "serviceName": "web", "taskDefinition": "app", "desiredCount": 1}
    calls("ecs", "create_service", {**params, "networkConfiguration": network})
    return name


@pytest.fixture
def place(service):
    return {
        "serviceNamespace": "ecs",
        "scalableDimension": "ecs:service:DesiredCount",
        "resourceId": f"service/{service}/web",
    }


def target(place, low, high, *, suspended=False):
    state = {"scheduledScalingSuspended": suspended}
    return {**place, "minCapacity": low, "maxCapacity": high, "suspendedState": state}


def action(place, name, cron, count):
    wanted = {"minCapacity": count, "maxCapacity": count}
    clock = {"schedule": cron, "timezone": "Asia/Tokyo"}
    return {**place, **clock, "name": name, "scalableTargetAction": wanted}


def count(calls, cluster):
    asked = {"cluster": cluster, "services": ["web"]}
    return calls("ecs", "describe_services", asked)["services"][0]["desiredCount"]


def shown(calls, place):
    asked = {"ServiceNamespace": "ecs", "ResourceIds": [place["resourceId"]]}
    return calls("application-autoscaling", "describe_scalable_targets", asked)["ScalableTargets"]


def test_a_range_moves_the_count_into_it_and_no_further(calls, service, place):
    identity, _ = lifecycle.create(calls, TARGET, target(place, 2, 4), Event())
    assert count(calls, service) == 2
    lifecycle.update(calls, TARGET, identity, target(place, 2, 4), target(place, 1, 4))
    assert count(calls, service) == 2
    lifecycle.update(calls, TARGET, identity, target(place, 1, 4), target(place, 0, 0))
    assert count(calls, service) == 0


@pytest.mark.parametrize("suspended", [True, False])
def test_a_registration_without_a_range_moves_the_count_into_the_one_there_is(
    calls, service, place, suspended
):
    lifecycle.create(calls, TARGET, target(place, 2, 4), Event())
    asked = {"ServiceNamespace": "ecs", "ScalableDimension": place["scalableDimension"]}
    asked |= {
        "ResourceId": place["resourceId"],
        "SuspendedState": dict.fromkeys(SUSPENDED, suspended),
    }
    for by_hand, becomes in ((0, 2), (3, 3), (9, 4)):
        calls(
            "ecs", "update_service", {"cluster": service, "service": "web", "desiredCount": by_hand}
        )
        assert count(calls, service) == by_hand
        calls("application-autoscaling", "register_scalable_target", asked)
        assert count(calls, service) == becomes
    [now] = shown(calls, place)
    assert (now["MinCapacity"], now["MaxCapacity"]) == (2, 4)
    assert now["SuspendedState"] == asked["SuspendedState"]


def test_whatever_changes_the_range_is_said_again(calls, service, place):
    """So the end of the hours brings tasks back at night."""
    before = target(place, 1, 3)
    identity, _ = lifecycle.create(calls, TARGET, before, Event())
    asked = {"ServiceNamespace": "ecs", "ScalableDimension": place["scalableDimension"]}
    night = {"MinCapacity": 0, "MaxCapacity": 0, "ResourceId": place["resourceId"]}
    calls("application-autoscaling", "register_scalable_target", asked | night)
    assert count(calls, service) == 0
    lifecycle.update(calls, TARGET, identity, before, target(place, 1, 3, suspended=True))
    assert [(each["MinCapacity"], each["MaxCapacity"]) for each in shown(calls, place)] == [(1, 3)]
    assert count(calls, service) == 1


def test_a_range_that_is_upside_down_is_refused(calls, place):
    with pytest.raises(ClientError, match="Maximum capacity cannot be less"):
        lifecycle.create(calls, TARGET, target(place, 3, 2), Event())


def test_policies_and_actions_are_made_changed_and_gone(calls, place):
    lifecycle.create(calls, TARGET, target(place, 1, 3), Event())

    def policy(value):
        metric = {"predefinedMetricType": "ECSServiceAverageCPUUtilization"}
        tracking = {"targetValue": value, "predefinedMetricSpecification": metric}
        how = {"name": "cpu", "policyType": "TargetTrackingScaling"}
        return {**place, **how, "targetTrackingScalingPolicyConfiguration": tracking}

    def alarms():
        return calls("cloudwatch", "describe_alarms", {"AlarmNamePrefix": "TargetTracking-"})

    def look():
        asked = {"ServiceNamespace": "ecs", "ResourceId": place["resourceId"]}
        found = calls("application-autoscaling", "describe_scaling_policies", asked)
        key = "TargetTrackingScalingPolicyConfiguration"
        return [each[key]["TargetValue"] for each in found["ScalingPolicies"]]

    identity, _ = lifecycle.create(calls, POLICY, policy(50), Event())
    lifecycle.update(calls, POLICY, identity, policy(50), policy(70))
    assert (look(), alarms()["MetricAlarms"]) == ([70.0], [])
    lifecycle.delete(calls, POLICY, identity, policy(70))
    assert look() == []
    assert lifecycle.read(calls, POLICY, identity, policy(70)) is None

    old, new = (action(place, "stop", f"cron(0 {hour} ? * MON *)", 0) for hour in (20, 21))
    identity, _ = lifecycle.create(calls, ACTION, old, Event())
    lifecycle.update(calls, ACTION, identity, old, new)
    asked = {"ServiceNamespace": "ecs", "ResourceId": place["resourceId"]}
    rows = calls("application-autoscaling", "describe_scheduled_actions", asked)
    assert [each["Schedule"] for each in rows["ScheduledActions"]] == ["cron(0 21 ? * MON *)"]
    lifecycle.delete(calls, ACTION, identity, new)
    assert lifecycle.read(calls, ACTION, identity, new) is None


SCALING = "application-autoscaling"
CPU = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
REQUESTS = {
    "PredefinedMetricType": "ALBRequestCountPerTarget",
    "ResourceLabel": "app/web/1f/targetgroup/web/2e",
}


def test_a_scheduled_action_keeps_what_a_change_does_not_name(calls, place):
    """PutScheduledAction: "specify the parameters that you want to change" (API reference)."""
    named = {"ScheduledActionName": "kept", **capital(place)}
    error = refused(calls, SCALING, "put_scheduled_action", named)
    assert error["Code"] == "ObjectNotFoundException"
    lifecycle.create(calls, TARGET, target(place, 1, 3), Event())
    night = {"Schedule": "cron(0 19 ? * MON *)", "Timezone": "Asia/Tokyo"}
    action = {"ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 1}}
    assert "Invalid schedule" in refused(calls, SCALING, "put_scheduled_action", named)["Message"]
    calls(SCALING, "put_scheduled_action", named | night | action)
    more = {"ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 3}}
    calls(SCALING, "put_scheduled_action", named | more)
    asked = {"ServiceNamespace": "ecs", "ResourceId": place["resourceId"]}
    [found] = calls(SCALING, "describe_scheduled_actions", asked)["ScheduledActions"]
    assert {name: found[name] for name in (*night, *more)} == night | more


def test_a_policy_is_found_by_its_name_and_its_whole_resource(calls, place):
    """DescribeScalingPolicies filters by PolicyNames (API reference); another service's name may begin the same."""
    lifecycle.create(calls, TARGET, target(place, 1, 3), Event())
    for name, metric in (("cpu", CPU), ("requests", REQUESTS)):
        put_policy(calls, place, name, metric)

    def named(**asked):
        found = calls(SCALING, "describe_scaling_policies", {"ServiceNamespace": "ecs", **asked})
        return [each["PolicyName"] for each in found["ScalingPolicies"]]

    assert named(PolicyNames=["requests"], **capital(place)) == ["requests"]
    assert named(PolicyNames=["cpu", "requests"], **capital(place)) == ["cpu", "requests"]
    assert named(PolicyNames=["none"], **capital(place)) == []
    assert named(ResourceId=place["resourceId"]) == ["cpu", "requests"]
    assert named(ResourceId=place["resourceId"] + "-2") == []


def put_policy(calls, place, name, metric):
    tracking = {"TargetValue": 50, "PredefinedMetricSpecification": metric}
    put = {"PolicyName": name, "PolicyType": "TargetTrackingScaling", **capital(place)}
    put["TargetTrackingScalingPolicyConfiguration"] = tracking
    calls(SCALING, "put_scaling_policy", put)


def test_a_policy_is_checked(calls, place):
    with pytest.raises(
        ClientError, match="No scalable target registered for service namespace: ecs"
    ):
        put_policy(calls, place, "cpu", CPU)
    lifecycle.create(calls, TARGET, target(place, 1, 3), Event())
    for label in ("app/web/1f", "arn:aws:elasticloadbalancing:x"):
        with pytest.raises(ClientError, match="Invalid resource label"):
            put_policy(calls, place, "requests", {**REQUESTS, "ResourceLabel": label})
    with pytest.raises(ClientError, match="Invalid resource label: None"):
        put_policy(calls, place, "requests", {"PredefinedMetricType": "ALBRequestCountPerTarget"})
    put_policy(calls, place, "cpu", CPU)
    put_policy(calls, place, "cpu", CPU)
    with pytest.raises(ClientError, match="Only one TargetTrackingScaling policy"):
        put_policy(calls, place, "other", CPU)
    asked = {"ServiceNamespace": "ecs", "ResourceId": place["resourceId"]}
    [policy] = calls(SCALING, "describe_scaling_policies", asked)["ScalingPolicies"]
    assert (policy["PolicyName"], policy["Alarms"]) == ("cpu", [])


def capital(place):
    return {key[0].upper() + key[1:]: value for key, value in place.items()}


def test_a_target_s_tags_are_those_of_its_creation_until_they_are_changed(calls, place):
    def tags():
        [found] = shown(calls, place)
        arn = {"ResourceARN": found["ScalableTargetARN"]}
        return calls(SCALING, "list_tags_for_resource", arn)["Tags"]

    before = {**target(place, 1, 3), "tags": {"project": "careapp", "stack": "poc"}}
    identity, _ = lifecycle.create(calls, TARGET, before, Event())
    assert tags() == before["tags"]
    calls(SCALING, "register_scalable_target", {**capital(place), "MaxCapacity": 4, "Tags": {}})
    assert tags() == before["tags"]
    lifecycle.update(calls, TARGET, identity, before, {**before, "tags": {"stack": "prod"}})
    assert tags() == {"stack": "prod"}
    none = "arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/0ab"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        calls(SCALING, "list_tags_for_resource", {"ResourceARN": none})


def test_the_hours_stop_and_start_the_service(calls, service, place):
    lifecycle.create(calls, TARGET, target(place, 2, 2), Event())
    lifecycle.create(calls, ACTION, action(place, "stop", "cron(0 20 ? * MON-FRI *)", 0), Event())
    lifecycle.create(calls, ACTION, action(place, "start", "cron(0 8 ? * MON-FRI *)", 2), Event())
    friday = datetime(2026, 11, 27, 10, 59, tzinfo=UTC)  # 19:59 in Tokyo
    schedule.run_due(friday, friday.replace(hour=11, minute=1))
    assert count(calls, service) == 0
    schedule.run_due(SATURDAY, SATURDAY.replace(hour=12))
    assert count(calls, service) == 0
    schedule.run_due(SATURDAY, datetime(2026, 11, 29, 23, 1, tzinfo=UTC))  # Monday 08:01 in Tokyo
    assert count(calls, service) == 2


def test_suspended_hours_do_nothing(calls, service, place):
    lifecycle.create(calls, TARGET, target(place, 1, 1, suspended=True), Event())
    lifecycle.create(calls, ACTION, action(place, "stop", "cron(0 20 ? * FRI *)", 0), Event())
    friday = datetime(2026, 11, 27, 10, 59, tzinfo=UTC)
    schedule.run_due(friday, friday.replace(hour=12))
    assert count(calls, service) == 1


def test_a_target_takes_its_actions_and_policies_along(calls, place):
    identity, _ = lifecycle.create(calls, TARGET, target(place, 1, 1), Event())
    stop = action(place, "stop", "cron(0 20 ? * FRI *)", 0)
    lifecycle.create(calls, ACTION, stop, Event())
    lifecycle.delete(calls, TARGET, identity, target(place, 1, 1))
    assert lifecycle.read(calls, ACTION, "stop", stop) is None


@pytest.mark.parametrize("text", ["every day", "cron(0 20 * * *)", "cron(61 20 ? * FRI *)"])
def test_a_schedule_that_is_none_is_refused(calls, place, text):
    lifecycle.create(calls, TARGET, target(place, 1, 1), Event())
    with pytest.raises(ClientError, match="Invalid schedule"):
        lifecycle.create(calls, ACTION, action(place, "odd", text, 0), Event())


@pytest.fixture
def cluster(calls):
    name = f"capacity{next(counter)}"
    lifecycle.create(calls, CLUSTER, {"name": name}, Event())
    calls("ecs", "register_task_definition", definition())
    return name


def both(cluster, *names):
    return {"clusterName": cluster, "capacityProviders": list(names or ("FARGATE", "FARGATE_SPOT"))}


def on(cluster, subnets, provider, *, force=True):
    return {
        "name": "web",
        "cluster": f"arn:aws:ecs:ap-northeast-1:123456789012:cluster/{cluster}",
        "taskDefinition": "app",
        "desiredCount": 1,
        "capacityProviderStrategies": [{"capacityProvider": provider, "base": 0, "weight": 1}],
        "forceNewDeployment": force,
        "networkConfiguration": {"subnets": subnets, "securityGroups": []},
    }


def other(inputs, provider):
    return {**inputs, "capacityProviderStrategies": [{"capacityProvider": provider, "weight": 1}]}


def test_a_service_must_name_a_provider_of_its_cluster(calls, cluster, subnets):
    with pytest.raises(ClientError, match="capacity provider FARGATE was not found"):
        lifecycle.create(calls, SERVICE, on(cluster, subnets, "FARGATE"), Event())
    lifecycle.create(calls, PROVIDERS, both(cluster), Event())
    assert lifecycle.create(calls, SERVICE, on(cluster, subnets, "FARGATE"), Event())


def test_another_provider_needs_a_new_deployment(calls, cluster, subnets):
    lifecycle.create(calls, PROVIDERS, both(cluster), Event())
    before = on(cluster, subnets, "FARGATE", force=False)
    identity, _ = lifecycle.create(calls, SERVICE, before, Event())
    with pytest.raises(ClientError, match="you must force a new deployment"):
        lifecycle.update(calls, SERVICE, identity, before, other(before, "FARGATE_SPOT"))
    forced = {**before, "forceNewDeployment": True}
    after = other(forced, "FARGATE_SPOT")
    lifecycle.update(calls, SERVICE, identity, forced, after)
    asked = {"cluster": cluster, "services": ["web"]}
    [found] = calls("ecs", "describe_services", asked)["services"]
    assert [each["capacityProvider"] for each in found["capacityProviderStrategy"]] == [
        "FARGATE_SPOT"
    ]


def test_the_clusters_providers_change_and_go(calls, cluster):
    inputs = both(cluster)
    identity, _ = lifecycle.create(calls, PROVIDERS, inputs, Event())
    lifecycle.update(calls, PROVIDERS, identity, inputs, both(cluster, "FARGATE"))
    [found] = calls("ecs", "describe_clusters", {"clusters": [cluster]})["clusters"]
    assert found["capacityProviders"] == ["FARGATE"]
    lifecycle.delete(calls, PROVIDERS, identity, both(cluster, "FARGATE"))
    assert lifecycle.read(calls, PROVIDERS, identity, inputs) is None


def test_container_insights_are_turned_on_and_off_on_a_running_cluster(calls, cluster):
    def settings(value):
        return {"name": cluster, "settings": [{"name": "containerInsights", "value": value}]}

    arn = calls("ecs", "describe_clusters", {"clusters": [cluster]})["clusters"][0]["clusterArn"]
    seen = []
    for before, after in (("disabled", "enabled"), ("enabled", "disabled")):
        lifecycle.update(calls, CLUSTER, arn, settings(before), settings(after))
        asked = {"clusters": [cluster], "include": ["SETTINGS"]}
        [found] = calls("ecs", "describe_clusters", asked)["clusters"]
        seen.append(found["settings"])
    assert seen == [settings("enabled")["settings"], settings("disabled")["settings"]]
