"""Application Auto Scaling of the service: by load between two bounds, and to zero outside the schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from stack.scaling import ScalingSettings

NAMESPACE, DIMENSION = "ecs", "ecs:service:DesiredCount"
OUT_SECONDS, IN_SECONDS = 60, 300
"""Scale out quickly and in slowly: too few tasks are an outage, too many cost little."""


@dataclass(frozen=True, kw_only=True)
class ScalingArgs:
    """The service to scale. `balancing` is the resource label of the request metric."""

    settings: ScalingSettings
    cluster_name: pulumi.Input[str]
    service_name: pulumi.Input[str]
    balancing: pulumi.Input[str] = ""
    tags: Mapping[str, str] = field(default_factory=dict)


class Scaling(pulumi.ComponentResource):
    """The scalable target of the ECS service, its scaling policies and scheduled actions.

    RegisterScalableTarget moves the desired count into the range (API reference). So tasks start again
    when `schedule` is removed outside its hours. With a schedule its actions change the range, and
    Pulumi ignores it: an update outside the hours would start tasks.
    """

    def __init__(
        self, name: str, args: ScalingArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:Scaling", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        settings, target = args.settings, self._target(name)
        if settings.cpu:
            self._track(f"{name}-cpu", target, "ECSServiceAverageCPUUtilization", settings.cpu)
        if settings.requests:
            metric = "ALBRequestCountPerTarget"
            self._track(f"{name}-requests", target, metric, settings.requests, args.balancing)
        if settings.hours:
            low, high = settings.minimum, settings.maximum
            self._at(f"{name}-start", target, settings.hours.starts, low, high)
            self._at(f"{name}-stop", target, settings.hours.stops, 0, 0)
        self.register_outputs({})

    def _target(self, name: str) -> aws.appautoscaling.Target:
        settings = self.args.settings
        return aws.appautoscaling.Target(
            f"{name}-service",
            service_namespace=NAMESPACE,
            scalable_dimension=DIMENSION,
            resource_id=pulumi.Output.concat(
                "service/", self.args.cluster_name, "/", self.args.service_name
            ),
            min_capacity=settings.minimum,
            max_capacity=settings.maximum,
            # Changes with `schedule`, so that removing the schedule registers the range again.
            suspended_state=aws.appautoscaling.TargetSuspendedStateArgs(
                dynamic_scaling_in_suspended=False,
                dynamic_scaling_out_suspended=False,
                scheduled_scaling_suspended=settings.hours is None,
            ),
            tags=dict(self.args.tags),
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["minCapacity", "maxCapacity"] if settings.hours else None,
            ),
        )

    def _track(
        self,
        name: str,
        target: aws.appautoscaling.Target,
        metric: str,
        value: int,
        label: pulumi.Input[str] | None = None,
    ) -> None:
        aws.appautoscaling.Policy(
            name,
            name=name,
            policy_type="TargetTrackingScaling",
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            target_tracking_scaling_policy_configuration={
                "predefined_metric_specification": {
                    "predefined_metric_type": metric,
                    "resource_label": label,
                },
                "target_value": value,
                "scale_out_cooldown": OUT_SECONDS,
                "scale_in_cooldown": IN_SECONDS,
            },
            opts=self.child,
        )

    def _at(
        self, name: str, target: aws.appautoscaling.Target, when: str, low: int, high: int
    ) -> None:
        aws.appautoscaling.ScheduledAction(
            name,
            name=name,
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            schedule=when,
            timezone=self.args.settings.time_zone,
            scalable_target_action=aws.appautoscaling.ScheduledActionScalableTargetActionArgs(
                min_capacity=low, max_capacity=high
            ),
            opts=self.child,
        )
