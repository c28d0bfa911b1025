"""Who may talk to whom once tasks run: the task's security group and the rules around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

ANYWHERE = "0.0.0.0/0"
HTTPS = 443


@dataclass(frozen=True, kw_only=True)
class TaskAccessArgs:
    """What the rules join: group ids and ports."""

    vpc_id: pulumi.Input[str]
    balancer_group_id: pulumi.Input[str]
    database_group_id: pulumi.Input[str]
    container_port: int
    database_port: int
    tags: Mapping[str, str] = field(default_factory=dict)


class TaskAccess(pulumi.ComponentResource):
    """The task's security group: in from the load balancer, out to the database and to HTTPS.

    HTTPS leads to ECR, CloudWatch Logs and Secrets Manager. DNS needs no rule: security groups
    do not filter the VPC's resolver (VPC User Guide, "Security groups").

    A rule bears its port in its name: when the port changes, the new rule is there before the old
    one goes, and the tasks of both generations stay reachable during the roll-out.
    """

    security_group_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: TaskAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:TaskAccess", name, None, opts)
        self.prefix, self.args = name, args
        task = aws.ec2.SecurityGroup(
            f"{name}-app",
            description="Tasks of the app",
            vpc_id=args.vpc_id,
            # A rule that somebody has added by hand must not hold up a destroy.
            revoke_rules_on_delete=True,
            tags={**args.tags, "Name": f"{name}-app"},
            opts=pulumi.ResourceOptions(parent=self),
        ).id
        self.between("alb", args.balancer_group_id, "app", task, args.container_port)
        self.between("app", task, "database", args.database_group_id, args.database_port)
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-app-to-internet-{HTTPS}",
            security_group_id=task,
            description="HTTPS to AWS",
            cidr_ipv4=ANYWHERE,
            **self._tcp(HTTPS),
        )
        self.security_group_id = task
        self.register_outputs({"security_group_id": self.security_group_id})

    def between(
        self,
        source: str,
        source_id: pulumi.Input[str],
        target: str,
        target_id: pulumi.Input[str],
        port: int,
    ) -> None:
        """Let one group connect to another: it takes a way out of the one and into the other."""
        aws.vpc.SecurityGroupEgressRule(
            f"{self.prefix}-{source}-to-{target}-{port}",
            security_group_id=source_id,
            description=f"To {target}",
            referenced_security_group_id=target_id,
            **self._tcp(port),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self.prefix}-{target}-from-{source}-{port}",
            security_group_id=target_id,
            description=f"From {source}",
            referenced_security_group_id=source_id,
            **self._tcp(port),
        )

    def _tcp(self, port: int) -> dict[str, Any]:
        return {
            "ip_protocol": "tcp",
            "from_port": port,
            "to_port": port,
            "tags": dict(self.args.tags),
            "opts": pulumi.ResourceOptions(parent=self),
        }
