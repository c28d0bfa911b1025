"""S3's access rules: the permissions of tasks, ACLs, and bucket policies, which moto evaluates wrongly.

moto's S3 does not call actions as its other services do, so that the hooks do not see its calls.
It evaluates no condition keys, so that a Deny for requests without TLS would deny every request.
In the local cloud every request counts as one with TLS.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

import xmltodict  # type: ignore[import-untyped]
from moto.core.parse import RequestParserError
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response

from local_cloud.aws import hooks
from local_cloud.aws.hooks import Params, twice
from local_cloud.aws.policy_evaluation import listed
from local_cloud.aws.s3 import policies
from local_cloud.aws.s3.requests import Need, S3Request, arn

_set_lifecycle, _get_lifecycle = FakeBucket.set_lifecycle, S3Response.get_bucket_lifecycle
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}
KEPT: ContextVar[frozenset[str]] = ContextVar("kept", default=frozenset())
"""The ARNs of objects that this request may not delete."""

Respond = Callable[[S3Response, Any, str], Any]


def install() -> None:
    """Replace moto's evaluation of bucket policies, and check tasks' requests."""
    FakeBucket.get_permission = get_permission  # type: ignore[method-assign,assignment]
    FakeBucket.set_lifecycle = _kept_lifecycle  # type: ignore[method-assign,assignment]
    S3Response.get_bucket_lifecycle = _lifecycle_as_put  # type: ignore[method-assign,assignment]
    FakeBucket.is_versioned = property(_has_versions)  # type: ignore[method-assign,assignment]
    for name in ("_bucket_response", "_key_response"):
        respond = getattr(S3Response, name)
        if not hasattr(respond, "checks_tasks"):
            setattr(S3Response, name, _checked(respond))


def _kept_lifecycle(bucket: FakeBucket, rules: list[dict[str, Any]]) -> None:
    """Set a bucket's rules, and keep them as they were put: moto drops the sizes in a filter."""
    given = deepcopy(rules)
    _set_lifecycle(bucket, rules)
    kept = [{"ID": made.id, **each} for made, each in zip(bucket.rules, given, strict=True)]
    document = {"LifecycleConfiguration": {"@xmlns": NAMESPACE, "Rule": kept}}
    vars(bucket)["lifecycle"] = xmltodict.unparse(document)


def _lifecycle_as_put(response: S3Response) -> Any:
    status, headers, _ = _get_lifecycle(response)
    return status, headers, vars(hooks.backend("s3").buckets[response.bucket_name])["lifecycle"]


def _has_versions(bucket: FakeBucket) -> bool:
    """Return whether the bucket has versions. moto forgets all of them when versioning is suspended.

    S3 keeps them (S3 User Guide, "Working with objects in a versioning-suspended bucket"). What is written then
    is one version there, named null, and here each time another one.
    """
    return bucket.versioning_status in ("Enabled", "Suspended")


def get_permission(bucket: FakeBucket, action: str, resource: str) -> Any:
    """Return moto's `PermissionResult` of the bucket's policy for a request with TLS."""
    if resource in KEPT.get():
        return PermissionResult.DENIED
    policy = json.loads(bucket.policy) if bucket.policy else {"Statement": []}
    statements = listed(policy["Statement"])
    apply = [statement for statement in statements if statement.get("Condition") != WITHOUT_TLS]
    return IAMPolicy(json.dumps({"Statement": apply})).is_action_permitted(action, resource)


def _checked(respond: Respond) -> Respond:
    """Return the function that answers a request after the check of its task's role."""

    def checked(self: S3Response, request: Any, full_url: str) -> Any:
        with hooks.LOCK:
            try:
                kept = KEPT.set(_check(self, full_url))
            except hooks.Refused as refused:
                raise S3ClientError(refused.code, refused.message) from None
            except LookupError as unknown:
                # moto would answer with an HTML page, which a client cannot parse as XML.
                raise S3ClientError("InternalError", str(unknown)) from unknown
            try:
                return respond(self, request, full_url)
            finally:
                KEPT.reset(kept)

    checked.checks_tasks = True  # type: ignore[attr-defined]
    return checked


def _check(response: S3Response, url: str) -> frozenset[str]:
    """Return the ARNs of the objects that the request may not delete. Raises Refused if it may do nothing.

    The other keys of DeleteObjects are deleted (API reference, DeleteObjects, Errors).
    """
    request = S3Request(
        method=response.request.method,
        bucket=response.bucket_name,
        key=response.parse_key_name() if response.bucket_name else "",
        query=urlsplit(url).query,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=response.body if isinstance(response.body, bytes) else response.body.encode(),
    )
    _refuse_acl(request)
    _refuse_bucket(request)
    caller = hooks.registry.callers.get(_access_key(response, request))
    if caller is None:
        return frozenset()
    if request.operation is None:
        words = "The specified method is not allowed against this resource."
        raise hooks.Refused("MethodNotAllowed", words)
    policy = _policy(request.bucket)
    context = {"aws:SecureTransport": "true", "aws:ResourceAccount": hooks.ACCOUNT}
    for name, key in (("prefix", "s3:prefix"), ("delimiter", "s3:delimiter")):
        if name in request.parameters:
            context[key] = request.parameters[name]
    needs = [*request.needs(), *_of_a_missing_object(request)]
    for action, resource in needs:
        if refused := caller.refusal(action, resource, policy, context):
            raise hooks.Refused("AccessDenied", refused.replace(resource, f'"{resource}"', 1))
    deleted = request.deleted()
    return frozenset(
        each for action, each in deleted if caller.refusal(action, each, policy, context)
    )


ENFORCED = "BucketOwnerEnforced"
SAME_AS_NONE = ("private", "bucket-owner-full-control")
"""Canned ACLs that give only the owner access. S3's page names the second one; the provider of pulumi_aws sends the
first one with each ``s3.BucketObject`` (terraform-provider-aws, s3/bucket_object.go), also into new buckets."""


def _refuse_acl(request: S3Request) -> None:
    """Refuse an ACL that gives others access, where the bucket's owner has not turned ACLs on.

    They are off in each new bucket (S3 User Guide, "Controlling ownership of objects and disabling ACLs").
    """
    if request.headers.get("x-amz-acl", SAME_AS_NONE[0]) in SAME_AS_NONE:
        return
    if request.operation == "CreateBucket":
        if request.headers.get("x-amz-object-ownership", ENFORCED) == ENFORCED:
            words = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
            raise hooks.Refused("InvalidBucketAclWithObjectOwnership", words)
        return
    found = hooks.backend("s3").buckets.get(request.bucket)
    if found is not None and (found.ownership_rule or ENFORCED) == ENFORCED:
        raise hooks.Refused("AccessControlListNotSupported", "The bucket does not allow ACLs")


LACKING = re.compile(
    ".*(Abac|Analytics|Annotation|IntelligentTiering|Metadata|Metrics|RequestPayment|Torrent).*|CreateSession|"
    "RenameObject|RestoreObject|SelectObjectContent|UpdateObjectEncryption"
)
"""Operations that moto lacks and answers as others, such as CreateBucket."""


LONGEST_KEY = 1024
"""Bytes (S3 User Guide, "Naming Amazon S3 objects")."""


def _refuse_bucket(request: S3Request) -> None:
    """Refuse what moto lacks, by its name, and what breaks a rule about a bucket's name or settings."""
    operation = request.operation or ""
    if LACKING.fullmatch(operation):
        words = f"the local cloud does not implement s3:{operation}"
        raise hooks.Refused("NotImplemented", words)
    if len(request.key.encode()) > LONGEST_KEY:
        raise hooks.Refused("KeyTooLongError", "Your key is too long")
    if operation == "CreateBucket":
        policies.check_name(request.bucket)
    elif operation == "PutBucketPolicy":
        policies.check(request.bucket, request.body)
    elif operation.startswith("PutBucket"):
        try:
            hooks.judge(("s3", operation), request.arguments())
        except RequestParserError as problem:
            raise hooks.Refused("MalformedXML", str(problem)) from None


def _rules(given: Params) -> list[Params]:
    return given["LifecycleConfiguration"].get("Rules") or []


def _early(rule: Params) -> Any:
    """Return the storage class into which a rule moves objects too early; "Expiration" where it first deletes them."""
    moves = [(int(e.get("Days") or 0), e["StorageClass"]) for e in rule.get("Transitions") or ()]
    ends = int((rule.get("Expiration") or {}).get("Days") or 0)
    early = [name for days, name in moves if name.endswith("_IA") and days < INFREQUENT]
    return next(
        iter(early), "Expiration" if ends and any(ends <= days for days, _ in moves) else None
    )


INFREQUENT = 30
"""Days until an object may move to a class of infrequent access (S3 User Guide, "Transitioning objects")."""

# fmt: off
REFUSALS: hooks.Refusals = {
    "s3 PutBucketLifecycleConfiguration PutBucketLifecycle": (
        ("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule: {}", lambda p: (
            twice(rule["ID"] for rule in _rules(p) if rule.get("ID")))),
        ("InvalidArgument", "'Days' in Transition action must be greater than or equal to 30 for IA, and lower than "
         "those of Expiration: {}", lambda p: next(filter(None, map(_early, _rules(p))), None)),
        ("InvalidRequest", "At least one action needs to be specified in a rule: {}", lambda p: next((
            each.get("ID") or "-" for each in _rules(p) if not any(word in name for name in each for word in (
                "Expiration", "Transition", "Abort"))), None)),
    ),
    "s3 PutBucketEncryption": (
        ("InvalidArgument", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or "
         "aws:kms:dsse", lambda p: any(
             default["SSEAlgorithm"] == "AES256" and default.get("KMSMasterKeyID")
             for each in p["ServerSideEncryptionConfiguration"]["Rules"]
             if (default := each.get("ApplyServerSideEncryptionByDefault")))),
    ),
    "s3 PutBucketNotificationConfiguration": (  # other destinations are not looked at
        ("InvalidArgument", "Unable to validate the following destination configurations: {}", lambda p: next((
            each["TopicArn"] for each in p["NotificationConfiguration"].get("TopicConfigurations") or ()
            if each["TopicArn"] not in hooks.backend("sns").topics), None)),
    ),
}
# fmt: on
"""What ``hooks.register`` refuses."""


def _access_key(response: S3Response, request: S3Request) -> str:
    """Return the access key id that signed the request, in a header or, if it is presigned, in the query."""
    credential = request.parameters.get("X-Amz-Credential")
    return credential.partition("/")[0] if credential else response.get_access_key()


def _policy(bucket: str) -> Mapping[str, Any] | None:
    found = hooks.backend("s3").buckets.get(bucket)
    return json.loads(found.policy) if found is not None and found.policy else None


def _of_a_missing_object(request: S3Request) -> list[Need]:
    """Return the action without which S3 hides that an object does not exist (API reference, GetObject)."""
    found = hooks.backend("s3").buckets.get(request.bucket)
    reads = request.operation in ("GetObject", "HeadObject")
    if not reads or found is None or request.key in found.keys:
        return []
    return [("s3:ListBucket", arn(request.bucket))]
