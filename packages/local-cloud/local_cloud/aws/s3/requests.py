"""S3's requests: the operation of each, and the IAM actions and resources that it needs.

Source of the actions: Amazon S3 User Guide, "Required permissions for Amazon S3 API operations".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

import xmltodict  # type: ignore[import-untyped]
from moto.core.parse import RestXMLParser
from moto.core.utils import get_service_model
from requests.structures import CaseInsensitiveDict
from werkzeug.datastructures import MultiDict

from local_cloud.aws.policy_evaluation import listed

OF_SEVERAL = ("Analytics", "IntelligentTiering", "Inventory", "Metrics")
"""The configurations of which a bucket has several."""
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "ListAllMyBuckets": ("ListBuckets",),
    "ListBucket": ("HeadBucket", "ListObjects", "ListObjectsV2"),
    "ListBucketMultipartUploads": ("ListMultipartUploads",),
    "ListBucketVersions": ("ListObjectVersions",),
    "ListMultipartUploadParts": ("ListParts",),
    "GetObject": ("HeadObject", "SelectObjectContent"),
    "PutObject": (
        *("CopyObject", "CreateMultipartUpload", "CompleteMultipartUpload"),
        *("UploadPart", "UploadPartCopy"),
    ),
    "DeleteObject": ("DeleteObjects",),
    "GetAccelerateConfiguration": ("GetBucketAccelerateConfiguration",),
    "PutAccelerateConfiguration": ("PutBucketAccelerateConfiguration",),
    "GetBucketCORS": ("GetBucketCors",),
    "PutBucketCORS": ("PutBucketCors", "DeleteBucketCors"),
    "GetEncryptionConfiguration": ("GetBucketEncryption",),
    "PutEncryptionConfiguration": ("PutBucketEncryption", "DeleteBucketEncryption"),
    "GetLifecycleConfiguration": ("GetBucketLifecycle", "GetBucketLifecycleConfiguration"),
    "PutLifecycleConfiguration": (
        *("PutBucketLifecycle", "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle"),
    ),
    "GetBucketNotification": ("GetBucketNotificationConfiguration",),
    "PutBucketNotification": ("PutBucketNotificationConfiguration",),
    "GetBucketObjectLockConfiguration": ("GetObjectLockConfiguration",),
    "PutBucketObjectLockConfiguration": ("PutObjectLockConfiguration",),
    "GetBucketPublicAccessBlock": ("GetPublicAccessBlock",),
    "PutBucketPublicAccessBlock": ("PutPublicAccessBlock", "DeletePublicAccessBlock"),
    "PutBucketOwnershipControls": ("DeleteBucketOwnershipControls",),
    "PutBucketTagging": ("DeleteBucketTagging",),
    "GetReplicationConfiguration": ("GetBucketReplication",),
    "PutReplicationConfiguration": ("PutBucketReplication", "DeleteBucketReplication"),
    **{
        f"{verb}BucketMetadataTableConfiguration": (f"{verb}BucketMetadataConfiguration",)
        for verb in ("Create", "Get", "Delete")
    },
    **{
        f"{verb}{kind}Configuration": (
            *(f"{verb}Bucket{kind}Configuration", f"{other}Bucket{kind}Configuration{end}"),
        )
        for verb, other, end in (("Get", "List", "s"), ("Put", "Delete", ""))
        for kind in OF_SEVERAL
    },
}
"""The actions with the operations that have another name. Any other operation has the action's name."""
ACTION_OF = {operation: action for action, listed in ACTIONS.items() for operation in listed}

OF_A_VERSION = {
    f"{verb}Object{subject}": f"{verb}ObjectVersion{subject}"
    for verb, subjects in {
        "Delete": ("", "Tagging"),
        "Get": ("", "Acl", "Attributes", "Tagging", "Torrent"),
        "Put": ("Acl", "Tagging"),
    }.items()
    for subject in subjects
}
"""The actions that have another name with a version id."""

BY_HEADER: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "PutObject": {
        "x-amz-acl": ("PutObjectAcl",),
        "x-amz-grant-": ("PutObjectAcl",),
        "x-amz-tagging": ("PutObjectTagging",),
        "x-amz-object-lock-legal-hold": ("PutObjectLegalHold",),
        "x-amz-object-lock-mode": ("PutObjectRetention",),
    },
    "CreateBucket": {
        "x-amz-acl": ("PutBucketAcl",),
        "x-amz-grant-": ("PutBucketAcl",),
        "x-amz-bucket-object-lock-enabled": (
            *("PutBucketObjectLockConfiguration", "PutBucketVersioning"),
        ),
        "x-amz-object-ownership": ("PutBucketOwnershipControls",),
    },
}
"""The actions that a request needs besides, by the beginning of a header."""

Need = tuple[str, str]
"""An action and the ARN of its resource."""


@dataclass(frozen=True, kw_only=True)
class S3Request:
    """A request to S3. ``query`` is not decoded; the names in ``headers`` are in lower case."""

    method: str
    bucket: str
    key: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def parameters(self) -> Mapping[str, str]:
        """Return the query's parameters, each with its first value."""
        found = parse_qs(self.query, keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}

    @property
    def operation(self) -> str | None:
        """Return the operation's name in botocore's model; None if the model has none for the request."""
        fitting = [route for route in _routes() if route.fits(self)]
        # PutBucketLifecycle is a deprecated form of PutBucketLifecycleConfiguration with the same route.
        rank = [(route.weight, route.operation.endswith("Configuration")) for route in fitting]
        return fitting[rank.index(max(rank))].operation if fitting else None

    def arguments(self) -> dict[str, Any]:
        """Return the operation's parameters by botocore's names. Raises moto's RequestParserError for other XML."""
        model = get_service_model("s3").operation_model(str(self.operation))
        given: Any = {"method": self.method, "headers": CaseInsensitiveDict(self.headers)}
        given |= {"values": MultiDict(parse_qsl(self.query, keep_blank_values=True))}
        given |= {"url_params": {"Bucket": self.bucket, "Key": self.key}, "body": self.body}
        found: dict[str, Any] = RestXMLParser(model).parse(given)
        return found

    def needs(self) -> Iterator[Need]:
        """Yield what the whole request needs. DeleteObjects is decided for each key, by `deleted`."""
        operation, version = self.operation or "", "versionId" in self.parameters
        if operation == "DeleteObjects":
            return
        resource = arn(self.bucket, self.key) if self.bucket else "*"
        action = ACTION_OF.get(operation, operation)
        yield _action(action, version), resource
        if operation == "GetObjectAttributes":
            yield _action("GetObject", version), resource
        if source := self.headers.get("x-amz-copy-source"):
            bucket, _, key = unquote(source.partition("?")[0]).lstrip("/").partition("/")
            yield _action("GetObject", "?versionId=" in source), arn(bucket, key)
        for header, actions in BY_HEADER.get(action, {}).items():
            if any(name.startswith(header) for name in self.headers):
                yield from ((f"s3:{name}", resource) for name in actions)

    def deleted(self) -> Iterator[Need]:
        """Yield what the deletion of each key of DeleteObjects needs."""
        if self.operation == "DeleteObjects":
            asked = xmltodict.parse(self.body, strip_whitespace=False)["Delete"]
            for deletion in listed(asked.get("Object", ())):
                action = _action("DeleteObject", bool(deletion.get("VersionId")))
                yield action, arn(self.bucket, deletion["Key"])


def arn(bucket: str, key: str = "") -> str:
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _action(name: str, version: bool) -> str:
    return f"s3:{OF_A_VERSION.get(name, name) if version else name}"


@dataclass(frozen=True, kw_only=True)
class _Route:
    """What a request of an operation must have, by botocore's model."""

    operation: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: tuple[str, ...]

    @property
    def weight(self) -> int:
        return len(self.query) + len(self.headers)

    def fits(self, request: S3Request) -> bool:
        path = "/{Bucket}/{Key+}" if request.key else "/{Bucket}" if request.bucket else "/"
        given = request.parameters
        return (
            (self.method, self.path) == (request.method, path)
            and all(
                name in given and value in ("", given[name]) for name, value in self.query.items()
            )
            and all(name in request.headers for name in self.headers)
        )


@cache
def _routes() -> tuple[_Route, ...]:
    model = get_service_model("s3")
    routes = []
    for name in sorted(model.operation_names):
        operation = model.operation_model(name)
        path, _, query = operation.http["requestUri"].partition("?")
        fixed = parse_qs(query, keep_blank_values=True)
        shape = operation.input_shape
        required = [shape.members[member] for member in shape.required_members] if shape else []
        placed = [(each.serialization.get("location"), each.serialization) for each in required]
        routes.append(
            _Route(
                operation=name,
                method=operation.http["method"],
                path=path,
                query={key: values[0] for key, values in fixed.items()}
                | {str(member["name"]): "" for where, member in placed if where == "querystring"},
                headers=tuple(
                    str(member["name"]).lower() for where, member in placed if where == "header"
                ),
            )
        )
    return tuple(routes)
