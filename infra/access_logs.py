"""The bucket that the load balancer writes its requests to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from stack.statements import Policy, policy, without_tls

DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"
"""ELB's log delivery, in every region; the accounts by region are the older way (Application Load
Balancers guide, "Enable access logs")."""
HALF_SENT_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class AccessLogsArgs:
    """What the bucket needs to be told; `days` is how long a log is kept."""

    days: int
    protect: bool
    tags: Mapping[str, str] = field(default_factory=dict)


class AccessLogs(pulumi.ComponentResource):
    """A private bucket that ELB alone may write to, and that nobody reads without TLS.

    Encrypted with S3's own keys, the only ones that ELB's delivery can use. Its name ends at
    random, as S3 does not give a deleted bucket's name away again at once.
    """

    bucket: pulumi.Output[str]

    def __init__(
        self, name: str, args: AccessLogsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("careapp:infra:AccessLogs", name, None, opts)
        self.args, self.child = args, pulumi.ResourceOptions(parent=self)
        self.role = f"{name}-access-logs"
        bucket = aws.s3.Bucket(
            self.role,
            force_destroy=not args.protect,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self._close(bucket)
        self._forget(bucket)
        account = aws.get_caller_identity_output().account_id
        policy = aws.s3.BucketPolicy(
            self.role,
            bucket=bucket.bucket,
            policy=pulumi.Output.all(bucket.arn, account).apply(
                lambda known: json.dumps(delivery(*known))
            ),
            opts=self.child,
        )
        # ELB tries the bucket when it is told of it, so its name leads through the policy.
        self.bucket = policy.bucket
        self.register_outputs({"bucket": self.bucket})

    def _close(self, bucket: aws.s3.Bucket) -> None:
        aws.s3.BucketPublicAccessBlock(
            self.role,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            self.role,
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="AES256"
                    )
                )
            ],
            opts=self.child,
        )

    def _forget(self, bucket: aws.s3.Bucket) -> None:
        lifecycle = aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="forget",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=self.args.days),
            abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=HALF_SENT_DAYS
            ),
        )
        aws.s3.BucketLifecycleConfiguration(
            self.role, bucket=bucket.bucket, rules=[lifecycle], opts=self.child
        )


def delivery(bucket_arn: str, account: str) -> Policy:
    """ELB may add logs below this account's folder; without TLS nobody may do anything."""
    write: Policy = {
        "Effect": "Allow",
        "Principal": {"Service": DELIVERY},
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn}/AWSLogs/{account}/*",
    }
    return policy(write, without_tls([bucket_arn, f"{bucket_arn}/*"], "s3:*"))
