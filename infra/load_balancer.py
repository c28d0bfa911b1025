"""The way in: an Application Load Balancer, its target group, and what it says without ECS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import answers
from infra.access_logs import AccessLogs
from infra.certificate import Certificate, CertificateArgs
from infra.network import Network
from infra.settings import HealthSettings, HttpsSettings

ANYWHERE = "0.0.0.0/0"
HTTP, HTTPS = 80, 443
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.2 and 1.3 (ELB user guide, "Security policies"; control ELB.17 accepts it)."""
IDLE_SECONDS = 60
TARGET_PORT = 80
"""What a target group must name and ECS never uses: it registers each task with its own port.

So this is not the container's port: that may change without replacing the target group, whose
name is fixed and which a listener rule holds on to.
"""


@dataclass(frozen=True, kw_only=True)
class LoadBalancerArgs:
    """What a load balancer needs to be told."""

    settings: HealthSettings
    https: HttpsSettings
    network: Network
    protect: bool
    access_logs: AccessLogs | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class LoadBalancer(pulumi.ComponentResource):
    """An internet-facing load balancer that answers 503 and says why until a rule forwards.

    Forwarding is a rule of stage 2 and not the default action, so that turning ECS on adds
    resources and changes none. With HTTPS a listener of its own serves, and the one of HTTP
    stays and leads there; only what HTTPS adds comes and goes, so none of it is protected.
    """

    dns_name: pulumi.Output[str]
    url: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    listener_arn: pulumi.Output[str]
    """The listener that serves; the other one, if there is one, redirects."""
    target_group_arn: pulumi.Output[str]
    arn_suffix: pulumi.Output[str]
    target_group_suffix: pulumi.Output[str]

    def __init__(
        self, name: str, args: LoadBalancerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:LoadBalancer", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        self.free = pulumi.ResourceOptions(parent=self, protect=False)
        doors = self._security_group(name)
        balancer = self._balancer(name, doors)
        self.dns_name = balancer.dns_name
        self.security_group_id = doors.id
        self.listener_arn = self._listeners(name, balancer).arn
        self.url = self._url(name, balancer)
        group = self._target_group(name)
        self.target_group_arn = group.arn
        self.arn_suffix, self.target_group_suffix = balancer.arn_suffix, group.arn_suffix
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
        self._open(name, group, "HTTP", HTTP, self.child)
        if self.args.https.enabled:
            self._open(name, group, "HTTPS", HTTPS, self.free)
        return group

    def _open(
        self,
        name: str,
        group: aws.ec2.SecurityGroup,
        protocol: str,
        port: int,
        opts: pulumi.ResourceOptions,
    ) -> None:
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-internet-to-alb-{port}",
            security_group_id=group.id,
            description=f"{protocol} from anywhere",
            cidr_ipv4=ANYWHERE,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            tags=dict(self.args.tags),
            opts=opts,
        )

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

    def _listeners(self, name: str, balancer: aws.lb.LoadBalancer) -> aws.lb.Listener:
        """The listener that serves."""
        https = self.args.https
        if not https.enabled:
            return self._listener(name, balancer, "HTTP", HTTP, answers.ecs_is_off(), self.child)
        self._listener(name, balancer, "HTTP", HTTP, answers.to_https(HTTPS), self.child)
        arn = self._certificate(name).arn if https.domain else https.certificate_arn
        secure = {"certificate_arn": arn, "ssl_policy": TLS_POLICY}
        return self._listener(
            name, balancer, "HTTPS", HTTPS, answers.ecs_is_off(), self.free, **secure
        )

    def _listener(
        self,
        name: str,
        balancer: aws.lb.LoadBalancer,
        protocol: str,
        port: int,
        action: aws.lb.ListenerDefaultActionArgs,
        opts: pulumi.ResourceOptions,
        **more: Any,
    ) -> aws.lb.Listener:
        return aws.lb.Listener(
            f"{name}-{protocol.lower()}",
            load_balancer_arn=balancer.arn,
            protocol=protocol,
            port=port,
            default_actions=[action],
            tags=dict(self.args.tags),
            opts=opts,
            **more,
        )

    def _certificate(self, name: str) -> Certificate:
        https = self.args.https
        args = CertificateArgs(domain=https.domain, zone_id=https.zone_id, tags=self.args.tags)
        return Certificate(name, args, self.free)

    def _url(self, name: str, balancer: aws.lb.LoadBalancer) -> pulumi.Output[str]:
        """Where the page is. A domain gets the record that leads to the load balancer."""
        https = self.args.https
        if not https.domain:
            return pulumi.Output.concat(
                "https://" if https.enabled else "http://", balancer.dns_name
            )
        alias = aws.route53.RecordAliasArgs(
            name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=False
        )
        record = aws.route53.Record(
            f"{name}-page",
            zone_id=https.zone_id,
            name=https.domain,
            type="A",
            aliases=[alias],
            opts=self.free,
        )
        return pulumi.Output.concat("https://", record.name)


def _written_to(logs: AccessLogs | None) -> aws.lb.LoadBalancerAccessLogsArgs | None:
    return aws.lb.LoadBalancerAccessLogsArgs(bucket=logs.bucket, enabled=True) if logs else None
