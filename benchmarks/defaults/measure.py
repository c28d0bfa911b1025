"""Measures one service by the rehearsal's clock: when its page answers, when it fails, when its tool ends."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.defaults.profiles import Profile, Wait
from benchmarks.defaults.stage import GOOD, Case, Scenario, declare
from i18n import Text
from ops.aws.session import Session
from ops.rollout.follow import follow, succeeded
from ops.rollout.verdict import Patience
from ops.waiting import Changes, Pace
from tests.dataplane.declarations import REGION
from tests.dataplane.stack import Stack

TOOL_POLL = 10.0
"""AWS seconds between two polls of a tool: the provider's longest pause (terraform-plugin-sdk, StateChangeConf)."""
PAGE_POLL = 0.05
"""Real seconds between two requests for the page."""
STEADY = " has reached a steady state."
ENDED_BADLY = ("STOPPED", "ROLLBACK_FAILED", "ROLLBACK_SUCCESSFUL")
"""The statuses of a failed deployment in terraform-provider-aws, findDeploymentStatus."""


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
    seen = (
        case.expected,
        patience,
        pace,
        Silent(),
        Changes(),
        lambda: stack.clock.monotonic() / pace.speed,
    )
    ended = asyncio.run(follow(Session(REGION), *seen))
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
