"""Buckets and the resources that are settings of a bucket."""

from __future__ import annotations

from collections.abc import Callable

from rehearsal.calls import Calls, to_shape
from rehearsal.providers.kind import Kind, Setting, Subject, Values
from rehearsal.providers.lifecycle import tag_list

DEFAULT_REGION = "us-east-1"
"""Where S3 creates a bucket without LocationConstraint; it refuses this name as one (API reference, CreateBucket)."""


def _make(calls: Calls, _: Kind, inputs: Values) -> str:
    params: Values = {"Bucket": inputs["bucket"]}
    if calls.region != DEFAULT_REGION:
        params["CreateBucketConfiguration"] = {"LocationConstraint": calls.region}
    calls("s3", "create_bucket", params)
    return str(inputs["bucket"])


def _tag(subject: Subject) -> None:
    pairs = tag_list(subject.inputs.get("tags") or {}, "Key")
    subject.call("put_bucket_tagging", Tagging={"TagSet": pairs})


def _there(subject: Subject) -> Values:
    subject.call("head_bucket")
    return {"name": subject.identity}


def _remove(subject: Subject) -> None:
    """Delete the bucket. With ``forceDestroy`` empty it first: S3 deletes only an empty bucket."""
    if subject.inputs.get("forceDestroy"):
        for item in subject.call("list_objects_v2").get("Contents", ()):
            subject.call("delete_object", Key=item["Key"])
    subject.call("delete_bucket")


BUCKET = Kind(
    token="aws:s3/bucket:Bucket",
    service="s3",
    identity="Bucket",
    create="create_bucket",
    on_create=_make,
    look=_there,
    on_delete=_remove,
    replaces=frozenset({"bucket", "bucketPrefix"}),
    ignored={"forceDestroy": "only tells the provider how to delete"},
    settings=(Setting(inputs=("tags",), apply=_tag),),
    autoname="bucket",
    fixed_name="bucket",
    outputs={"arn": "join('', ['arn:aws:s3:::', name])"},
    absent=("404", "NoSuchBucket"),
)

Part = Callable[[Values], Values]


def _part(token: str, what: str, absent: str, member: str, part: Part, *inputs: str) -> Kind:
    """Return the kind of a resource that is one setting of a bucket, with the bucket's name as its id."""

    def put(calls: Calls, _: Kind, given: Values) -> str:
        shape = calls.model("s3", f"put_{what}").input_shape.members[member]
        value = to_shape(shape, part(given))
        calls("s3", f"put_{what}", {"Bucket": given["bucket"], member: value})
        return str(given["bucket"])

    def put_again(subject: Subject) -> None:
        put(subject.calls, subject.kind, subject.inputs)

    delete = what.removesuffix("_configuration") if "lifecycle" in what else what
    return Kind(
        token=token,
        service="s3",
        identity="Bucket",
        create=f"put_{what}",
        on_create=put,
        read=f"get_{what}",
        found="@",
        delete=f"delete_{delete}",
        replaces=frozenset({"bucket"}),
        ignored={"bucket": "sent by put"},
        settings=(Setting(inputs=inputs, apply=put_again, on_create=False),),
        absent=("NoSuchBucket", absent),
    )


def _closed(inputs: Values) -> Values:
    return {name: inputs.get(name, False) for name in CLOSED}


def _encrypted(inputs: Values) -> Values:
    return {"rules": inputs["rules"]}


def _lifecycle(inputs: Values) -> Values:
    """Convert the two names that S3 spells differently."""
    names = {"id": "ID"}
    rules = [
        {names.get(name, name): value for name, value in rule.items()} for rule in inputs["rules"]
    ]
    return {"rules": rules}


CLOSED = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")

PUBLIC_ACCESS = _part(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "public_access_block",
    "NoSuchPublicAccessBlockConfiguration",
    "PublicAccessBlockConfiguration",
    _closed,
    *CLOSED,
)
ENCRYPTION = _part(
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "bucket_encryption",
    "ServerSideEncryptionConfigurationNotFoundError",
    "ServerSideEncryptionConfiguration",
    _encrypted,
    "rules",
)
LIFECYCLE = _part(
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "bucket_lifecycle_configuration",
    "NoSuchLifecycleConfiguration",
    "LifecycleConfiguration",
    _lifecycle,
    "rules",
)


def _allow(calls: Calls, _: Kind, inputs: Values) -> str:
    params = {"Bucket": inputs["bucket"], "Policy": inputs["policy"]}
    calls("s3", "put_bucket_policy", params)
    return str(inputs["bucket"])


def _allow_again(subject: Subject) -> None:
    _allow(subject.calls, subject.kind, subject.inputs)


POLICY = Kind(
    token="aws:s3/bucketPolicy:BucketPolicy",
    service="s3",
    identity="Bucket",
    create="put_bucket_policy",
    on_create=_allow,
    read="get_bucket_policy",
    found="@",
    delete="delete_bucket_policy",
    replaces=frozenset({"bucket"}),
    ignored={"bucket": "sent by _allow"},
    settings=(Setting(inputs=("policy",), apply=_allow_again, on_create=False),),
    absent=("NoSuchBucket", "NoSuchBucketPolicy"),
)

KINDS = (BUCKET, PUBLIC_ACCESS, ENCRYPTION, LIFECYCLE, POLICY)
