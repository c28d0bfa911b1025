"""What the VPC's rules refuse, written down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra.role import role
from stack.statements import Policy, allow, of, policy, trusted


@dataclass(frozen=True, kw_only=True)
class FlowLogsArgs:
    """What flow logs need to be told; `days` is how long they are kept."""

    vpc_id: pulumi.Input[str]
    region: str
    days: int
    protect: bool
    tags: Mapping[str, str] = field(default_factory=dict)


class FlowLogs(pulumi.ComponentResource):
    """The refused connections of every network interface in the VPC.

    Only those: they answer "who knocks, and which rule is missing" and are what Security Hub's
    EC2.6 asks for, while the accepted ones cost by the gigabyte.
    """

    def __init__(
        self, name: str, args: FlowLogsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:FlowLogs", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        group = aws.cloudwatch.LogGroup(
            f"{name}-flow",
            name=f"/vpc/{name}",
            retention_in_days=args.days,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(
                parent=self, protect=args.protect, delete_before_replace=True
            ),
        )
        aws.ec2.FlowLog(
            f"{name}-flow",
            vpc_id=args.vpc_id,
            traffic_type="REJECT",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=self._role(name, group.arn),
            tags={**args.tags, "Name": f"{name}-flow"},
            opts=self.child,
        )
        self.register_outputs({})

    def _role(self, name: str, group_arn: pulumi.Output[str]) -> pulumi.Output[str]:
        account = aws.get_caller_identity_output().account_id
        takes = account.apply(lambda known: json.dumps(trust(known, self.args.region)))
        made = role(f"{name}-flow", takes, self.args.tags, self.child)
        written = aws.iam.RolePolicy(
            f"{name}-flow",
            role=made.name,
            policy=group_arn.apply(lambda arn: json.dumps(writing(arn))),
            opts=self.child,
        )
        # The role's ARN, known once the role may write: EC2 takes the log without trying it.
        return pulumi.Output.all(made.arn, written.id).apply(lambda known: str(known[0]))


def trust(account: str, region: str) -> Policy:
    """VPC Flow Logs may take the role, for this account's flow logs only (VPC User Guide)."""
    condition = {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ec2:{region}:{account}:vpc-flow-log/*"},
    }
    return trusted("vpc-flow-logs.amazonaws.com", condition)


def writing(group_arn: str) -> Policy:
    """Write this log group, and nothing else.

    DescribeLogGroups knows no resource (Service Authorization Reference, CloudWatch Logs).
    """
    actions = of("logs", "CreateLogStream", "DescribeLogStreams", "PutLogEvents")
    return policy(
        allow([group_arn, f"{group_arn}:*"], *actions), allow("*", "logs:DescribeLogGroups")
    )
