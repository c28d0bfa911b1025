"""The delivery's bucket and key: how each is looked at and put in place. Neither is ever removed."""

from __future__ import annotations

import json
from typing import Any

from ops.aws import AwsProblem, Session
from ops.delivery.iam import OURS, asked
from ops.delivery.items import Item, Spec
from ops.delivery.names import TAGS

CLOSED = dict.fromkeys(
    ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
)
META = ".pulumi/meta.yaml"
LAYOUT = b"version: 1\n"
"""What Pulumi itself writes into an empty bucket; a preview's role could not."""
ELSEWHERE = "us-east-1"
"""The one region that S3 does not want to be named (S3 API, CreateBucket)."""


class Key:
    """The key that encrypts the state and what is secret in it, by its alias."""

    def look(self, session: Session, item: Item) -> Spec | None:
        found = asked(session, "kms", "describe_key", KeyId=item.name)
        if found is None:
            return None
        key = found["KeyMetadata"]["KeyId"]
        policy = session.call("kms", "get_key_policy", KeyId=key, PolicyName="default")
        turned = session.call("kms", "get_key_rotation_status", KeyId=key)
        return {
            "policy": json.loads(policy["Policy"]),
            "rotation": turned["KeyRotationEnabled"],
            "arn": found["KeyMetadata"]["Arn"],
        }

    def create(self, session: Session, item: Item) -> None:
        tags = [{"TagKey": key, "TagValue": value} for key, value in TAGS.items()]
        made = session.call(
            "kms", "create_key", Description="The state of careapp's stacks", Tags=tags,
            Policy=json.dumps(item.spec["policy"]),
        )  # fmt: skip
        key = made["KeyMetadata"]["KeyId"]
        session.call("kms", "create_alias", AliasName=item.name, TargetKeyId=key)
        session.call("kms", "enable_key_rotation", KeyId=key)

    def change(self, session: Session, item: Item) -> None:
        key = session.call("kms", "describe_key", KeyId=item.name)["KeyMetadata"]["KeyId"]
        session.call(
            "kms", "put_key_policy", KeyId=key, PolicyName="default",
            Policy=json.dumps(item.spec["policy"]),
        )  # fmt: skip
        session.call("kms", "enable_key_rotation", KeyId=key)


class Bucket:
    """The bucket of the state."""

    def look(self, session: Session, item: Item) -> Spec | None:
        if asked_bucket(session, "head_bucket", item) is None:
            return None
        policy = asked_bucket(session, "get_bucket_policy", item)
        versions = asked_bucket(session, "get_bucket_versioning", item) or {}
        closed = asked_bucket(session, "get_public_access_block", item) or {}
        return {
            "policy": json.loads(policy["Policy"]) if policy else None,
            "versioning": versions.get("Status") == "Enabled",
            "key": _key(asked_bucket(session, "get_bucket_encryption", item)),
            "closed": closed.get("PublicAccessBlockConfiguration") == CLOSED,
            "kept_days": _kept(asked_bucket(session, "get_bucket_lifecycle_configuration", item)),
        }

    def create(self, session: Session, item: Item) -> None:
        place = {"LocationConstraint": session.region}
        more = {} if session.region == ELSEWHERE else {"CreateBucketConfiguration": place}
        session.call("s3", "create_bucket", Bucket=item.name, **more)
        session.call("s3", "put_bucket_tagging", Bucket=item.name, Tagging={"TagSet": OURS})
        self.change(session, item)

    def change(self, session: Session, item: Item) -> None:
        """Closed before anything is in it; the policy last."""
        for operation, params in settings(item.spec).items():
            session.call("s3", operation, Bucket=item.name, **params)
        if asked_bucket(session, "get_bucket_policy", item) is None:
            session.call("s3", "put_object", Bucket=item.name, Key=META, Body=LAYOUT)
        policy = json.dumps(item.spec["policy"])
        session.call("s3", "put_bucket_policy", Bucket=item.name, Policy=policy)


def settings(spec: Spec) -> dict[str, dict[str, Any]]:
    """The operations that make a bucket as it should be but for its policy, and what each is told."""
    key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": spec["key"]}
    rule = {"ApplyServerSideEncryptionByDefault": key, "BucketKeyEnabled": True}
    old = {
        "ID": "old-states",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": spec["kept_days"]},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    return {
        "put_public_access_block": {"PublicAccessBlockConfiguration": CLOSED},
        "put_bucket_encryption": {"ServerSideEncryptionConfiguration": {"Rules": [rule]}},
        "put_bucket_versioning": {"VersioningConfiguration": {"Status": "Enabled"}},
        "put_bucket_lifecycle_configuration": {"LifecycleConfiguration": {"Rules": [old]}},
    }


def asked_bucket(session: Session, operation: str, item: Item) -> dict[str, Any] | None:
    """As `asked`; a HEAD answers by the bare number 404."""
    try:
        return asked(session, "s3", operation, Bucket=item.name)
    except AwsProblem as problem:
        if problem.code == "404":
            return None
        raise


def _key(answer: dict[str, Any] | None) -> str:
    if answer is None:
        return ""
    [rule] = answer["ServerSideEncryptionConfiguration"]["Rules"]
    return str(rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID", ""))


def _kept(answer: dict[str, Any] | None) -> int:
    rules = answer["Rules"] if answer else []
    [days] = [
        each["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for each in rules
        if "NoncurrentVersionExpiration" in each
    ] or [0]
    return int(days)
