"""What every S3 bucket of the stack has: no public access, encryption, and an end of broken uploads."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from careapp.settings.settings import Settings

INCOMPLETE_UPLOAD_DAYS = 7
"""Parts of an upload that was never completed are billed, and no listing shows them."""


def private(name: str, settings: Settings, opts: pulumi.ResourceOptions) -> aws.s3.Bucket:
    """Create a bucket without public access, encrypted with SSE-S3.

    SSE-S3 is free and needs no right of its own; a KMS key costs by the month and by the request.
    """
    bucket = aws.s3.Bucket(name, force_destroy=not settings.protect, opts=opts)
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
        rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
        opts=opts,
    )
    return bucket


def expire(
    name: str, bucket: aws.s3.Bucket, rule: str, opts: pulumi.ResourceOptions, **ends: Any
) -> None:
    """Create the bucket's lifecycle rule: broken uploads end after a week, and objects as ``ends`` says."""
    lifecycle: aws.s3.BucketLifecycleConfigurationRuleArgsDict = {
        "id": rule,
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": INCOMPLETE_UPLOAD_DAYS},
        **ends,  # type: ignore[typeddict-item]
    }
    aws.s3.BucketLifecycleConfiguration(name, bucket=bucket.bucket, rules=[lifecycle], opts=opts)
