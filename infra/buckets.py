"""What every S3 bucket of the stack has: no public access, encryption, and an end of broken uploads."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

INCOMPLETE_UPLOAD_DAYS = 7
ABORT = aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
    days_after_initiation=INCOMPLETE_UPLOAD_DAYS
)
"""Part of a lifecycle rule. Parts of an upload that was never completed are billed, and no listing shows them."""


def make_private(name: str, bucket: aws.s3.Bucket, opts: pulumi.ResourceOptions) -> None:
    """Block public access to the bucket, and encrypt it with SSE-S3.

    SSE-S3 is free and needs no right of its own; a KMS key costs by the month and by the request.
    """
    aws.s3.BucketPublicAccessBlock(
        name,
        bucket=bucket.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        name,
        bucket=bucket.bucket,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                    sse_algorithm="AES256"
                )
            )
        ],
        opts=opts,
    )
