"""The Application Load Balancer, its security group and its target group."""

from __future__ import annotations

from typing import Any, TypeAlias

import pulumi
import pulumi_aws as aws

from careapp.settings.load_balancer import IDLE_SECONDS
from careapp.settings.settings import Settings
from ecs_gate.facts.clients import EVERYONE

from . import listeners
from .component import Component
from .logs import AccessLogs
from .network import Network, security_group

Action: TypeAlias = aws.lb.ListenerRuleActionArgsDict
TARGET_PORT = 80
"""A required argument that ECS does not use: it registers each task with the container's port.

It differs from the container's port on purpose: that port can then change without replacing the
target group, whose name is fixed and which a listener rule refers to.
"""


class LoadBalancer(Component):
    """An internet-facing load balancer whose default action is a 503 page.

    Stage 2 adds a listener rule that forwards to the tasks. The default action stays, so that turning
    ECS on only adds resources. A task that is being stopped has ``deregistration_seconds`` to finish its requests.
    """

    listener_arn: pulumi.Output[str]
    """The listener that serves the page."""
    alternate: aws.lb.TargetGroup | None = None
    """The second target group of a strategy that shifts requests. ECS takes the two in turn."""

    @property
    def group_suffixes(self) -> list[pulumi.Output[str]]:
        """The ARN suffixes of the target groups."""
        second = [self.alternate.arn_suffix] if self.alternate else []
        return [self.target_group_suffix, *second]

    def __init__(
        self, name: str, settings: Settings, network: Network, *, deregistration_seconds: int = 15
    ) -> None:
        super().__init__(name, settings)
        self.network, self.deregistration_seconds = network, deregistration_seconds
        security_group = self._security_group(name)
        balancer = self._balancer(name, security_group)
        self.arn, self.dns_name = balancer.arn, balancer.dns_name
        self.security_group_id = security_group.id
        self.listener_arn = listeners.create(name, settings, balancer, self.child).arn
        self.url = listeners.page_url(name, settings, balancer, self.child)
        names = settings.names
        group = self._target_group(f"{name}-tg", names.target_group)
        self.target_group_arn = group.arn
        self.arn_suffix, self.target_group_suffix = balancer.arn_suffix, group.arn_suffix
        if settings.service.deployment.shifts:
            self.alternate = self._target_group(f"{name}-tg2", names.alternate_group)
        self.register_outputs({})

    def _security_group(self, name: str) -> aws.ec2.SecurityGroup:
        # EC2 cannot change a description: a stack that has another one keeps its group.
        kept = {"ignore_changes": ["description"]}
        group = security_group(f"{name}-alb", "The load balancer", self.network, self, **kept)
        for protocol, port in self.settings.https.ports.items():
            for network in map(str, self.settings.allowed.networks):
                self._allow(name, group, protocol, port, network, cidr_ipv4=network)
            for prefix_list in self.settings.allowed.prefix_lists:
                self._allow(name, group, protocol, port, prefix_list, prefix_list_id=prefix_list)
        return group

    def _allow(
        self,
        name: str,
        group: aws.ec2.SecurityGroup,
        protocol: str,
        port: int,
        client: str,
        **peer: Any,
    ) -> None:
        """Create the rule of one entry and port.

        The entry is in its name: when the setting changes, an entry that stays keeps its rule, and Pulumi creates the
        rules of new entries before it deletes those of old ones.
        """
        source, who = ("internet", "anywhere") if client == str(EVERYONE) else (client, client)
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-{source.replace('/', '-')}-to-alb-{port}",
            security_group_id=group.id,
            description=f"{protocol} from {who}",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=self.child,
            **peer,
        )

    def _balancer(self, name: str, group: aws.ec2.SecurityGroup) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            f"{name}-alb",
            name=self.settings.names.balancer,
            load_balancer_type="application",
            internal=False,
            ip_address_type="ipv4",
            subnets=self.network.public_subnet_ids,
            security_groups=[group.id],
            idle_timeout=IDLE_SECONDS,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            enable_deletion_protection=self.settings.protect,
            access_logs=self._access_logs(name),
            opts=self.options(protect=self.settings.protect, delete_before_replace=True),
        )

    def _target_group(self, name: str, target_group: str) -> aws.lb.TargetGroup:
        """Create a target group with the settings' health check; ``target_group`` is its name in AWS."""
        health = self.settings.health
        return aws.lb.TargetGroup(
            name,
            name=target_group,
            target_type="ip",
            protocol="HTTP",
            port=TARGET_PORT,
            vpc_id=self.network.vpc_id,
            deregistration_delay=self.deregistration_seconds,
            health_check={
                "enabled": True,
                "protocol": "HTTP",
                "port": "traffic-port",
                "path": health.path,
                "matcher": health.matcher,
                "interval": health.interval,
                "timeout": health.timeout,
                "healthy_threshold": health.healthy,
                "unhealthy_threshold": health.unhealthy,
            },
            opts=self.options(delete_before_replace=True),
        )

    def forward(self, order: int | None = None) -> Action:
        """Return the action that forwards to the tasks, the last one of its rule."""
        return {"type": "forward", "target_group_arn": self.target_group_arn, "order": order}

    def rule(
        self,
        name: str,
        priority: int,
        condition: aws.lb.ListenerRuleConditionArgsDict,
        actions: list[Action],
        opts: pulumi.ResourceOptions,
    ) -> aws.lb.ListenerRule:
        """Create a listener rule that forwards to the tasks.

        ECS refuses a target group that no load balancer uses. ELB does not delete a target group that a
        rule refers to (API reference, DeleteTargetGroup: ResourceInUse). So the rule must be replaced
        with the target group: its listener ARN, which forces replacement, depends on the target group.
        """
        arns = pulumi.Output.all(self.listener_arn, self.target_group_arn)
        return aws.lb.ListenerRule(
            name,
            listener_arn=arns.apply(lambda both: str(both[0])),
            priority=priority,
            conditions=[condition],
            actions=actions,
            opts=opts,
        )

    def _access_logs(self, name: str) -> aws.lb.LoadBalancerAccessLogsArgsDict | None:
        if not self.settings.logs.traffic:
            return None
        return {"bucket": AccessLogs(name, self.settings, self.child).bucket, "enabled": True}
