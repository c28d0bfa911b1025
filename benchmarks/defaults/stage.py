"""A local cloud that runs services with different settings at the same time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from benchmarks.defaults.profiles import Profile
from ops.rollout.view import Expected
from tests.dataplane.conftest import at_speed
from tests.dataplane.stack import Stack

CLUSTER, PORT = "main", 3000
APP_PATH, MISSING_PATH = "/health", "/healthz"


@dataclass(frozen=True)
class Scenario:
    """The path of the health check, and whether the app exits at once."""

    name: str
    path: str = APP_PATH
    crashes: bool = False


GOOD = Scenario("good")
NO_PATH = Scenario("no-path", path=MISSING_PATH)
CRASH = Scenario("crash", crashes=True)


@dataclass(frozen=True)
class Case:
    """A service; ``begun`` is its creation in AWS seconds of the clock."""

    name: str
    expected: Expected
    url: str
    begun: float


@contextmanager
def cloud(speed: float) -> Iterator[Stack]:
    """Start moto and a data plane, with the network, roles and cluster that all services share."""
    with contextmanager(at_speed)(speed) as stack:
        stack.network()
        stack.roles()
        stack.ecs.create_cluster(clusterName=CLUSTER)
        stack.logs.create_log_group(logGroupName="/ecs/app")
        with patch.dict(os.environ, AWS_ENDPOINT_URL=stack.endpoint):
            yield stack


def declare(stack: Stack, name: str, profile: Profile, scenario: Scenario) -> Case:
    """Create a load balancer and a service of one task with the profile's settings."""
    group, url = _balancer(stack, name, profile, scenario)
    definition = stack.task_definition(environment={"CRASH": "1"} if scenario.crashes else {})
    begun = stack.clock.monotonic()
    stack.ecs.create_service(
        cluster=CLUSTER,
        serviceName=name,
        taskDefinition=definition,
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": stack.ids["private"],
                "securityGroups": [stack.ids["task-sg"]],
            }
        },
        loadBalancers=[{"targetGroupArn": group, "containerName": "app", "containerPort": PORT}],
        **_scheduling(profile),
    )
    expected = Expected(cluster=CLUSTER, service=name, definition=definition, target_group=group)
    return Case(name, expected, url, begun)


def _scheduling(profile: Profile) -> dict[str, Any]:
    return {
        "healthCheckGracePeriodSeconds": profile.grace.value,
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {
                "enable": profile.breaker.value,
                "rollback": profile.rollback.value,
            },
            "minimumHealthyPercent": profile.minimum.value,
            "maximumPercent": profile.maximum.value,
        },
    }


def _balancer(stack: Stack, name: str, profile: Profile, scenario: Scenario) -> tuple[str, str]:
    """Create a target group and its listener; return the ARN and the URL on this machine."""
    group = stack.target_group(
        name,
        HealthCheckPath=scenario.path,
        HealthCheckIntervalSeconds=profile.interval.value,
        HealthCheckTimeoutSeconds=profile.timeout.value,
        HealthyThresholdCount=profile.healthy.value,
        UnhealthyThresholdCount=profile.unhealthy.value,
    )
    delay = str(profile.deregistration.value)
    stack.elb.modify_target_group_attributes(
        TargetGroupArn=group,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": delay}],
    )
    balancer = stack.elb.create_load_balancer(
        Name=name, Subnets=stack.ids["public"], SecurityGroups=[stack.ids["alb-sg"]]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    listener = stack.elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )["Listeners"][0]["ListenerArn"]
    return group, stack.until(lambda: _url(stack, listener), what="the listener")


def _url(stack: Stack, listener: str) -> str:
    listeners = stack.plane.describe()["listeners"]
    found = [each["url"] for each in listeners if each["arn"] == listener]  # type: ignore[attr-defined]
    return str(found[0]).replace("localhost", "127.0.0.1") if found else ""
