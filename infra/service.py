"""Stage 2: the ECS cluster, the service and its listener rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from careapp.settings.names import CONTAINER
from careapp.settings.service import ServiceSettings
from careapp.settings.settings import Settings
from careapp.settings.shifting import MAXIMUM_PERCENT, DeploymentSettings

from . import alarms
from .component import Component
from .login import Login, authenticate
from .scaling import Scaling
from .security_groups import TaskAccess
from .shifting import Shifting, configuration, listener_rule
from .task import ServiceArgs, Task

ON_DEMAND, SPOT = "FARGATE", "FARGATE_SPOT"


def deployment_settings(settings: ServiceSettings) -> dict[str, Any]:
    """Return what the ECS services of the web tasks and of the workers share: capacity, deployments and rollback."""
    return {
        # Never a launch type: pulumi-aws replaces a service that changes from one to the other. Spot has no base on
        # FARGATE: in a stack of one task that task would be the base.
        "capacity_provider_strategies": [
            {"capacity_provider": SPOT if settings.spot else ON_DEMAND, "base": 0, "weight": 1}
        ],
        # ECS changes the capacity provider only with a new deployment.
        "force_new_deployment": True,
        "platform_version": "LATEST",
        "deployment_circuit_breaker": {"enable": True, "rollback": True},
        "deployment_minimum_healthy_percent": 100,
        "deployment_maximum_percent": MAXIMUM_PERCENT,
        "availability_zone_rebalancing": "ENABLED",
        "enable_execute_command": settings.exec_enabled,
        "enable_ecs_managed_tags": True,
        "propagate_tags": "SERVICE",
        # The provider's wait reports a rolled-back deployment as success.
        "wait_for_steady_state": False,
    }


def strategy(
    name: str, watched: Sequence[pulumi.Input[str]], settings: DeploymentSettings, minutes: int
) -> dict[str, Any]:
    """Return the service's arguments for the strategy, the alarms that ECS watches, and for how long.

    All three values are always given: UpdateService keeps what a request leaves out, so alarms would
    stay (aws/copilot-cli#4565). A rolling deployment may set the bake time (ECS developer guide, "How
    CloudWatch alarms detect Amazon ECS deployment failures").
    """
    # The provider drops an empty list (terraform-provider-aws, expandAlarms), and the SDK refuses a
    # request without one. So a service without alarms names the first of them, disabled.
    names = watched or [f"{name}-{alarms.ERRORS}"]
    return {
        "alarms": {"alarm_names": names, "enable": bool(watched), "rollback": bool(watched)},
        "deployment_configuration": configuration(settings, minutes)
        if settings.shifts
        else {"strategy": "ROLLING", "bake_time_in_minutes": str(settings.bake if watched else 0)},
    }


class Service(Component):
    """The ECS service behind the load balancer.

    A deployment starts new tasks before it stops old ones, and rolls back automatically when the new
    ones do not become healthy. Only the ECS service is protected: the other resources are its
    dependencies, and updates must be able to replace task definitions and rules. ``container_insights``
    are metrics of each task, billed by the metric; without them ECS reports CPU and memory.
    """

    network: aws.ecs.ServiceNetworkConfigurationArgsDict
    """Subnets, security groups and whether there is a public address, of web tasks, workers and jobs."""
    workers: dict[str, tuple[aws.ecs.Service, pulumi.Output[str]]]
    """The workers' ECS services by name, with their task definitions, which `Workers` adds."""
    shifting: Shifting | None = None
    """What a strategy other than `rolling` needs."""
    login_rule_arns: Sequence[pulumi.Output[str]] = ()
    """The listener rules with which users log in; none without a login."""

    def __init__(
        self, name: str, settings: Settings, args: ServiceArgs, *, container_insights: bool = False
    ) -> None:
        super().__init__(name, settings)
        self.args, self.workers, self.container_insights = args, {}, container_insights
        cluster, database, balancer = self._cluster(name), args.database, args.balancer
        access = TaskAccess(name, settings, args.network, balancer, database, self.child)
        self.task, self.cluster_arn = Task(name, settings, args, self.child), cluster.arn
        self.network = {
            "subnets": args.network.task_subnet_ids,
            "security_groups": [access.security_group_id],
            "assign_public_ip": args.network.tasks_are_public,
        }
        # A service can use only the capacity providers that its cluster has.
        capacity = aws.ecs.ClusterCapacityProviders(
            f"{name}-cluster",
            cluster_name=cluster.name,
            capacity_providers=[ON_DEMAND, SPOT],
            opts=self.child,
        )
        self.service = self._service(name, [self._forward(name), access, self.task, capacity])
        self.cluster_name, self.service_name = cluster.name, self.service.name
        self.log_group_name = self.task.log_group_name
        self._scale(name)
        self.register_outputs({})

    def _cluster(self, name: str) -> aws.ecs.Cluster:
        return aws.ecs.Cluster(
            f"{name}-cluster",
            name=self.settings.names.cluster,
            settings=[
                {
                    "name": "containerInsights",
                    "value": "enabled" if self.container_insights else "disabled",
                }
            ],
            opts=self.options(delete_before_replace=True),
        )

    def _forward(self, name: str) -> pulumi.Resource:
        """Create the listener rule that forwards to the tasks, and what shifts requests between two versions."""
        balancer = self.args.balancer
        if balancer.alternate:
            groups = balancer, balancer.alternate
            self.shifting = Shifting(name, self.settings, *groups, self.child)
            return self.shifting
        endpoints = self.args.endpoints
        if endpoints is None:
            return listener_rule(name, balancer, [balancer.forward()], self.child)
        before = Login(name, self.settings, balancer, endpoints, self.child)
        actions = [authenticate(self.settings.login, endpoints), balancer.forward(order=2)]
        rule = listener_rule(name, balancer, actions, self.options(depends_on=[before]))
        self.login_rule_arns = (before.rule_arn, rule.arn)
        return rule

    def _service(self, name: str, ready: Sequence[pulumi.Resource]) -> aws.ecs.Service:
        settings, shifting = self.settings.service, self.shifting
        minutes = self.settings.rollout_minutes
        return aws.ecs.Service(
            f"{name}-service",
            name=self.settings.names.service,
            cluster=self.cluster_arn,
            task_definition=self.task.definition_arn,
            desired_count=settings.desired_count,
            network_configuration=self.network,
            load_balancers=[
                {
                    "target_group_arn": self.args.balancer.target_group_arn,
                    "container_name": CONTAINER,
                    "container_port": settings.port,
                    "advanced_configuration": shifting.registration() if shifting else None,
                }
            ],
            health_check_grace_period_seconds=settings.grace_period,
            **deployment_settings(settings),
            **strategy(name, self._alarms(name), settings.deployment, minutes),
            opts=self.options(
                protect=self.settings.protect,
                delete_before_replace=True,
                depends_on=list(ready),
                # Application Auto Scaling changes the count; an update must not reset it.
                ignore_changes=["desiredCount"] if settings.scaling.enabled else None,
                hooks=self.args.hooks,
            ),
        )

    def _alarms(self, name: str) -> list[pulumi.Output[str]]:
        """Create the deployment alarms, which must exist before the service, and return their names.

        They notify nobody: ECS reads their state, and the failed deployment is notified.
        """
        settings, balancer = self.settings, self.args.balancer
        if not settings.monitoring.deployment_alarms:
            return []
        suffixes = balancer.arn_suffix, balancer.group_suffixes
        watched = alarms.deployment(*suffixes, settings.monitoring)
        alarm_resources = alarms.create(self, name, watched, None)
        return [resource.name for resource in alarm_resources]

    def _scale(self, name: str) -> None:
        scaling, balancer = self.settings.service.scaling, self.args.balancer
        if not scaling.enabled:
            return
        label = pulumi.Output.concat(balancer.arn_suffix, "/", balancer.target_group_suffix)
        Scaling(name, self.settings, scaling, self.service, self.child, balancing=label)
