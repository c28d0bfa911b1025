"""A scalable target holds the service's count in its range; a service names a capacity provider of its cluster."""

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from local_cloud.aws.scaling import schedule
from local_cloud.tests.providers.conftest import ACCOUNT, REGION, definition, refused, unique

TARGET, POLICY = "appautoscaling/target", "appautoscaling/policy"
ACTION, PROVIDERS = "appautoscaling/scheduledAction", "ecs/clusterCapacityProviders"
SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
FRIDAY = datetime(2026, 11, 27, 10, 59, tzinfo=UTC)  # 19:59 in Tokyo
CPU = {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
REQUESTS = {"PredefinedMetricType": "ALBRequestCountPerTarget"}
REQUESTS |= {"ResourceLabel": "app/web/1f/targetgroup/web/2e"}
KEY = "TargetTrackingScalingPolicyConfiguration"


class Scaled:
    """An ECS service with one task, and what scales it."""

    def __init__(self, aws, make, cluster):
        self.api, self.ecs, self.make = aws.application_autoscaling, aws.ecs, make
        self.service = {"cluster": cluster, "service": "web"}
        resource = f"service/{cluster}/web"
        self.of = {"ServiceNamespace": "ecs", "ResourceId": resource}
        self.named = {**self.of, "ScalableDimension": "ecs:service:DesiredCount"}
        self.inputs = {key[0].lower() + key[1:]: value for key, value in self.named.items()}

    def target(self, low, high, *, suspended=False, **more):
        state = {"scheduledScalingSuspended": suspended}
        limits = {"minCapacity": low, "maxCapacity": high, "suspendedState": state}
        return self.make(TARGET, **self.inputs, **limits, **more)

    def action(self, name, cron, count):
        wanted = {"minCapacity": count, "maxCapacity": count}
        clock = {"schedule": cron, "timezone": "Asia/Tokyo", "scalableTargetAction": wanted}
        return self.make(ACTION, **self.inputs, **clock, name=name)

    def put_policy(self, name, metric):
        tracking = {"TargetValue": 50, "PredefinedMetricSpecification": metric}
        policy = {"PolicyName": name, "PolicyType": "TargetTrackingScaling", KEY: tracking}
        self.api.put_scaling_policy(**self.named, **policy)

    @property
    def count(self):
        asked = {"cluster": self.service["cluster"], "services": ["web"]}
        return self.ecs.describe_services(**asked)["services"][0]["desiredCount"]

    @property
    def shown(self):
        ids = {"ServiceNamespace": "ecs", "ResourceIds": [self.of["ResourceId"]]}
        [found] = self.api.describe_scalable_targets(**ids)
        return found

    @property
    def range(self):
        return self.shown["MinCapacity"], self.shown["MaxCapacity"]


@pytest.fixture
def cluster(aws, make):
    name = unique("cluster")
    aws.ecs.register_task_definition(**definition())
    return make("ecs/cluster", name=name).inputs["name"]


@pytest.fixture
def scaled(aws, make, cluster, subnets):
    network = {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": []}}
    params = {"cluster": cluster, "serviceName": "web", "taskDefinition": "app", "desiredCount": 1}
    aws.ecs.create_service(**params, networkConfiguration=network)
    return Scaled(aws, make, cluster)


def test_a_range_moves_the_count_into_it_and_no_further(scaled):
    target = scaled.target(2, 4)
    assert scaled.count == 2
    for low, high, count in ((1, 4, 2), (0, 0, 0)):
        target.change(minCapacity=low, maxCapacity=high)
        assert scaled.count == count
    words = "Maximum capacity cannot be less"
    refused(lambda: scaled.target(3, 2), "ValidationException", words)


@pytest.mark.parametrize("suspended", [True, False])
def test_a_registration_without_a_range_keeps_the_one_there_is(scaled, suspended):
    scaled.target(2, 4)
    state = dict.fromkeys(SUSPENDED, suspended)
    for by_hand, becomes in ((0, 2), (3, 3), (9, 4)):
        scaled.ecs.update_service(**scaled.service, desiredCount=by_hand)
        assert scaled.count == by_hand
        scaled.api.register_scalable_target(**scaled.named, SuspendedState=state)
        assert scaled.count == becomes
    assert (scaled.range, scaled.shown["SuspendedState"]) == ((2, 4), state)


def test_a_change_of_a_target_says_its_range_again(scaled):
    """So the end of the hours brings tasks back at night."""
    target = scaled.target(1, 3)
    scaled.api.register_scalable_target(**scaled.named, MinCapacity=0, MaxCapacity=0)
    assert scaled.count == 0
    target.change(suspendedState={"scheduledScalingSuspended": True})
    assert (scaled.range, scaled.count) == ((1, 3), 1)


def test_a_target_s_tags_stay_until_they_are_changed(scaled):
    list_tags = scaled.api.list_tags_for_resource

    def tags():
        return list_tags(ResourceARN=scaled.shown["ScalableTargetARN"])

    before = {"project": "careapp", "stack": "poc"}
    target = scaled.target(1, 3, tags=before)
    assert tags() == before
    scaled.api.register_scalable_target(**scaled.named, MaxCapacity=4, Tags={})
    assert tags() == before
    target.change(tags={"stack": "prod"})
    assert tags() == {"stack": "prod"}
    none = f"arn:aws:application-autoscaling:eu-west-1:{ACCOUNT}:scalable-target/0ab"
    refused(list_tags, "ResourceNotFoundException", ResourceARN=none)


def test_a_policy_is_declared_changed_and_found_by_its_name(aws, scaled):
    """DescribeScalingPolicies filters by PolicyNames (API reference); another service's name may begin the same."""
    scaled.target(1, 3)

    def tracking(value):
        metric = {"predefinedMetricType": CPU["PredefinedMetricType"]}
        return {"targetValue": value, "predefinedMetricSpecification": metric}

    def found(**asked):
        asked = {"ServiceNamespace": "ecs", **asked}
        policies = scaled.api.describe_scaling_policies(**asked)
        return {each["PolicyName"]: each[KEY]["TargetValue"] for each in policies}

    key = KEY[0].lower() + KEY[1:]
    kind = {"name": "cpu", "policyType": "TargetTrackingScaling"}
    made = scaled.make(POLICY, **scaled.inputs, **kind, **{key: tracking(50)})
    made.change(**{key: tracking(70)})
    scaled.put_policy("requests", REQUESTS)
    both, named = {"cpu": 70.0, "requests": 50.0}, scaled.named
    for names, policies in ((["requests"], {"requests": 50.0}), ([*both], both), (["none"], {})):
        assert found(PolicyNames=names, **named) == policies
    assert found(ResourceId=named["ResourceId"]) == both
    assert found(ResourceId=f"{named['ResourceId']}-2") == {}
    assert aws.cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"] == []
    made.delete()
    assert found(**scaled.of) == {"requests": 50.0}


def test_a_policy_is_checked(scaled):
    def put(name="requests", **metric):
        scaled.put_policy(name, metric)

    words = "No scalable target registered for service namespace: ecs"
    refused(put, "ObjectNotFoundException", words, **CPU)
    scaled.target(1, 3)
    for label in ("app/web/1f", "arn:aws:elasticloadbalancing:x"):
        wrong = {**REQUESTS, "ResourceLabel": label}
        refused(put, "ValidationException", "Invalid resource label", **wrong)
    metric = {"PredefinedMetricType": REQUESTS["PredefinedMetricType"]}
    refused(put, "ValidationException", "Invalid resource label: None", **metric)
    for _ in range(2):
        put("cpu", **CPU)
    words = "Only one TargetTrackingScaling policy"
    refused(put, "ValidationException", words, name="other", **CPU)
    [policy] = scaled.api.describe_scaling_policies(**scaled.of)
    assert (policy["PolicyName"], policy["Alarms"]) == ("cpu", [])


def test_a_scheduled_action_keeps_what_a_change_does_not_name(scaled):
    """PutScheduledAction: "specify the parameters that you want to change" (API reference)."""
    put, named = scaled.api.put_scheduled_action, {"ScheduledActionName": "kept", **scaled.named}
    refused(put, "ObjectNotFoundException", **named)
    target = scaled.target(1, 3)
    refused(put, "ValidationException", "Invalid schedule", **named)
    night = {"Schedule": "cron(0 19 ? * MON *)", "Timezone": "Asia/Tokyo"}
    put(**named, **night, ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 1})
    more = {"ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 3}}
    put(**named, **more)
    [found] = scaled.api.describe_scheduled_actions(**scaled.of)
    assert {name: found[name] for name in (*night, *more)} == night | more
    target.delete()


def test_an_action_is_changed_and_goes_alone_or_with_its_target(scaled):
    target = scaled.target(1, 3)
    for text in ("every day", "cron(0 20 * * *)", "cron(61 20 ? * FRI *)"):
        with pytest.raises(ClientError, match="Invalid schedule"):
            scaled.action("odd", text, 0)
    stop = scaled.action("stop", "cron(0 20 ? * MON *)", 0)
    stop.change(schedule="cron(0 21 ? * MON *)")
    [found] = scaled.api.describe_scheduled_actions(**scaled.of)
    assert found["Schedule"] == "cron(0 21 ? * MON *)"
    stop.delete()
    stop = scaled.action("stop", "cron(0 20 ? * FRI *)", 0)
    target.delete()
    assert stop.read() is None


def test_the_hours_stop_and_start_the_service(scaled):
    scaled.target(2, 2)
    scaled.action("stop", "cron(0 20 ? * MON-FRI *)", 0)
    scaled.action("start", "cron(0 8 ? * MON-FRI *)", 2)
    saturday, monday = FRIDAY.replace(day=28, hour=0), FRIDAY.replace(day=29, hour=23, minute=1)
    for since, until, count in (
        (FRIDAY, FRIDAY.replace(hour=11, minute=1), 0),
        (saturday, saturday.replace(hour=12), 0),
        (saturday, monday, 2),  # Monday 08:01 in Tokyo
    ):
        schedule.run_due(since, until)
        assert scaled.count == count


def test_suspended_hours_do_nothing(scaled):
    scaled.target(1, 1, suspended=True)
    scaled.action("stop", "cron(0 20 ? * FRI *)", 0)
    schedule.run_due(FRIDAY, FRIDAY.replace(hour=12))
    assert scaled.count == 1


def test_a_service_has_a_provider_of_its_cluster(aws, make, cluster, subnets):
    """Another one needs a new deployment."""
    inputs = {
        "name": "web",
        "cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{cluster}",
        "taskDefinition": "app",
        "desiredCount": 1,
        "capacityProviderStrategies": [{"capacityProvider": "FARGATE", "base": 0, "weight": 1}],
        "networkConfiguration": {"subnets": subnets, "securityGroups": []},
    }
    with pytest.raises(ClientError, match="capacity provider FARGATE was not found"):
        make("ecs/service", **inputs)
    make(PROVIDERS, clusterName=cluster, capacityProviders=["FARGATE", "FARGATE_SPOT"])
    made = make("ecs/service", **inputs)
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    with pytest.raises(ClientError, match="you must force a new deployment"):
        made.change(capacityProviderStrategies=spot)
    made.inputs["forceNewDeployment"] = True
    made.change(capacityProviderStrategies=spot)
    [found] = aws.ecs.describe_services(cluster=cluster, services=["web"])["services"]
    strategy = [each["capacityProvider"] for each in found["capacityProviderStrategy"]]
    assert strategy == ["FARGATE_SPOT"]


def test_a_cluster_s_providers_and_insights_change(aws, make, cluster):
    both = ["FARGATE", "FARGATE_SPOT"]
    providers = make(PROVIDERS, clusterName=cluster, capacityProviders=both)
    providers.change(capacityProviders=["FARGATE"])

    def described(include):
        return aws.ecs.describe_clusters(clusters=[cluster], include=include)["clusters"][0]

    assert described([])["capacityProviders"] == ["FARGATE"]
    providers.delete()
    made = make("ecs/cluster", name=unique("insights"))
    cluster = made.inputs["name"]
    for value in ("enabled", "disabled"):
        settings = [{"name": "containerInsights", "value": value}]
        made.change(settings=settings)
        assert described(["SETTINGS"])["settings"] == settings
