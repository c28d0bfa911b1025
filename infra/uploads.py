"""The S3 bucket for the app's files, and the VPC's gateway endpoint for S3."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from careapp.settings.app_resources import UPLOADS_ENABLED
from careapp.settings.settings import Settings
from careapp.settings.statements import Policy, allow, of, policy, without_tls

from . import buckets
from .app_resource import AppResource
from .network import Network

OLD_VERSION_DAYS = 30
"""How long a file that was overwritten or deleted can be brought back, where the bucket has versions."""
OBJECTS = of("s3", "GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload")
"""What the app does with its files."""


class Uploads(AppResource):
    """A private bucket, which only the task role's own policy opens, and a gateway endpoint for S3.

    With `protect` it has versions and is kept, with all that closes it; without it a destroy deletes it with all
    files. Its name ends with random digits: that of a deleted bucket may stay taken (S3 User Guide, "Deleting a
    general purpose bucket"). The reasons are in docs/decisions.md, 27.

    Files and image layers, which ECR keeps in S3, pass the free endpoint and no NAT gateway. S3's addresses stay the
    public ones (VPC User Guide, "Gateway endpoints"), so the tasks' rule for HTTPS allows them.
    """

    key, variable, output = UPLOADS_ENABLED, UPLOADS_ENABLED.variable, "uploadsBucket"

    def __init__(self, name: str, settings: Settings, network: Network) -> None:
        super().__init__(name, settings, network)
        self.role = f"{name}-uploads"
        bucket = buckets.private(self.role, settings, self.child)
        self._require_owner_and_tls(bucket)
        self._expire(bucket, self._keep_versions(bucket))
        self._endpoint(name)
        self.value, self.arn = bucket.bucket, bucket.arn
        self.register_outputs({})

    @staticmethod
    def statements(arn: str) -> list[Policy]:
        """Return the statements to list the bucket, and read, write and delete its objects.

        A large file is written in parts, which boto3 aborts after an error: all but the abortion are `s3:PutObject`
        (S3 User Guide, "Multipart upload API and permissions").
        """
        return [allow(arn, "s3:ListBucket"), allow(f"{arn}/*", *OBJECTS)]

    def _require_owner_and_tls(self, bucket: aws.s3.Bucket) -> None:
        """Turn ACLs off, and refuse requests without TLS."""
        aws.s3.BucketOwnershipControls(
            self.role,
            bucket=bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self.child,
        )
        aws.s3.BucketPolicy(
            self.role,
            bucket=bucket.bucket,
            policy=bucket.arn.apply(
                lambda arn: json.dumps(policy(without_tls([arn, f"{arn}/*"], "s3:*")))
            ),
            opts=self.child,
        )

    def _keep_versions(self, bucket: aws.s3.Bucket) -> aws.s3.BucketVersioning:
        """Keep the versions of files, or no further ones: S3 cannot return to a bucket without versioning."""
        status = "Enabled" if self.settings.protect else "Suspended"
        return aws.s3.BucketVersioning(
            self.role,
            bucket=bucket.bucket,
            versioning_configuration={"status": status},
            opts=self.child,
        )

    def _expire(self, bucket: aws.s3.Bucket, versions: pulumi.Resource) -> None:
        """Delete broken uploads, old versions, and the markers of deleted files that have no version left.

        The rule is the same without versions: a bucket that had them once keeps those that it has.
        """
        buckets.expire(
            self.role,
            bucket,
            "tidy",
            self.options(depends_on=[versions]),
            expiration={"expired_object_delete_marker": True},
            noncurrent_version_expiration={"noncurrent_days": OLD_VERSION_DAYS},
        )

    def _endpoint(self, name: str) -> None:
        aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=self.network.vpc_id,
            service_name=f"com.amazonaws.{self.settings.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=self.network.task_route_table_ids,
            tags={"Name": f"{name}-s3"},
            opts=self.child,
        )
