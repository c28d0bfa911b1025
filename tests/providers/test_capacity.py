"""Capacity providers: a service may only name its cluster's, and changes with a new deployment."""

from __future__ import annotations

import itertools
from threading import Event

import pytest
from botocore.exceptions import ClientError

from rehearsal.providers import lifecycle
from rehearsal.providers.aws import KINDS
from tests.providers.test_rules import definition

CLUSTER = KINDS["aws:ecs/cluster:Cluster"]
PROVIDERS = KINDS["aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"]
SERVICE = KINDS["aws:ecs/service:Service"]
counter = itertools.count(1)


@pytest.fixture
def cluster(calls):
    name = f"capacity{next(counter)}"
    lifecycle.create(calls, CLUSTER, {"name": name}, Event())
    calls("ecs", "register_task_definition", definition())
    return name


def both(cluster, *names):
    return {"clusterName": cluster, "capacityProviders": list(names or ("FARGATE", "FARGATE_SPOT"))}


def service(calls, cluster, provider, *, force=True):
    vpc = calls("ec2", "create_vpc", {"CidrBlock": "10.50.0.0/16"})["Vpc"]["VpcId"]
    made = calls("ec2", "create_subnet", {"VpcId": vpc, "CidrBlock": "10.50.0.0/24"})
    return {
        "name": "web",
        "cluster": f"arn:aws:ecs:ap-northeast-1:123456789012:cluster/{cluster}",
        "taskDefinition": "app",
        "desiredCount": 1,
        "capacityProviderStrategies": [{"capacityProvider": provider, "base": 0, "weight": 1}],
        "forceNewDeployment": force,
        "networkConfiguration": {"subnets": [made["Subnet"]["SubnetId"]], "securityGroups": []},
    }


def other(inputs, provider):
    return {**inputs, "capacityProviderStrategies": [{"capacityProvider": provider, "weight": 1}]}


def test_a_service_must_name_a_provider_of_its_cluster(calls, cluster):
    with pytest.raises(ClientError, match="capacity provider FARGATE was not found"):
        lifecycle.create(calls, SERVICE, service(calls, cluster, "FARGATE"), Event())
    lifecycle.create(calls, PROVIDERS, both(cluster), Event())
    assert lifecycle.create(calls, SERVICE, service(calls, cluster, "FARGATE"), Event())


def test_another_provider_needs_a_new_deployment(calls, cluster):
    lifecycle.create(calls, PROVIDERS, both(cluster), Event())
    before = service(calls, cluster, "FARGATE", force=False)
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
