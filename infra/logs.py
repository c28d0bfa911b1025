"""The load balancer's access logs in S3, and the VPC's flow logs in CloudWatch."""

import json

import pulumi
import pulumi_aws as aws

from careapp.settings.settings import Settings
from careapp.settings.statements import Policy, allow, let, of, policy, trusted, without_tls

from . import buckets
from .component import Component
from .iam import role_arn

DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
"""ELB's log delivery service in every region (Application Load Balancers guide, "Enable access logs")."""


class AccessLogs(Component):
    """A private S3 bucket that only ELB may write to, and that refuses access without TLS.

    It uses SSE-S3, the only encryption that ELB's log delivery supports. Its name ends with random
    digits, because a deleted bucket's name is not available again at once.
    """

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions) -> None:
        super().__init__(name, settings, opts, protect=settings.protect)
        self.role = f"{name}-access-logs"
        bucket = buckets.private(self.role, settings, self.child)
        days = {"days": settings.logs.days}
        buckets.expire(self.role, bucket, "forget", self.child, expiration=days)
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
        self.register_outputs({})


def access_logs_policy(bucket_arn: str, account: str) -> Policy:
    """Return the bucket policy: ELB may write below this account's prefix, and all access requires TLS."""
    write = let(DELIVERY, "s3:PutObject", f"{bucket_arn}/AWSLogs/{account}/*")
    return policy(write, without_tls([bucket_arn, f"{bucket_arn}/*"], "s3:*"))


class FlowLogs(Component):
    """A flow log of the rejected traffic of every network interface in the VPC.

    Rejected traffic shows which rule is missing and satisfies Security Hub's EC2.6. Accepted traffic
    would cost by the gigabyte.
    """

    def __init__(
        self, name: str, settings: Settings, vpc_id: pulumi.Input[str], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__(name, settings, opts, protect=settings.protect)
        group = aws.cloudwatch.LogGroup(
            f"{name}-flow",
            name=f"/vpc/{name}",
            retention_in_days=settings.logs.days,
            opts=self.options(delete_before_replace=True),
        )
        account = aws.get_caller_identity_output().account_id
        trust = account.apply(lambda known: flow_logs_trust(known, settings.region))
        aws.ec2.FlowLog(
            f"{name}-flow",
            vpc_id=vpc_id,
            traffic_type="REJECT",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            # EC2 does not test the role when it creates the flow log; the ARN is known after the policy.
            iam_role_arn=role_arn(self, f"{name}-flow", trust, group.arn.apply(flow_logs_policy)),
            tags={"Name": f"{name}-flow"},
            opts=self.child,
        )
        self.register_outputs({})


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
