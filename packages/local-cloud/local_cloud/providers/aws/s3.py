"""Buckets, the resources that are settings of a bucket, and objects."""

import base64
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from pulumi.runtime.rpc import _special_asset_sig, _special_sig_key

from local_cloud.calls import Calls, to_shape
from local_cloud.providers.kind import (
    Kind,
    Setting,
    Subject,
    Values,
    again,
    on_change,
    regular,
)
from local_cloud.providers.lifecycle import tag_list

DEFAULT_REGION = "us-east-1"
"""Where S3 creates a bucket without LocationConstraint; it refuses this name as one (API reference, CreateBucket)."""


def _make(calls: Calls, _: Kind, inputs: Values) -> str:
    params: Values = {"Bucket": inputs["bucket"]}
    if inputs.get("acl"):
        params["ACL"] = inputs["acl"]
    if calls.region != DEFAULT_REGION:
        params["CreateBucketConfiguration"] = {"LocationConstraint": calls.region}
    calls("s3", "create_bucket", params)
    return str(inputs["bucket"])


def _tag(subject: Subject, operation: str = "put_bucket_tagging") -> None:
    pairs = tag_list(subject.inputs.get("tags") or {})
    subject.call(operation, Tagging={"TagSet": pairs})


def _remove(subject: Subject) -> None:
    """Delete the bucket. With ``forceDestroy`` empty it first, also of versions and markers: S3 keeps a full one.

    terraform-provider-aws, s3/bucket.go, resourceBucketDelete.
    """
    if subject.inputs.get("forceDestroy"):
        for page in (
            subject.calls.client("s3")
            .get_paginator("list_object_versions")
            .paginate(Bucket=subject.name)
        ):
            for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                subject.call("delete_object", Key=item["Key"], VersionId=item["VersionId"])
    subject.call("delete_bucket")


def _tags(subject: Subject, _: Values) -> Any:
    """Return the bucket's tags; none where S3 says that there is no set of them."""
    try:
        return subject.call("get_bucket_tagging")["TagSet"]
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "NoSuchTagSet":
            raise
        return []


BUCKET = regular(
    "aws:s3/bucket:Bucket",
    "Bucket",
    on_create=_make,
    read="head_bucket",
    on_delete=_remove,
    ignored={"forceDestroy": "only tells the provider how to delete"},
    settings=(Setting(inputs=("tags",), apply=_tag),),
    reads={"bucket": lambda made, _: made.identity, "tags": _tags},
    autoname="bucket",
    outputs={"arn": lambda subject, _: f"arn:aws:s3:::{subject.identity}"},
    absent=("404", "NoSuchBucket"),
)

Part = Callable[[Values], Values]


def _part(
    token: str, what: str, absent: str, member: str, part: Part, *inputs: str, **more: Any
) -> Kind:
    """Return the kind of a resource that is one setting of a bucket, with the bucket's name as its id."""

    def put(calls: Calls, _: Kind, given: Values) -> str:
        shape = calls.model("s3", f"put_{what}").input_shape.members[member]
        value = to_shape(shape, part(given))
        calls("s3", f"put_{what}", {"Bucket": given["bucket"], member: value})
        return str(given["bucket"])

    delete = what.removesuffix("_configuration") if "lifecycle" in what else what
    ends = more or {"delete": f"delete_{delete}"}
    return regular(
        token,
        "Bucket",
        create=f"put_{what}",
        on_create=put,
        read=f"get_{what}",
        replaces="bucket",
        ignored={"bucket": "sent by put"},
        settings=(again(put, *inputs),),
        absent=("NoSuchBucket", absent),
        **ends,
    )


CLOSED = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")

PUBLIC_ACCESS = _part(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "public_access_block",
    "NoSuchPublicAccessBlockConfiguration",
    "PublicAccessBlockConfiguration",
    lambda inputs: {name: inputs.get(name, False) for name in CLOSED},
    *CLOSED,
)
ENCRYPTION = _part(
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "bucket_encryption",
    "ServerSideEncryptionConfigurationNotFoundError",
    "ServerSideEncryptionConfiguration",
    lambda inputs: {"rules": inputs["rules"]},
    "rules",
)
LIFECYCLE = _part(
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "bucket_lifecycle_configuration",
    "NoSuchLifecycleConfiguration",
    "LifecycleConfiguration",
    lambda inputs: {"rules": inputs["rules"]},
    "rules",
)
OWNERSHIP = _part(
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "bucket_ownership_controls",
    "OwnershipControlsNotFoundError",
    "OwnershipControls",
    lambda inputs: {"rules": [inputs["rule"]]},
    "rule",
)


def _suspend(subject: Subject) -> None:
    """Suspend versioning, which cannot be turned off (terraform-provider-aws, resourceBucketVersioningDelete)."""
    subject.call("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"})


VERSIONING = _part(
    "aws:s3/bucketVersioning:BucketVersioning",
    "bucket_versioning",
    "",
    "VersioningConfiguration",
    lambda inputs: inputs["versioningConfiguration"],
    "versioningConfiguration",
    on_delete=_suspend,
    reads={"versioningConfiguration": "@"},
)


POLICY = regular(
    "aws:s3/bucketPolicy:BucketPolicy",
    "Bucket",
    create="put_bucket_policy",
    read="get_bucket_policy",
    update="put_bucket_policy",
    replaces="bucket",
    absent=("NoSuchBucket", "NoSuchBucketPolicy"),
)

CONTENTS = ("content", "contentBase64", "source")
TRIGGERS = ("etag", "sourceHash")
"""Inputs that are not sent. Their change uploads the object again."""
HEADERS = (
    *("bucketKeyEnabled", "cacheControl", "contentDisposition", "contentEncoding"),
    *("contentLanguage", "contentType", "kmsKeyId", "metadata", "serverSideEncryption"),
    *("storageClass", "websiteRedirect"),
)
"""Inputs that PutObject takes."""
OBJECT_NAMES = {"kmsKeyId": "SSEKMSKeyId", "websiteRedirect": "WebsiteRedirectLocation"}


def _object(inputs: Values) -> Values:
    """Clean the key as the provider does (terraform-provider-aws, sdkv1CompatibleCleanKey)."""
    return {**inputs, "key": re.sub("/+", "/", inputs["key"].lstrip("/"))}


def _body(inputs: Values) -> bytes:
    """Return the object's bytes; none without a content. Raises ``ValueError`` for several, and for other assets."""
    given = [name for name in CONTENTS if inputs.get(name) is not None]
    if len(given) > 1:
        raise ValueError(f"only one of {', '.join(given)} can be given")
    if given == ["contentBase64"]:
        return base64.b64decode(inputs["contentBase64"], validate=True)
    if given == ["source"]:
        return _asset(inputs["source"])
    return str(inputs.get("content", "")).encode()


def _asset(asset: Any) -> bytes:
    if asset.get(_special_sig_key) == _special_asset_sig:
        if asset.get("path"):
            return Path(asset["path"]).read_bytes()
        if "text" in asset:
            return str(asset["text"]).encode()
    raise ValueError("the stand-in reads a FileAsset or StringAsset as source, and nothing else")


def _upload(calls: Calls, kind: Kind, inputs: Values) -> str:
    headers = {OBJECT_NAMES.get(name, name): inputs.get(name) for name in HEADERS}
    if inputs.get("kmsKeyId"):
        headers["serverSideEncryption"] = "aws:kms"
    params = calls.convert("s3", "put_object", headers)
    if acl := inputs.get("acl") or OBJECT_ACLS[kind.token]:
        params["ACL"] = acl
    if inputs.get("tags"):
        params["Tagging"] = urlencode(inputs["tags"])
    where = {"Bucket": inputs["bucket"], "Key": inputs["key"]}
    calls("s3", "put_object", {**params, **where, "Body": _body(inputs)})
    return str(inputs["key"])


OBJECT_ACLS = {
    "aws:s3/bucketObject:BucketObject": "private",
    "aws:s3/bucketObjectv2:BucketObjectv2": "",
}
"""The canned ACL that is sent where the program has none (terraform-provider-aws, s3/bucket_object.go, object.go)."""
OBJECTS = tuple(
    regular(
        token,
        "Key",
        scope={"Bucket": "bucket"},
        create="put_object",
        on_create=_upload,
        read="head_object",
        delete="delete_object",
        replaces="bucket",
        prepare=_object,
        ignored={
            "bucket": "sent by _upload",
            "forceDestroy": "removes a legal hold, which the stand-in cannot set",
        },
        settings=(
            again(_upload, *CONTENTS, *TRIGGERS, *HEADERS),
            on_change(lambda made: made.call("put_object_acl", ACL=made.inputs["acl"]), "acl"),
            on_change(partial(_tag, operation="put_object_tagging"), "tags"),
        ),
        also=("get_object_tagging",),
        reads={"tags": "TagSet"},
        unread=dict.fromkeys((*CONTENTS, *TRIGGERS, "acl"), "the provider compares its state's"),
        autoname="key",
        fixed_name="",
        joint=None,
        outputs={
            "arn": lambda subject, _: f"arn:aws:s3:::{subject.inputs['bucket']}/{subject.identity}",
            "contentType": "ContentType",
            "etag": lambda _, found: found["ETag"].strip('"'),
            "versionId": "VersionId",
        },
        absent=("404", "NoSuchBucket", "NoSuchKey"),
    )
    for token in OBJECT_ACLS
)

KINDS = (*(BUCKET, PUBLIC_ACCESS, ENCRYPTION, LIFECYCLE, OWNERSHIP, VERSIONING, POLICY), *OBJECTS)
