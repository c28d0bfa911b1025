"""Runs services with different settings on one local cloud, and measures by its clock when each answers or fails."""

from __future__ import annotations

import asyncio
import os
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from unittest.mock import patch

from benchmarks.defaults.profiles import Profile, Wait
from i18n import Text
from ops.aws.pace import Pace
from ops.aws.session import Session
from ops.rollout.follow import follow, succeeded
from ops.rollout.verdict import Patience
from ops.rollout.view import Expected
from ops.waiting import Changes
from tests.dataplane.conftest import at_speed
from tests.dataplane.declarations import REGION
from tests.dataplane.stack import Stack

TOOL_POLL = 10.0
"""AWS seconds between two polls of a tool: the provider's longest pause (terraform-plugin-sdk, StateChangeConf)."""
PAGE_POLL = 0.05
"""Real seconds between two requests for the page."""
STEADY = " has reached a steady state."
ENDED_BADLY = ("STOPPED", "ROLLBACK_FAILED", "ROLLBACK_SUCCESSFUL")
"""The statuses of a failed deployment in terraform-provider-aws, findDeploymentStatus."""
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


@dataclass(frozen=True)
class Said:
    """The result that a tool reports, and when, in AWS seconds from the service's creation."""

    green: bool
    at: float


@dataclass(frozen=True)
class Seen:
    """The result of one service in AWS seconds from its creation; None: not within ``watched``."""

    watched: float
    page: float | None
    steady: float | None
    failed: float | None
    tasks: int
    said: Said | None


class Silent:
    """Discards the gate's progress."""

    def moment(self, text: Text) -> None:
        """Discard the line."""

    def lasting(self, text: Text) -> None:
        """Discard the line."""


def measure(stack: Stack, name: str, profile: Profile, scenario: Scenario, minutes: float) -> Seen:
    """Create the service and follow it until it is steady or has failed, at most ``minutes`` of AWS's time."""
    case = declare(stack, name, profile, scenario)
    end = case.begun + 60 * minutes
    with ThreadPoolExecutor(3) as pool:
        page = pool.submit(_page, stack, case, end) if scenario is GOOD else None
        said = pool.submit(_tool, stack, case, profile, end)
        deployment = _outcome(stack, case, end)
        found = said.result()
        first = page.result() if page else None
    service = _service(stack, case)
    created, steady = service["deployments"][0]["createdAt"], _steady(service)
    failed = deployment["finishedAt"] if deployment["status"] in ENDED_BADLY else None
    seen = Seen(
        watched=stack.clock.monotonic() - case.begun,
        page=first,
        steady=_since(created, steady),
        failed=_since(created, failed),
        tasks=_tasks(stack, case),
        said=found,
    )
    stack.ecs.update_service(cluster=case.expected.cluster, service=name, desiredCount=0)
    return seen


def _page(stack: Stack, case: Case, end: float) -> float | None:
    """Return when the page first answered 200 through the load balancer."""
    while stack.clock.monotonic() < end:
        try:
            with urllib.request.urlopen(case.url, timeout=5) as answer:  # noqa: S310 - a loopback address
                if answer.status == 200:
                    return stack.clock.monotonic() - case.begun
        except OSError:
            pass
        time.sleep(PAGE_POLL)
    return None


def _outcome(stack: Stack, case: Case, end: float) -> dict[str, Any]:
    """Return the first deployment when it has ended, or its state at the end."""
    while True:
        late = stack.clock.monotonic() >= end
        deployment = _deployment(stack, case)
        if deployment["status"] in ENDED_BADLY or late:
            return deployment
        if deployment["status"] == "SUCCESSFUL" and _steady(_service(stack, case)):
            return deployment
        time.sleep(stack.clock.wall(TOOL_POLL))


def _tool(stack: Stack, case: Case, profile: Profile, end: float) -> Said | None:
    """Wait as the profile's tool does; return None when it still waits at the end."""
    if profile.wait.value is Wait.GATE:
        return _gate(stack, case, profile)
    while (now := stack.clock.monotonic()) < end:
        elapsed, status = now - case.begun, _deployment(stack, case)["status"]
        if profile.wait.value is Wait.NOBODY or status == "SUCCESSFUL":
            return Said(True, elapsed)
        if status in ENDED_BADLY or elapsed >= profile.limit.value:
            return Said(False, elapsed)
        time.sleep(stack.clock.wall(TOOL_POLL))
    return None


def _gate(stack: Stack, case: Case, profile: Profile) -> Said:
    """Return the verdict of this project's roll-out gate, as in `pulumi up`."""
    pace = Pace(poll=stack.clock.wall(Pace().poll), speed=stack.clock.speed)
    patience = Patience.of(pace, profile.limit.value / 60, notice=0)
    ended = asyncio.run(
        follow(
            Session(REGION),
            case.expected,
            patience,
            pace,
            Silent(),
            Changes(),
            now=lambda: stack.clock.monotonic() / pace.speed,
        )
    )
    return Said(succeeded(ended), stack.clock.monotonic() - case.begun)


def _service(stack: Stack, case: Case) -> dict[str, Any]:
    asked = stack.ecs.describe_services(cluster=case.expected.cluster, services=[case.name])
    (found,) = asked["services"]
    return dict(found)


def _deployment(stack: Stack, case: Case) -> dict[str, Any]:
    """Return the service's only deployment from DescribeServiceDeployments."""
    where = {"cluster": case.expected.cluster, "service": case.name}
    (brief,) = stack.ecs.list_service_deployments(**where)["serviceDeployments"]
    return dict(brief)


def _steady(service: dict[str, Any]) -> datetime | None:
    """Return the time of the service's last event of a steady state."""
    said = [each for each in service["events"] if each["message"].endswith(STEADY)]
    return said[0]["createdAt"] if said else None


def _since(begun: datetime, then: datetime | None) -> float | None:
    return None if then is None else (then - begun).total_seconds()


def _tasks(stack: Stack, case: Case) -> int:
    """Return how many tasks the service has started: ECS lists a stopped one for an hour."""
    pages = stack.ecs.get_paginator("list_tasks")
    where = {"cluster": case.expected.cluster, "serviceName": case.name}
    return sum(
        len(page["taskArns"])
        for status in ("RUNNING", "STOPPED")
        for page in pages.paginate(**where, desiredStatus=status)
    )
