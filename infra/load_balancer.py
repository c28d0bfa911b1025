"""The way in: an Application Load Balancer, its target group, and what it says without ECS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra.access_logs import AccessLogs
from infra.network import Network
from infra.settings import HealthSettings

ANYWHERE = "0.0.0.0/0"
PORT = 80
IDLE_SECONDS = 60
TARGET_PORT = 80
"""What a target group must name and ECS never uses: it registers each task with its own port.

So this is not the container's port: that may change without replacing the target group, whose
name is fixed and which a listener rule holds on to.
"""
NO_SERVICE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>careapp: ECS is off</title>
<h1>ECS is off</h1>
<p>The network, the database and the image are there; the app does not run yet. Start it with:</p>
<pre>pulumi config set ecsEnabled true
pulumi up</pre>
</html>
"""
"""ELB allows a fixed response 1024 bytes (botocore, FixedResponseActionConfig)."""


@dataclass(frozen=True, kw_only=True)
class LoadBalancerArgs:
    """What a load balancer needs to be told."""

    settings: HealthSettings
    network: Network
    protect: bool
    access_logs: AccessLogs | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class LoadBalancer(pulumi.ComponentResource):
    """An internet-facing load balancer that answers 503 and says why until a rule forwards.

    Forwarding is a rule of stage 2 and not the default action, so that turning ECS on adds
    resources and changes none.
    """

    dns_name: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    listener_arn: pulumi.Output[str]
    target_group_arn: pulumi.Output[str]
    arn_suffix: pulumi.Output[str]
    target_group_suffix: pulumi.Output[str]

    def __init__(
        self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:LoadBalancer", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        group = self._security_group(name)
        balancer = self._balancer(name, group)
        self.dns_name = balancer.dns_name
        self.security_group_id = group.id
        self.listener_arn = self._listener(name, balancer).arn
        target_group = self._target_group(name)
        self.target_group_arn = target_group.arn
        self.arn_suffix, self.target_group_suffix = balancer.arn_suffix, target_group.arn_suffix
        self.register_outputs(
            {"dns_name": self.dns_name, "target_group_arn": self.target_group_arn}
        )

    def _security_group(self, name: str) -> aws.ec2.SecurityGroup:
        group = aws.ec2.SecurityGroup(
            f"{name}-alb",
            description="The load balancer; open to the internet",
            vpc_id=self.args.network.vpc_id,
            # A rule that somebody has added by hand must not hold up a destroy.
            revoke_rules_on_delete=True,
            tags={**self.args.tags, "Name": f"{name}-alb"},
            opts=self.child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-internet-to-alb-{PORT}",
            security_group_id=group.id,
            description="HTTP from anywhere",
            cidr_ipv4=ANYWHERE,
            ip_protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            tags=dict(self.args.tags),
            opts=self.child,
        )
        return group

    def _balancer(self, name: str, group: aws.ec2.SecurityGroup) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            f"{name}-alb",
            name=f"{name}-alb",
            load_balancer_type="application",
            internal=False,
            ip_address_type="ipv4",
            subnets=self.args.network.public_subnet_ids,
            security_groups=[group.id],
            idle_timeout=IDLE_SECONDS,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            enable_deletion_protection=self.args.protect,
            access_logs=_written_to(self.args.access_logs),
            tags=dict(self.args.tags),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _target_group(self, name: str) -> aws.lb.TargetGroup:
        health = self.args.settings
        return aws.lb.TargetGroup(
            f"{name}-tg",
            name=f"{name}-tg",
            target_type="ip",
            protocol="HTTP",
            port=TARGET_PORT,
            vpc_id=self.args.network.vpc_id,
            deregistration_delay=health.deregistration_delay,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                enabled=True,
                protocol="HTTP",
                port="traffic-port",
                path=health.path,
                matcher=health.matcher,
                interval=health.interval,
                timeout=health.timeout,
                healthy_threshold=health.healthy,
                unhealthy_threshold=health.unhealthy,
            ),
            tags=dict(self.args.tags),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

    def _listener(self, name: str, balancer: aws.lb.LoadBalancer) -> aws.lb.Listener:
        return aws.lb.Listener(
            f"{name}-http",
            load_balancer_arn=balancer.arn,
            protocol="HTTP",
            port=PORT,
            default_actions=[
                aws.lb.ListenerDefaultActionArgs(
                    type="fixed-response",
                    fixed_response=aws.lb.ListenerDefaultActionFixedResponseArgs(
                        status_code="503", content_type="text/html", message_body=NO_SERVICE
                    ),
                )
            ],
            tags=dict(self.args.tags),
            opts=self.child,
        )


def _written_to(logs: AccessLogs | None) -> aws.lb.LoadBalancerAccessLogsArgs | None:
    return aws.lb.LoadBalancerAccessLogsArgs(bucket=logs.bucket, enabled=True) if logs else None
