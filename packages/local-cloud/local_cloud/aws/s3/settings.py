"""What S3 refuses of a bucket's settings, its objects and their uploads, and moto takes.

A code that no reference names is one that LocalStack recorded of AWS (localstack/localstack, tests/aws/services/s3,
the files *.snapshot.json), or of the named issue.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.exceptions import HTTPException

from local_cloud.aws.hooks import ACCOUNT, Broken, Params, Refusals, backend, twice
from local_cloud.aws.policy_evaluation import admits, read

INFREQUENT = 30
"""Days until an object may move to a class of infrequent access, and that it stays there."""
CLASSES = (
    *("STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA"),
    *("GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"),
)
"""An object moves only to a later one (S3 User Guide, "Transitioning objects using Amazon S3 Lifecycle")."""


def _bucket(given: Params) -> Any:
    return backend("s3").buckets[given["Bucket"]]


def _of_rules(broken: Callable[[Params], Any]) -> Broken:
    """Return what is broken by the first one of a lifecycle's rules."""
    return lambda given: next(filter(None, map(broken, _rules(given))), None)


def _rules(given: Params) -> list[Params]:
    return given["LifecycleConfiguration"].get("Rules") or []


def _early(rule: Params) -> str | None:
    """Return the class into which a rule moves objects too early, or backwards; "Expiration" where that is earlier."""
    for versions, days in (("", "Days"), ("NoncurrentVersion", "NoncurrentDays")):
        given = rule.get(f"{versions}Transitions") or ()
        moves = sorted((int(e[days]), str(e["StorageClass"])) for e in given if days in e)
        for (time, name), (later, following) in pairwise([(0, CLASSES[0]), *moves]):
            soon = "_IA" in name + following and later < time + INFREQUENT
            if soon or CLASSES.index(following) <= CLASSES.index(name):
                return following
        ends = int((rule.get(f"{versions}Expiration") or {}).get(days) or 0)
        if ends and any(ends <= time for time, _ in moves):
            return f"{versions}Expiration"
    return None


def _tagged(rule: Params) -> bool:
    chosen = rule.get("Filter") or {}
    return "Tag" in chosen or "Tags" in (chosen.get("And") or {})


POLICIES: Mapping[tuple[str, str], Callable[[str], Any]] = {
    ("Topic", "sns:Publish"): lambda arn: backend("sns").topics[arn].policy,
    ("Queue", "sqs:SendMessage"): lambda arn: backend("sqs").queues[arn.split(":")[-1]].policy,
    ("LambdaFunction", "lambda:InvokeFunction"): lambda arn: (
        backend("lambda").get_function(arn).policy.wire_format()
    ),
}
"""The destinations of notifications with what S3 must be allowed there, and their policies."""


def _closed(given: Params) -> str | None:
    """Return a destination that is not there, or whose policy does not let S3 send to it.

    S3 User Guide, "Granting permissions to publish event notification messages to a destination".
    """
    bucket = f"arn:aws:s3:::{given['Bucket']}"
    context = {"aws:SourceArn": bucket, "aws:SourceAccount": ACCOUNT}
    for (kind, action), policy_of in POLICIES.items():
        for configuration in given["NotificationConfiguration"].get(f"{kind}Configurations") or ():
            arn, policy = configuration[f"{kind}Arn"], None
            with suppress(KeyError, HTTPException):  # of what is not there
                policy = read(policy_of(arn) or "")
            policy = read((policy or {}).get("Policy", "")) or policy  # a function's is in it
            if not admits(policy or {}, "s3.amazonaws.com", action, arn, context):
                return str(arn)
    return None


def _without_versions(name: str) -> bool:
    found = backend("s3").buckets.get(name)
    return found is None or found.versioning_status != "Enabled"


# fmt: off
REFUSALS: Refusals = {
    "s3 PutBucketLifecycleConfiguration PutBucketLifecycle": (
        ("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule: {}", lambda p: (
            twice(rule["ID"] for rule in _rules(p) if rule.get("ID")))),
        # API reference, LifecycleExpiration, Transition and BucketLifecycleConfiguration
        ("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema",
         lambda p: len(_rules(p)) > 1000 or any(
             {} in (rule.get("Expiration"), rule.get("NoncurrentVersionExpiration"))
             or any("StorageClass" not in e for e in rule.get("Transitions") or ())
             for rule in _rules(p))),
        ("InvalidArgument", "'Days' in Transition action must be greater than or equal to 30 for IA, and lower than "
         "those of Expiration: {}", _of_rules(_early)),
        ("InvalidRequest", "At least one action needs to be specified in a rule: {}", _of_rules(lambda rule: (
            not any(word in name for name in rule for word in ("Expiration", "Transition", "Abort"))
            and (rule.get("ID") or "-")))),
        # terraform-aws-modules/terraform-aws-s3-bucket issue 109; S3 User Guide, "Lifecycle configuration elements"
        ("InvalidRequest", "{} cannot be specified with Tags.", _of_rules(lambda rule: _tagged(rule) and next((
            name for name in ("AbortIncompleteMultipartUpload", "ExpiredObjectDeleteMarker")
            if name in {**rule, **(rule.get("Expiration") or {})}), None))),
    ),
    "s3 PutBucketEncryption": (
        ("InvalidArgument", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or "
         "aws:kms:dsse", lambda p: any(
             default["SSEAlgorithm"] == "AES256" and default.get("KMSMasterKeyID")
             for rule in p["ServerSideEncryptionConfiguration"]["Rules"]
             if (default := rule.get("ApplyServerSideEncryptionByDefault")))),
    ),
    "s3 PutBucketNotificationConfiguration": (
        ("InvalidArgument", "Unable to validate the following destination configurations: {}", _closed),
    ),
    "s3 PutBucketReplication": (
        ("InvalidRequest", "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
         lambda p: _without_versions(p["Bucket"])),
        ("InvalidRequest", "Destination bucket must have versioning enabled.", lambda p: any(
            _without_versions(rule["Destination"]["Bucket"].split(":")[-1])
            for rule in p["ReplicationConfiguration"]["Rules"])),
    ),
    "s3 PutBucketAcl PutObjectAcl": (
        ("MissingSecurityHeader", "Your request was missing a required header",
         lambda p: not any(name.startswith(("ACL", "Grant", "AccessControl")) for name in p)),
    ),
    "s3 PutBucketVersioning": (
        ("IllegalVersioningConfigurationException", "The Versioning element must be specified",
         lambda p: not p["VersioningConfiguration"].get("Status")),
        ("InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state "
         "cannot be changed.", lambda p: (
             _bucket(p).object_lock_enabled and p["VersioningConfiguration"]["Status"] != "Enabled")),
    ),
    "s3 DeleteObject DeleteObjects": (
        ("InvalidArgument", "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.",
         lambda p: "BypassGovernanceRetention" in p and not _bucket(p).object_lock_enabled),
    ),
    "s3 PutObject CompleteMultipartUpload": (
        ("NotImplemented", "A header you provided implies functionality that is not implemented",
         lambda p: p.get("IfNoneMatch") not in (None, "*")),
    ),
    "s3 PutObject CopyObject CreateMultipartUpload": (
        ("InvalidArgument", "The header 'x-amz-tagging' has the key {} twice.", lambda p: twice(
            name for name, _ in parse_qsl(p.get("Tagging") or ""))),
        ("KMS.NotFoundException", "Invalid keyId '{}'", lambda p: (name := p.get("SSEKMSKeyId")) and (
            "alias/" not in name and name.split("/")[-1] not in backend("kms").keys and name)),
    ),
    "s3 GetObjectRetention PutObjectRetention GetObjectLegalHold PutObjectLegalHold": (
        ("InvalidRequest", "Bucket is missing Object Lock Configuration",
         lambda p: not _bucket(p).object_lock_enabled),
        ("NoSuchKey", "The specified key does not exist.", lambda p: p["Key"] not in _bucket(p).keys),
    ),
    "s3 PutObjectRetention PutObjectLegalHold": (
        ("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema",
         lambda p: not (p.get("LegalHold") or p.get("Retention"))),
    ),
    "s3 PutObjectTagging": (  # S3 User Guide, "Categorizing your objects using tags"
        ("BadRequest", "Object tags cannot be greater than 10", lambda p: len(p["Tagging"]["TagSet"]) > 10),
    ),
    "s3 UploadPart UploadPartCopy CompleteMultipartUpload AbortMultipartUpload ListParts": (
        ("NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
         "been aborted or completed.", lambda p: p["UploadId"] not in _bucket(p).multiparts),
    ),
    "s3 ListObjectsV2": (
        ("InvalidArgument", "The continuation token provided is incorrect",
         lambda p: p.get("ContinuationToken", "") not in {"", *backend("s3")._pagination_tokens}),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""
