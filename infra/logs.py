"""The load balancer's access logs in S3, and the VPC's flow logs in CloudWatch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra import buckets
from infra.guards import with_children
from infra.iam import role
from stack.statements import Policy, allow, of, policy, trusted, without_tls

DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
"""ELB's log delivery service in every region (Application Load Balancers guide, "Enable access logs")."""


@dataclass(frozen=True, kw_only=True)
class AccessLogsArgs:
    """The bucket's settings; `days` is how long a log is kept."""

    days: int
    protect: bool
    tags: Mapping[str, str] = field(default_factory=dict)


class AccessLogs(pulumi.ComponentResource):
    """A private S3 bucket that only ELB may write to, and that refuses access without TLS.

    It uses SSE-S3, the only encryption that ELB's log delivery supports. Its name ends with random
    digits, because a deleted bucket's name is not available again at once.
    """

    bucket: pulumi.Output[str]

    def __init__(
        self, name: str, args: AccessLogsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        opts = with_children(opts, protect=args.protect)
        super().__init__("careapp:infra:AccessLogs", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        self.role = f"{name}-access-logs"
        bucket = aws.s3.Bucket(
            self.role,
            force_destroy=not args.protect,
            tags=dict(args.tags),
            opts=self.child,
        )
        buckets.make_private(self.role, bucket, self.child)
        self._expire(bucket)
        account = aws.get_caller_identity_output().account_id
        policy = aws.s3.BucketPolicy(
            self.role,
            bucket=bucket.bucket,
            policy=pulumi.Output.all(bucket.arn, account).apply(
                lambda known: json.dumps(access_logs_policy(*known))
            ),
            opts=self.child,
        )
        # ELB tests its access when logging is turned on, so the load balancer depends on the policy.
        self.bucket = policy.bucket
        self.register_outputs({"bucket": self.bucket})

    def _expire(self, bucket: aws.s3.Bucket) -> None:
        lifecycle = aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="forget",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=self.args.days),
            abort_incomplete_multipart_upload=buckets.ABORT,
        )
        aws.s3.BucketLifecycleConfiguration(
            self.role, bucket=bucket.bucket, rules=[lifecycle], opts=self.child
        )


def access_logs_policy(bucket_arn: str, account: str) -> Policy:
    """Return the bucket policy: ELB may write below this account's prefix, and all access requires TLS."""
    write: Policy = {
        "Effect": "Allow",
        "Principal": {"Service": DELIVERY},
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn}/AWSLogs/{account}/*",
    }
    return policy(write, without_tls([bucket_arn, f"{bucket_arn}/*"], "s3:*"))


@dataclass(frozen=True, kw_only=True)
class FlowLogsArgs:
    """The flow log's settings; `days` is how long its records are kept."""

    vpc_id: pulumi.Input[str]
    region: str
    days: int
    protect: bool
    tags: Mapping[str, str] = field(default_factory=dict)


class FlowLogs(pulumi.ComponentResource):
    """A flow log of the rejected traffic of every network interface in the VPC.

    Rejected traffic shows which rule is missing and satisfies Security Hub's EC2.6. Accepted traffic
    would cost by the gigabyte.
    """

    def __init__(
        self, name: str, args: FlowLogsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        opts = with_children(opts, protect=args.protect)
        super().__init__("careapp:infra:FlowLogs", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        group = aws.cloudwatch.LogGroup(
            f"{name}-flow",
            name=f"/vpc/{name}",
            retention_in_days=args.days,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
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
        trust = account.apply(lambda known: json.dumps(flow_logs_trust(known, self.args.region)))
        made = role(f"{name}-flow", trust, self.args.tags, self.child)
        attached = aws.iam.RolePolicy(
            f"{name}-flow",
            role=made.name,
            policy=group_arn.apply(lambda arn: json.dumps(flow_logs_policy(arn))),
            opts=self.child,
        )
        # EC2 does not test the role when it creates the flow log, so the ARN depends on the policy.
        return pulumi.Output.all(made.arn, attached.id).apply(lambda known: str(known[0]))


def flow_logs_trust(account: str, region: str) -> Policy:
    """Return the trust policy that lets this account's flow logs assume the role (VPC User Guide)."""
    condition = {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ec2:{region}:{account}:vpc-flow-log/*"},
    }
    return trusted("vpc-flow-logs.amazonaws.com", condition)


def flow_logs_policy(group_arn: str) -> Policy:
    """Return the policy that allows writing to this log group.

    DescribeLogGroups has no resource-level permissions (Service Authorization Reference, CloudWatch
    Logs).
    """
    actions = of("logs", "CreateLogStream", "DescribeLogStreams", "PutLogEvents")
    return policy(
        allow([group_arn, f"{group_arn}:*"], *actions), allow("*", "logs:DescribeLogGroups")
    )
