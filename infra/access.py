"""Who may talk to whom once tasks run: the task's security group and the rules around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra.connections import Connections


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
        task = aws.ec2.SecurityGroup(
            f"{name}-app",
            description="Tasks of the app",
            vpc_id=args.vpc_id,
            # A rule that somebody has added by hand must not hold up a destroy.
            revoke_rules_on_delete=True,
            tags={**args.tags, "Name": f"{name}-app"},
            opts=pulumi.ResourceOptions(parent=self),
        ).id
        rules = Connections(prefix=name, opts=pulumi.ResourceOptions(parent=self), tags=args.tags)
        rules.between("alb", args.balancer_group_id, "app", task, args.container_port)
        rules.between("app", task, "database", args.database_group_id, args.database_port)
        rules.to_aws("app", task)
        self.security_group_id = task
        self.register_outputs({"security_group_id": self.security_group_id})
