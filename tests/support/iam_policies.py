"""Judges AWS calls by IAM policies, conditions included, and says which actions a call needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from ops.problems import IAM_PREFIX

PREFIXES = {
    **IAM_PREFIX,
    "application-autoscaling": "application-autoscaling",
    "elbv2": "elasticloadbalancing",
    "events": "events",
    "cloudwatch": "cloudwatch",
}
RENAMED = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:HeadObject": "s3:GetObject",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
}
"""S3's operations whose action has another name (Service Authorization Reference, Amazon S3)."""
READS = ("Describe", "Get", "List", "BatchGet", "BatchCheck", "Head", "Filter")


UNKNOWN = "?"
"""The resource of a call that does not name it by what an ARN is made of: one of the stack's own."""


@dataclass(frozen=True)
class Call:
    """One call to AWS: what IAM asks about it."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def reads(self) -> bool:
        """Whether it only looks."""
        return self.action.partition(":")[2].startswith(READS)


def action(service: str, operation: str) -> str:
    """The IAM action of an operation, both by botocore's names."""
    name = f"{PREFIXES.get(service, service)}:{operation}"
    return RENAMED.get(name, name)


def allowed(documents: Iterable[Mapping[str, Any]], call: Call) -> bool:
    """Whether the policies allow it: an explicit Deny wins, silence refuses."""
    found = False
    for document in documents:
        for statement in document["Statement"]:
            if _applies(statement, call):
                if statement["Effect"] == "Deny":
                    return False
                found = True
    return found


def _applies(statement: Mapping[str, Any], call: Call) -> bool:
    acts = any(
        fnmatchcase(call.action.lower(), each.lower()) for each in _list(statement["Action"])
    )
    on = any(fnmatchcase(call.resource, each) for each in _list(statement["Resource"]))
    if call.resource == UNKNOWN:
        on = on or statement["Effect"] == "Allow"
    return acts and on and _holds(statement.get("Condition", {}), call.context)


def _holds(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """All operators that the delivery's policies use; another one is an error, never passed over."""
    for operator, keys in conditions.items():
        for key, value in keys.items():
            known, is_ = _list(value), context.get(key)
            match operator:
                case "StringEquals":
                    good = is_ in known
                case "StringNotEquals":
                    good = is_ not in known
                case "Null":
                    good = (is_ is None) == (value == "true")
                case "Bool":
                    good = is_ == value
                case _:
                    raise AssertionError(f"the test cannot judge {operator}")
            if not good:
                return False
    return True


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
