"""Stage 2: the app on ECS Fargate, and the ways between it, the load balancer and the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import placement
from infra.access import TaskAccess, TaskAccessArgs
from infra.database import Database
from infra.load_balancer import LoadBalancer
from infra.network import Network
from infra.registry import AppImage
from infra.scaling import Scaling, ScalingArgs
from infra.task import Task, TaskArgs
from stack.names import CONTAINER, RULE_PRIORITY
from stack.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """What a service needs to be told: the stack's settings and its neighbours."""

    settings: Settings
    network: Network
    image: AppImage
    database: Database
    balancer: LoadBalancer


class Service(pulumi.ComponentResource):
    """The app's tasks behind the load balancer.

    A roll-out starts new tasks before it stops old ones, and goes back by itself when the new
    ones do not get healthy. Protection covers the ECS service alone: all else here leads to it,
    so a destroy stops there, while a release may still replace task definitions and rules.
    """

    cluster_name: pulumi.Output[str]
    service_name: pulumi.Output[str]
    log_group_name: pulumi.Output[str]
    task_definition_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:Service", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        self.settings, self.tags = args.settings.service, args.settings.tags
        cluster, access = self._cluster(name), self._access(name)
        task = self._task(name)
        capacity = placement.providers(name, cluster, self.child)
        ready = [self._forward(name), access, task, capacity]
        self.service = self._service(name, cluster, task, access, ready)
        self.cluster_name = cluster.name
        self.service_name = self.service.name
        self._scale(name)
        self.log_group_name = task.log_group_name
        self.task_definition_arn = task.definition_arn
        self.register_outputs(
            {
                "cluster_name": self.cluster_name,
                "service_name": self.service_name,
                "log_group_name": self.log_group_name,
                "task_definition_arn": self.task_definition_arn,
            }
        )

    def _cluster(self, name: str) -> aws.ecs.Cluster:
        insights = "enabled" if self.settings.insights else "disabled"
        return aws.ecs.Cluster(
            f"{name}-cluster",
            name=self.args.settings.names.cluster,
            settings=[aws.ecs.ClusterSettingArgs(name="containerInsights", value=insights)],
            tags=self.tags,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _task(self, name: str) -> Task:
        args = TaskArgs(
            settings=self.settings,
            region=self.args.settings.region,
            image=self.args.image,
            database=self.args.database,
            names=self.args.settings.names,
            tags=self.tags,
        )
        return Task(name, args, self.child)

    def _access(self, name: str) -> TaskAccess:
        args = TaskAccessArgs(
            vpc_id=self.args.network.vpc_id,
            balancer_group_id=self.args.balancer.security_group_id,
            database_group_id=self.args.database.security_group_id,
            container_port=self.settings.port,
            database_port=self.args.database.port,
            tags=self.tags,
        )
        return TaskAccess(name, args, self.child)

    def _forward(self, name: str) -> aws.lb.ListenerRule:
        """Without it ECS refuses the target group: no load balancer would use it.

        Where the target group is replaced, the rule must go before it: ELB deletes no target group that
        a rule names (API reference, DeleteTargetGroup: ResourceInUse). So the listener's ARN depends on
        the target group, too: the engine replaces what depends on it by an input that cannot change.
        """
        balancer = self.args.balancer
        arns = pulumi.Output.all(balancer.listener_arn, balancer.target_group_arn)
        return aws.lb.ListenerRule(
            f"{name}-app",
            listener_arn=arns.apply(lambda both: str(both[0])),
            priority=RULE_PRIORITY,
            conditions=[
                aws.lb.ListenerRuleConditionArgs(
                    path_pattern=aws.lb.ListenerRuleConditionPathPatternArgs(values=["/*"])
                )
            ],
            actions=[
                aws.lb.ListenerRuleActionArgs(
                    type="forward", target_group_arn=balancer.target_group_arn
                )
            ],
            tags=self.tags,
            opts=self.child,
        )

    def _service(
        self,
        name: str,
        cluster: aws.ecs.Cluster,
        task: Task,
        access: TaskAccess,
        ready: Sequence[pulumi.Resource],
    ) -> aws.ecs.Service:
        args, settings = self.args, self.settings
        return aws.ecs.Service(
            f"{name}-service",
            name=args.settings.names.service,
            cluster=cluster.arn,
            task_definition=task.definition_arn,
            desired_count=settings.desired_count,
            network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
                subnets=args.network.task_subnet_ids,
                security_groups=[access.security_group_id],
                assign_public_ip=args.network.tasks_are_public,
            ),
            load_balancers=[self._registration()],
            **placement.scheduling(settings),
            enable_execute_command=settings.exec_enabled,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            tags=self.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.settings.protect,
                delete_before_replace=True,
                depends_on=list(ready),
                # Whoever scales decides; another update must not take the count back.
                ignore_changes=["desiredCount"] if settings.scaling.enabled else None,
            ),
        )

    def _scale(self, name: str) -> None:
        if not self.settings.scaling.enabled:
            return
        args = ScalingArgs(
            settings=self.settings.scaling,
            cluster_name=self.cluster_name,
            service_name=self.service_name,
            balancing=pulumi.Output.concat(
                self.args.balancer.arn_suffix, "/", self.args.balancer.target_group_suffix
            ),
            tags=self.tags,
        )
        Scaling(name, args, self.child)

    def _registration(self) -> aws.ecs.ServiceLoadBalancerArgs:
        """Each task enters the target group by its own address and the container's port."""
        return aws.ecs.ServiceLoadBalancerArgs(
            target_group_arn=self.args.balancer.target_group_arn,
            container_name=CONTAINER,
            container_port=self.settings.port,
        )
