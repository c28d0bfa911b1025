"""Application Auto Scaling of the service: by load between two bounds, and to zero outside the schedule."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from careapp.settings.scaling import ScalingSettings
from careapp.settings.settings import Settings

from .component import Component

NAMESPACE, DIMENSION = "ecs", "ecs:service:DesiredCount"
OUT_SECONDS, IN_SECONDS = 60, 300
"""Scale out quickly and in slowly: too few tasks are an outage, too many cost little."""


class Scaling(Component):
    """The scalable target of the ECS service, its scaling policies and scheduled actions.

    RegisterScalableTarget moves the desired count into the range (API reference). So tasks start again
    when `schedule` is removed outside its hours. With a schedule its actions change the range, and
    Pulumi ignores it: an update outside the hours would start tasks.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        scaling: ScalingSettings,
        service: aws.ecs.Service,
        opts: pulumi.ResourceOptions,
        *,
        balancing: pulumi.Input[str] = "",
    ) -> None:
        """Scale ``service``; ``balancing`` is the resource label of the request metric."""
        super().__init__(name, settings, opts)
        self.scaling, self.service = scaling, service
        target = self._target(name)
        self.scaled: dict[str, Any] = {
            "service_namespace": target.service_namespace,
            "scalable_dimension": target.scalable_dimension,
            "resource_id": target.resource_id,
        }
        if scaling.cpu:
            self._track(f"{name}-cpu", "ECSServiceAverageCPUUtilization", scaling.cpu)
        if scaling.requests:
            metric = "ALBRequestCountPerTarget"
            self._track(f"{name}-requests", metric, scaling.requests, balancing)
        if hours := scaling.hours:
            self._at(f"{name}-start", hours.starts, scaling.minimum, scaling.maximum)
            self._at(f"{name}-stop", hours.stops, 0, 0)
        self.register_outputs({})

    def _target(self, name: str) -> aws.appautoscaling.Target:
        scaling, cluster = self.scaling, self.settings.names.cluster
        return aws.appautoscaling.Target(
            f"{name}-service",
            service_namespace=NAMESPACE,
            scalable_dimension=DIMENSION,
            resource_id=pulumi.Output.concat(f"service/{cluster}/", self.service.name),
            min_capacity=scaling.minimum,
            max_capacity=scaling.maximum,
            # Changes with `schedule`, so that removing the schedule registers the range again.
            suspended_state={
                "dynamic_scaling_in_suspended": False,
                "dynamic_scaling_out_suspended": False,
                "scheduled_scaling_suspended": scaling.hours is None,
            },
            opts=self.options(
                ignore_changes=["minCapacity", "maxCapacity"] if scaling.hours else None,
            ),
        )

    def _track(
        self, name: str, metric: str, value: int, label: pulumi.Input[str] | None = None
    ) -> None:
        aws.appautoscaling.Policy(
            name,
            name=name,
            policy_type="TargetTrackingScaling",
            **self.scaled,
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

    def _at(self, name: str, when: str, low: int, high: int) -> None:
        aws.appautoscaling.ScheduledAction(
            name,
            name=name,
            **self.scaled,
            schedule=when,
            timezone=self.scaling.time_zone,
            scalable_target_action={"min_capacity": low, "max_capacity": high},
            opts=self.child,
        )
