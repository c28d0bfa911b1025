"""The signatures of requests to the AWS API, compared with the keys that this local cloud gave.

Sources: IAM User Guide, "Create a signed AWS API request" (Signature Version 4); S3 API Reference, "Authenticating
requests: using query parameters"; S3 User Guide, "Signing and authenticating REST requests" (version 2, with which
boto3 signs S3's URLs); the codes: each API's "Common errors", and the lists of errors of S3 and EC2.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import parse_qsl, quote, urlsplit

from botocore.auth import HmacV1Auth, SigV4Auth
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from local_cloud.aws import hooks

DIFFERENT = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)
INVALID = "The security token included in the request is invalid."
MISSING = ("MissingAuthenticationToken", "Request is missing Authentication Token")
SAID = {
    "ec2": (("AuthFailure", "AWS was not able to validate the provided access credentials"),) * 2,
    "json": (("UnrecognizedClientException", INVALID), ("InvalidSignatureException", DIFFERENT)),
    "query": (("InvalidClientTokenId", INVALID), ("SignatureDoesNotMatch", DIFFERENT)),
    "s3": (
        (
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        ("SignatureDoesNotMatch", DIFFERENT),
    ),
}
"""What an API of each protocol says of an unknown key, and of another signature."""


class Unsigned(Exception):
    """No key of this local cloud has signed the request."""

    def __init__(self, protocol: str, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.protocol, self.code, self.message = protocol, code, message


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it came: the target is not decoded, the headers' names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def fields(self) -> dict[str, str]:
        """Return the fields of the signature, of version 4, from the header or from a presigned URL's query."""
        scheme, _, given = self.headers.get("authorization", "").partition(" ")
        if scheme == "AWS4-HMAC-SHA256":
            pairs = (each.strip().partition("=") for each in given.split(","))
            return {name: value for name, _, value in pairs} | {
                "Date": self.headers.get("x-amz-date", "")
            }
        return {
            name.removeprefix("X-Amz-"): value
            for name, value in self.query.items()
            if name.startswith("X-Amz-")
        }


def check(request: Request) -> None:
    """Raise Unsigned unless a key of this local cloud has signed the request."""
    fields, query = request.fields, request.query
    scope = fields.get("Credential", "").split("/")
    if "AWSAccessKeyId" in query:
        scope, fields = [query["AWSAccessKeyId"], "", "", "s3", ""], query
    json = "json" in request.headers.get("content-type", "")
    if len(scope) != 5:
        raise Unsigned("json" if json else "query", *MISSING)
    protocol = scope[3] if scope[3] in SAID else "json" if json else "query"
    unknown, different = SAID[protocol]
    known = _credentials(scope[0])
    token = request.headers.get("x-amz-security-token") or next(
        (query[name] for name in query if name.lower() == "x-amz-security-token"), None
    )
    if known is None or known.token != token:
        raise Unsigned(protocol, *unknown)
    sign = _version_2 if fields is query else _version_4
    if not hmac.compare_digest(fields.get("Signature", ""), sign(request, fields, known)):
        raise Unsigned(protocol, *different)


def _credentials(key_id: str) -> Credentials | None:
    """Return the key with that id: the owner's, a task's, that of an IAM user or of an assumed role."""
    if key_id in hooks.registry.keys:
        return hooks.registry.keys[key_id]
    with hooks.LOCK:
        keys = [key for user in hooks.backend("iam").users.values() for key in user.access_keys]
        for key in (*keys, *hooks.backend("sts").assumed_roles):
            if key.access_key_id == key_id and getattr(key, "status", "Active") == "Active":
                token = getattr(key, "session_token", None)
                return Credentials(key_id, key.secret_access_key, token)
    return None


def _version_4(request: Request, fields: Mapping[str, str], credentials: Credentials) -> str:
    _, _, region, service, _ = fields["Credential"].split("/")
    path, _, query = request.target.partition("?")
    pairs = sorted(each.partition("=")[::2] for each in query.split("&") if each)
    presigned = "authorization" not in request.headers
    names = fields.get("SignedHeaders", "").split(";")
    content = hashlib.sha256(request.body).hexdigest()
    if presigned and service == "s3":
        content = "UNSIGNED-PAYLOAD"
    canonical = [
        request.method,
        # Each service but S3 wants the path encoded once more than it is sent.
        path if service == "s3" else quote(path, safe="/~"),
        "&".join(f"{name}={value}" for name, value in pairs if name != "X-Amz-Signature"),
        *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names),
        "",
        ";".join(names),
        request.headers.get("x-amz-content-sha256", content),
    ]
    auth = SigV4Auth(credentials, service, region)
    asked = SimpleNamespace(context={"timestamp": fields.get("Date", "")})
    return str(auth.signature(auth.string_to_sign(asked, "\n".join(canonical)), asked))


class _Version2(HmacV1Auth):  # type: ignore[misc]
    """Version 2 of a URL: the time at which it expires takes the date's place."""

    expires = ""

    def _get_date(self) -> str:
        return self.expires


def _version_2(request: Request, query: Mapping[str, str], credentials: Credentials) -> str:
    auth, headers = _Version2(credentials), HTTPHeaders()
    auth.expires = query.get("Expires", "")
    for name, value in {**request.headers, **query}.items():
        if name.startswith("x-amz-") or name in ("content-type", "content-md5"):
            headers[name] = value
    return str(auth.get_signature(request.method, urlsplit(request.target), headers))
