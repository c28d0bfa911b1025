"""The signatures of requests to the AWS API, compared with the keys that this local cloud gave.

Sources: IAM User Guide, "Create a signed AWS API request" (Signature Version 4); S3 API Reference, "Authenticating
requests: using query parameters"; S3 User Guide, "Signing and authenticating REST requests" (version 2, with which
boto3 signs S3's URLs); the codes: each API's "Common errors", and the lists of errors of S3 and EC2.
"""

import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from botocore.auth import HmacV1Auth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from werkzeug import Request

from local_cloud.aws import hooks

MISSING = ("MissingAuthenticationToken", "Request is missing Authentication Token")
INVALID = "The security token included in the request is invalid."
NO_KEY = "The AWS Access Key Id you provided does not exist in our records."
WRONG = "The request signature we calculated does not match the signature you provided."
REFUSALS = {
    "ec2": (("AuthFailure", "AWS was not able to validate the provided access credentials"),) * 2,
    "json": (("UnrecognizedClientException", INVALID), ("InvalidSignatureException", WRONG)),
    "query": (("InvalidClientTokenId", INVALID), ("SignatureDoesNotMatch", WRONG)),
    "s3": (("InvalidAccessKeyId", NO_KEY), ("SignatureDoesNotMatch", WRONG)),
}
"""The codes and messages of each protocol for an unknown key, and for another signature."""
SIGNATURE = re.compile(r"&X-Amz-Signature=[^&]*|(?<=\?)X-Amz-Signature=[^&]*&")
"""What a presigned URL's query has beside what is signed."""
Refusal = tuple[str, str, str]
"""A protocol, a code and a message."""


def refusal(request: Request) -> Refusal | None:
    """Return AWS's error, or None if a key of this local cloud has signed the request."""
    given, sign = _signature(request), _version_4
    json = "json" if "json" in request.headers.get("Content-Type", "") else "query"
    if "AWSAccessKeyId" in given:
        given, sign = {**given, "Credential": f"{given['AWSAccessKeyId']}///s3/"}, _version_2
    scope = given.get("Credential", "").split("/")
    if len(scope) != 5:
        return json, *MISSING
    protocol = scope[3] if scope[3] in REFUSALS else json
    unknown, wrong = REFUSALS[protocol]
    known = _credentials(scope[0])
    token = request.headers.get("X-Amz-Security-Token", given.get("Security-Token"))
    if known is None or known.token != token:
        return protocol, *unknown
    same = hmac.compare_digest(given.get("Signature", ""), sign(request, given, known))
    return None if same else (protocol, *wrong)


def _signature(request: Request) -> dict[str, str]:
    """Return the fields of the signature, from the header or from a presigned URL's query."""
    scheme, _, fields = request.headers.get("Authorization", "").partition(" ")
    if scheme == "AWS4-HMAC-SHA256":
        pairs = (field.strip().partition("=")[::2] for field in fields.split(","))
        return {**dict(pairs), "Date": request.headers.get("X-Amz-Date", "")}
    # Version 2 writes x-amz-security-token.
    return {
        name.removeprefix("X-Amz-").replace("x-amz-security-token", "Security-Token"): value
        for name, value in request.args.items()
    }


def _credentials(key_id: str) -> Credentials | None:
    """Return the key with that id: the owner's, that of a task, an IAM user or an assumed role; None if it has none.

    The keys of a role that was deleted sign nothing.
    """
    with hooks.LOCK:
        caller = hooks.registry.callers.get(key_id)
        if key_id in hooks.registry.keys:
            return hooks.registry.keys[key_id] if caller is None or caller.exists else None
        keys = [key for user in hooks.backend("iam").users.values() for key in user.access_keys]
        for key in (*keys, *hooks.backend("sts").assumed_roles):
            if key.access_key_id == key_id and getattr(key, "status", "Active") == "Active":
                token = getattr(key, "session_token", None)
                return Credentials(key_id, key.secret_access_key, token)
    return None


def _version_4(request: Request, given: Mapping[str, str], credentials: Credentials) -> str:
    _, _, region, service, _ = given["Credential"].split("/")
    of_s3 = S3SigV4Auth if "Authorization" in request.headers else S3SigV4QueryAuth
    auth = (of_s3 if service == "s3" else SigV4Auth)(credentials, service, region)
    signed = {
        name: request.headers.get(name, "") for name in given.get("SignedHeaders", "").split(";")
    }
    # As it was sent: WSGI's path is decoded.
    url = SIGNATURE.sub("", request.environ["REQUEST_URI"])
    asked = AWSRequest(request.method, url, signed, request.get_data())
    asked.context["timestamp"] = given.get("Date", "")
    return str(auth.signature(auth.string_to_sign(asked, auth.canonical_request(asked)), asked))


def _version_2(request: Request, given: Mapping[str, str], credentials: Credentials) -> str:
    auth, headers = HmacV1Auth(credentials), HTTPHeaders()
    # The time at which the URL expires takes the date's place.
    auth._get_date = lambda: given.get("Expires", "")
    for name, value in [*request.headers.items(), *request.args.items()]:
        if name.lower().startswith("x-amz-") or name in ("Content-Type", "Content-Md5"):
            headers[name] = value
    return str(
        auth.get_signature(request.method, urlsplit(request.environ["REQUEST_URI"]), headers)
    )
