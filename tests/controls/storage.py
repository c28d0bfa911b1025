"""Controls of S3 and SNS."""

from __future__ import annotations

from tests.controls.control import Control, Elsewhere, Service, Wrong, lacking, said
from tests.controls.graph import Graph, Resource
from tests.controls.identity import is_public
from tests.controls.policies import statements

BUCKET = "aws:s3/bucket:Bucket"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
TOPIC = "aws:sns/topic:Topic"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
ACCOUNT = "as it is a setting of the whole account"
RESERVED = {
    "*",
    "s3:*",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketPolicy",
    "s3:PutEncryptionConfiguration",
    "s3:PutObjectAcl",
}
"""What S3.6 keeps from other accounts."""


def plain_requests(bucket: Resource, graph: Graph) -> bool:
    """No statement denies every action without TLS."""
    said_ = [
        one for policy in _policies(bucket, graph) for one in statements(policy) if not one.allows
    ]
    return not any(
        "s3:*" in one.actions
        and "*" in one.principals
        and one.conditions.get("Bool") == {"aws:SecureTransport": "false"}
        for one in said_
    )


def generous(bucket: Resource, graph: Graph) -> bool:
    return any(
        one.allows and RESERVED & {*one.actions}
        for policy in _policies(bucket, graph)
        for one in statements(policy)
    )


def _policies(bucket: Resource, graph: Graph) -> list[Resource]:
    return list(graph.pointing_at(bucket, BUCKET_POLICY, "bucket"))


def has_acl(bucket: Resource, graph: Graph) -> bool:
    acls = graph.pointing_at(bucket, "aws:s3/bucketAcl:BucketAcl", "bucket")
    return bool(said(bucket, "acl") or list(acls))


def _blocked(id_: str, title: str, *keys: str) -> Control:
    wrong = lacking(BLOCK, "bucket", *((key, True) for key in keys))
    return _bucket(id_, title, wrong)


def _bucket(id_: str, title: str, wrong: Wrong) -> Control:
    return Control(id_, title, "S3 bucket", (BUCKET,), wrong)


ACLS, POLICIES = (
    ("blockPublicAcls", "ignorePublicAcls"),
    ("blockPublicPolicy", "restrictPublicBuckets"),
)

S3 = Service(
    "S3",
    "s3",
    (
        Elsewhere(
            "S3.1",
            "The account blocks public access",
            ACCOUNT,
            ("aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock",),
        ),
        _blocked("S3.2", "Buckets block public read access", *ACLS, *POLICIES),
        _blocked("S3.3", "Buckets block public write access", *ACLS, *POLICIES),
        _bucket("S3.5", "Requests have to use TLS", plain_requests),
        _bucket("S3.6", "Policies restrict access of other accounts", generous),
        _blocked("S3.8", "Buckets block public access", *ACLS, *POLICIES),
        _bucket(
            "S3.9",
            "Server access logging is on",
            lacking("aws:s3/bucketLogging:BucketLogging", "bucket"),
        ),
        _bucket("S3.12", "ACLs do not manage access", has_acl),
        _bucket(
            "S3.13",
            "Buckets have a lifecycle",
            lacking("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "bucket"),
        ),
        Control(
            "S3.19",
            "Access points block public access",
            "access point",
            ("aws:s3/accessPoint:AccessPoint",),
        ),
        Control(
            "S3.24",
            "Multi-Region Access Points block public access",
            "Multi-Region Access Point",
            ("aws:s3control/multiRegionAccessPoint:MultiRegionAccessPoint",),
        ),
        Control(
            "S3.25",
            "Directory buckets have a lifecycle",
            "directory bucket",
            ("aws:s3/directoryBucket:DirectoryBucket",),
        ),
    ),
    ("s3",),
)

SNS = Service(
    "SNS",
    "sns",
    (
        Control(
            "SNS.4",
            "Topics are not open to the public",
            "topic",
            (TOPIC, TOPIC_POLICY),
            is_public,
        ),
    ),
    ("sns",),
)
