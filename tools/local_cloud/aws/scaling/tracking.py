"""Target tracking of Application Auto Scaling: alarms on a metric that change a service's desired count.

Source, unless another is named: Application Auto Scaling user guide, "How target tracking scaling for Application
Auto Scaling works", and ECS developer guide, "Automatically scale your Amazon ECS service".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moto.cloudwatch.models import Dimension

from tools.local_cloud.aws import hooks
from tools.local_cloud.aws.cloudwatch.alarms import ALARM, INSUFFICIENT, NEW
from tools.local_cloud.aws.cloudwatch.store import MINUTE, STORE, Metric
from tools.local_cloud.aws.hooks import Params, after, backend
from tools.local_cloud.aws.scaling import rules
from tools.local_cloud.aws.scaling.rules import SERVICE, clamp, set_count

DIMENSION = "ecs:service:DesiredCount"
HIGH_PERIODS, LOW_PERIODS, LOW_SHARE = 3, 15, 0.9
"""Minutes above the target, and minutes below this share of it, until the alarms of a policy are in ALARM.

The guide says of the second only "usually more than 10% lower". The numbers are those of the alarms that AWS creates.
"""
COOLDOWN = 300.0
"""Seconds; the default of both cooldowns for ECS (API reference, TargetTrackingScalingPolicyConfiguration)."""
UTILIZATION = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}


@after(SERVICE, "PutScalingPolicy")
def set_alarms(params: Params) -> None:
    """Set metric and thresholds of a policy's two alarms; moto's always have a threshold of 6 and know no requests."""
    for policy in backend(SERVICE).policies.values():
        if (policy.policy_name, policy.resource_id) == (params["PolicyName"], params["ResourceId"]):
            declared = policy.target_tracking_scaling_policy_configuration
            for alarm, periods, share in zip(
                policy.alarms, (HIGH_PERIODS, LOW_PERIODS), (1, LOW_SHARE), strict=False
            ):
                alarm.namespace, alarm.metric_name, alarm.statistic, dimensions = _metric(policy)
                alarm.dimensions = [Dimension(*each) for each in dimensions.items()]
                alarm.evaluation_periods = periods
                alarm.threshold = float(declared["TargetValue"]) * share
                alarm.unit = None
                alarm.state_value, alarm.state_reason = INSUFFICIENT, NEW


def _metric(policy: Any) -> tuple[str, str, str, dict[str, str]]:
    """Return a policy's namespace, metric, statistic and dimensions (API reference, PredefinedMetricSpecification)."""
    declared = policy.target_tracking_scaling_policy_configuration["PredefinedMetricSpecification"]
    kind = declared["PredefinedMetricType"]
    if kind in UTILIZATION:
        _, cluster, name = policy.resource_id.split("/")
        dimensions = {"ClusterName": cluster, "ServiceName": name}
        return "AWS/ECS", UTILIZATION[kind], "Average", dimensions
    balancer, _, group = declared["ResourceLabel"].partition("/targetgroup/")
    dimensions = {"LoadBalancer": balancer, "TargetGroup": f"targetgroup/{group}"}
    return "AWS/ApplicationELB", "RequestCountPerTarget", "Sum", dimensions


def needed(running: int, value: float, target: float) -> int:
    """Return the tasks that bring the metric to its target, rounded up: AWS rounds to the safe side."""
    return math.ceil(running * value / target - 1e-9)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A policy in one minute: its metric's value, and which of its alarms are in ALARM."""

    policy: str
    target: float
    value: float
    high: str = ""
    low: str = ""
    scales_in: bool = True
    out_cooldown: float = COOLDOWN
    in_cooldown: float = COOLDOWN

    def needed(self, running: int) -> int:
        """Return the tasks that this policy asks for, where so many run."""
        return needed(running, self.value, self.target)


def read(policy: Any, minute: int) -> Reading | None:
    """Return a policy's reading; None without data, by which AWS does not scale."""
    declared, (high, low) = policy.target_tracking_scaling_policy_configuration, policy.alarms
    dimensions = frozenset((each.name, each.value) for each in high.dimensions)
    metric = Metric(high.namespace, high.metric_name, dimensions)
    found = STORE.series(metric, range(minute, minute + MINUTE, MINUTE), high.statistic)
    if minute not in found:
        return None
    return Reading(
        policy=policy.policy_name,
        target=float(declared["TargetValue"]),
        value=found[minute],
        high=high.name if high.state_value == ALARM else "",
        low=low.name if low.state_value == ALARM else "",
        scales_in=not declared.get("DisableScaleIn"),
        out_cooldown=float(declared.get("ScaleOutCooldown", COOLDOWN)),
        in_cooldown=float(declared.get("ScaleInCooldown", COOLDOWN)),
    )


@dataclass(frozen=True)
class Change:
    """A new desired count, with the cause as AWS words it."""

    count: int
    cause: str


@dataclass
class Cooldowns:
    """The cooldowns of one service, in AWS seconds since 1970, and the tasks that ran when it was scaled out."""

    out_until: float = 0.0
    in_until: float = 0.0
    ran: int = 0

    def scale_out(self, readings: Sequence[Reading], running: int, now: float) -> Change | None:
        """Return the count that the policies above their target ask for, and begin the cooldown.

        During the cooldown the tasks that it began with count, so that only a larger load adds more.
        """
        above = [each for each in readings if each.high]
        if not above:
            return None
        if now >= self.out_until:
            self.ran = running
        most = max(above, key=lambda each: each.needed(self.ran))
        return Change(most.needed(self.ran), cause(most.high, most.policy))

    def scale_in(self, readings: Sequence[Reading], running: int, now: float) -> Change | None:
        """Return the largest count that a policy asks for; None unless all policies are below their target."""
        deciding = [each for each in readings if each.scales_in]
        if not deciding or now < self.in_until or not all(each.low for each in deciding):
            return None
        most = max(deciding, key=lambda each: each.needed(running))
        return Change(most.needed(running), cause(most.low, most.policy))


def cause(alarm: str, policy: str) -> str:
    """Return an activity's cause."""
    return f"monitor alarm {alarm} in state ALARM triggered policy {policy}"


class Tracking:
    """Scales every ECS service by its policies, once a minute, after its alarms were evaluated."""

    def __init__(self) -> None:
        self._cooldowns: dict[str, Cooldowns] = {}
        rules.ACTIVITIES.clear()

    def follow(self, minute: int) -> None:
        """Change the desired counts for which the alarms call at the end of this minute."""
        with hooks.LOCK:
            rules.settle_activities()
            for resource, target in list(backend(SERVICE).targets.get(DIMENSION, {}).items()):
                service = rules.service_of(target)
                policies = [
                    each
                    for each in backend(SERVICE).policies.values()
                    if each.resource_id == resource and len(each.alarms) == 2
                ]
                readings = [read(each, minute) for each in policies]
                if service is not None and readings:
                    self._scale(target, service, readings, float(minute + MINUTE))

    def _scale(
        self, target: Any, service: Any, readings: Sequence[Reading | None], now: float
    ) -> None:
        cooldowns = self._cooldowns.setdefault(target.resource_id, Cooldowns())
        known = [each for each in readings if each is not None]
        suspended = target.suspended_state or {}
        running, desired = int(service.running_count), int(service.desired_count)
        if not suspended.get("DynamicScalingOutSuspended"):
            change = cooldowns.scale_out(known, running, now)
            if change and self._set(target, change, desired, up=True):
                cooldowns.out_until = now + max(each.out_cooldown for each in known)
                # A scale-out ends the cooldown of a scale-in.
                cooldowns.in_until = 0.0
            if change:
                return
        if suspended.get("DynamicScalingInSuspended") or len(known) < len(readings):
            return
        change = None if _deploys(service) else cooldowns.scale_in(known, running, now)
        if change and self._set(target, change, desired, up=False):
            cooldowns.in_until = now + max(each.in_cooldown for each in known)

    def _set(self, target: Any, change: Change, desired: int, up: bool) -> bool:
        count = clamp(target, change.count)
        if not (count > desired if up else count < desired):
            return False
        rules.begin_activity(target, count, change.cause)
        _, cluster, name = target.resource_id.split("/")
        set_count(cluster, name, count)
        return True


def _deploys(service: Any) -> bool:
    """Return whether a deployment is in progress. AWS does not scale in then."""
    return any(each.get("rolloutState") == "IN_PROGRESS" for each in service.deployments)
