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
from moto.core.exceptions import ServiceException
from moto.core.parse import RequestParserError
from moto.core.responses import ActionResult
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.exceptions import MissingBucket, S3ClientError
from moto.s3.models import FakeBucket, PublicAccessBlock
from moto.s3.responses import S3Response
from werkzeug.exceptions import HTTPException

from local_cloud.aws import hooks, models
from local_cloud.aws.policy_evaluation import listed
from local_cloud.aws.s3 import policies
from local_cloud.aws.s3.requests import Need, S3Request, arn

_make, _set_lifecycle = FakeBucket.__init__, FakeBucket.set_lifecycle
_get_lifecycle = S3Response.get_bucket_lifecycle
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}
STATUSES = {"InvalidBucketState": 409, "NotImplemented": 501}
"""Those of errors that botocore's model does not have, where not 400 (recorded by LocalStack)."""
KEPT: ContextVar[frozenset[str]] = ContextVar("kept", default=frozenset())
"""The ARNs of objects that this request may not delete."""

Respond = Callable[[S3Response, Any, str], Any]


def install() -> None:
    """Replace moto's evaluation of bucket policies, and check tasks' requests."""
    FakeBucket.__init__ = _private  # type: ignore[method-assign,assignment]
    FakeBucket.get_permission = get_permission  # type: ignore[method-assign,assignment]
    FakeBucket.set_lifecycle = _kept_lifecycle  # type: ignore[method-assign,assignment]
    S3Response.get_bucket_lifecycle = _lifecycle_as_put  # type: ignore[method-assign,assignment]
    FakeBucket.is_versioned = property(_has_versions)  # type: ignore[method-assign,assignment]
    for name in ("_bucket_response", "_key_response"):
        respond = getattr(S3Response, name)
        if not hasattr(respond, "checks_tasks"):
            setattr(S3Response, name, _checked(respond))


def _private(bucket: FakeBucket, *args: Any, **more: Any) -> None:
    """Make a bucket that blocks public access (S3 User Guide, "Blocking public access to your Amazon S3 storage")."""
    _make(bucket, *args, **more)
    bucket.public_access_block = PublicAccessBlock(*[True] * 4)


def _kept_lifecycle(bucket: FakeBucket, rules: list[dict[str, Any]]) -> None:
    """Set a bucket's rules, and keep them as they were put: moto drops the sizes in a filter."""
    given = deepcopy(rules)
    _set_lifecycle(bucket, rules)
    kept = [{"ID": made.id, **rule} for made, rule in zip(bucket.rules, given, strict=True)]
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
                try:
                    return respond(self, request, full_url)
                finally:
                    KEPT.reset(kept)
            except hooks.Refused as refused:
                problem = S3ClientError(refused.code, refused.message)
                if refused.code not in STATUSES:
                    raise problem from None
                _, headers, body = self.serialized(ActionResult(problem))
                return STATUSES[refused.code], headers | {"status": STATUSES[refused.code]}, body
            except (HTTPException, ServiceException):
                raise
            except Exception as bug:
                # moto would answer with an HTML page, which a client cannot parse as XML.
                hooks.log.exception("s3 failed: %s %s", request.method, urlsplit(full_url).path)
                problem = S3ClientError("InternalError", f"{type(bug).__name__}: {bug}")
                _, headers, body = self.serialized(ActionResult(problem))
                return 500, headers | {"status": 500}, body

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
    _refuse(request)
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
    return frozenset(
        resource
        for action, resource in request.deleted()
        if caller.refusal(action, resource, policy, context)
    )


ENFORCED = "BucketOwnerEnforced"
SAME_AS_NONE = ("private", "bucket-owner-full-control")
"""Canned ACLs that give only the owner access. S3's page names the second one; the provider of pulumi_aws sends the
first one with each ``s3.BucketObject`` (terraform-provider-aws, s3/bucket_object.go), also into new buckets."""


PUBLIC = re.compile(r"public-read(-write)?|authenticated-read|.*/groups/global/.*", re.DOTALL)


def _acls(request: S3Request) -> list[str]:
    """Return the ACLs that give others access."""
    found = [
        value
        for name, value in request.headers.items()
        if name.startswith("x-amz-grant-") or (name == "x-amz-acl" and value not in SAME_AS_NONE)
    ]
    body = request.body.decode() if request.operation in ("PutBucketAcl", "PutObjectAcl") else ""
    full = re.findall("<Permission>(.*?)<", body) in ([], ["FULL_CONTROL"])
    return found + ([] if full and not PUBLIC.fullmatch(body) else [body])


def _refuse_acl(request: S3Request) -> None:
    """Refuse an ACL that gives others access, where the bucket's owner has not turned ACLs on, or blocks public ones.

    They are off and blocked in each new bucket (S3 User Guide, "Controlling ownership of objects and disabling ACLs"
    and "Blocking public access to your Amazon S3 storage").
    """
    acls = _acls(request)
    if not acls:
        return
    if request.operation == "CreateBucket":
        if request.headers.get("x-amz-object-ownership", ENFORCED) == ENFORCED:
            words = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
            raise hooks.Refused("InvalidBucketAclWithObjectOwnership", words)
        return
    found = hooks.backend("s3").buckets.get(request.bucket)
    if found is not None and (found.ownership_rule or ENFORCED) == ENFORCED:
        raise hooks.Refused("AccessControlListNotSupported", "The bucket does not allow ACLs")
    block = found.public_access_block if found is not None else None
    if block is not None and block.block_public_acls and any(map(PUBLIC.fullmatch, acls)):
        raise hooks.Refused("AccessDenied", "Access Denied")


LACKING = re.compile(
    ".*(Abac|Analytics|Annotation|IntelligentTiering|Metadata|Metrics|RequestPayment|Torrent).*|CreateSession|"
    "RenameObject|RestoreObject|SelectObjectContent|UpdateObjectEncryption"
)
"""Operations that moto lacks and answers as others, such as CreateBucket."""


LONGEST_KEY = 1024
"""Bytes (S3 User Guide, "Naming Amazon S3 objects")."""


def _refuse(request: S3Request) -> None:
    """Refuse what moto lacks, by its name, and what breaks a rule about a bucket, its settings or an object."""
    operation = request.operation or ""
    if LACKING.fullmatch(operation):
        words = f"the local cloud does not implement s3:{operation}"
        raise hooks.Refused("NotImplemented", words)
    if len(request.key.encode()) > LONGEST_KEY:
        raise hooks.Refused("KeyTooLongError", "Your key is too long")
    if operation == "CreateBucket":
        policies.check_name(request.bucket)
    elif request.bucket and request.bucket not in hooks.backend("s3").buckets:
        raise MissingBucket(request.bucket)
    # API reference, "Common Request Headers" of each operation; the first code is recorded by LocalStack.
    owner = request.headers.get("x-amz-expected-bucket-owner", hooks.ACCOUNT)
    if hooks.other_than(r"\d{12}", owner):
        words = f"The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]"
        raise hooks.Refused("InvalidBucketOwnerAWSAccountID", words)
    if owner != hooks.ACCOUNT:
        raise hooks.Refused("AccessDenied", "Access Denied")
    if operation == "PutBucketPolicy":
        policies.check(request.bucket, request.body)
    elif operation:
        _judge(request, operation)


BODILESS = ("CreateBucket", "PutBucketAcl", "PutObjectAcl", "CompleteMultipartUpload")
"""Operations that need no body, though they have a form for it."""


def _judge(request: S3Request, operation: str) -> None:
    """Refuse what breaks a rule. "InvalidArgument" is for headers and parameters, "MalformedXML" for a body."""
    shape = models.input_shape("s3", operation)
    payload = shape.members.get(shape.serialization.get("payload")) if shape else None
    in_body = payload is not None and payload.type_name == "structure"
    if in_body and not request.body and operation not in BODILESS:
        raise hooks.Refused("MissingRequestBodyError", "Request Body is empty")
    try:
        hooks.judge(("s3", operation), request.arguments())
    except (RequestParserError, ValueError) as problem:
        code = "MalformedXML" if request.body else "InvalidArgument"
        raise hooks.Refused(code, str(problem)) from None
    except hooks.Refused as refused:
        if refused.code == "MalformedXML" and not (in_body and request.body):
            raise hooks.Refused("InvalidArgument", refused.message) from None
        raise


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
