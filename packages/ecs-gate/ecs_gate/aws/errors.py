"""Translates errors of AWS and botocore into one sentence with the way out."""

from __future__ import annotations

import re
import traceback
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecs_gate.text import Text, language, t, verbatim

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


PROGRAM = {
    "name": verbatim("ecs-gate"),
    "profile": verbatim("AWS_PROFILE"),
    "region": verbatim("AWS_REGION"),
    "local cloud": t("Start it again, or unset AWS_ENDPOINT_URL to talk to AWS."),
}
"""The program's name, where its profile and region are named, and what to do about a local cloud that does not answer.

A program that uses this package has words of its own.
"""

IAM_PREFIX = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
"""Services whose IAM actions have another prefix than boto3's name (Service Authorization Reference)."""

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}

BAD_CREDENTIALS = {
    *("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"),
    *("AuthFailure", "InvalidAccessKeyId", "IncompleteSignature", "MissingAuthenticationToken"),
    *("MissingAuthenticationTokenException", "InvalidSignatureException"),
}

DENIED = {
    *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"),
    *("UnauthorizedAccess", "UnauthorizedException"),
}

THROTTLED = {
    *("Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException"),
    *("RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown"),
    *("PriorRequestNotComplete", "BandwidthLimitExceeded"),
}

OPT_IN = {"OptInRequired", "RegionDisabledException", "SubscriptionRequiredException"}

MISSING = re.compile(r"NotFound|NoSuch|DoesNotExist|^404$")  # HEAD has no body with a code.

UNKNOWN = re.compile(r"^Unable to describe task definition")
"""How ECS says that there is none: its code, ClientException, means many things."""

NOT_ALLOWED = re.compile(
    r"not authorized to perform:? (?P<action>[\w-]+:\w+)(?: on resource:? (?P<resource>\S+))?"
)

IDENTITY = re.compile(r"(?:User|user): (?P<who>arn:\S+)")


class AwsProblem(Exception):
    """An AWS call that failed, or could not be made.

    ``kind`` is one of credentials, expired, region, unreachable, denied, missing, throttled, refused, own. ``own`` is
    a mistake of this program itself.
    ``message`` is AWS's own message, if there is one.
    """

    def __init__(
        self, kind: str, text: Text, way_out: Text, code: str = "", message: str = ""
    ) -> None:
        super().__init__(str(text))
        self.kind, self.text, self.way_out, self.code = kind, text, way_out, code
        self.message = message

    @property
    def temporary(self) -> bool:
        """Return whether the same call may succeed a moment later."""
        return self.kind in ("throttled", "unreachable")

    def as_text(self) -> str:
        """Return the sentence and the way out."""
        gap = "" if language() == "ja" else " "
        return f"{self.text!s}{gap}{self.way_out!s}"

    def __str__(self) -> str:
        return self.as_text()


NETWORK = ("httpx", "httpcore", "urllib3")
"""Packages whose exceptions say that an answer did not come, or broke off."""


def problem_of(error: Exception) -> AwsProblem:
    """Return the problem of any error: AWS's as it is, the network's, or a mistake of this program, named as that."""
    if isinstance(error, AwsProblem):
        return error
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, (OSError, HTTPException)) or type(error).__module__.startswith(NETWORK):
        text = t("The answer did not come, or broke off ({why}).", why=what)
        return AwsProblem("unreachable", text, t("Try again."))
    for frame in traceback.extract_tb(error.__traceback__)[-1:]:
        what = f"{what}; {Path(frame.filename).name}:{frame.lineno}"
    program = PROGRAM["name"]
    text = t("{program} itself failed here ({why}).", program=program, why=what)
    way_out = t(
        "That is a defect of {program}, not of what it reads: please report it.", program=program
    )
    return AwsProblem("own", text, way_out)


def log_in(profile: str | None, command: str = "aws sso login") -> Text:
    """Return the way out of missing credentials."""
    return t(
        "Log in again (`{command}`), or name a profile: {setting}.",
        command=f"{command} --profile {profile}" if profile else command,
        setting=PROGRAM["profile"],
    )


def set_region() -> Text:
    return t("Set it: {setting}.", setting=PROGRAM["region"])


def refused(
    response: Any, service: str, operation: str, region: str, profile: str | None
) -> AwsProblem:
    """Return the problem that an error response describes."""
    details = response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", "")).strip()
    if code in EXPIRED:
        return AwsProblem("expired", t("The AWS credentials have expired."), log_in(profile), code)
    if code in BAD_CREDENTIALS:
        explanation = t("AWS does not accept the credentials ({code}).", code=code)
        return AwsProblem("credentials", explanation, log_in(profile), code)
    if code in DENIED:
        return _denied(code, message, service, operation)
    if code in THROTTLED:
        return AwsProblem(
            "throttled",
            t("AWS is throttling requests to {service} ({code}).", service=service, code=code),
            t("Wait a minute and try again; other tools may be calling AWS with the same account."),
            code,
        )
    if code in OPT_IN:
        explanation = t(
            "The account is not allowed to use {service} in {region}.",
            service=service,
            region=region,
        )
        return AwsProblem("region", explanation, set_region(), code)
    return _other(code, message, service, operation, region)


def _denied(code: str, message: str, service: str, operation: str) -> AwsProblem:
    match, person = NOT_ALLOWED.search(message), IDENTITY.search(message)
    action = f"{IAM_PREFIX.get(service, service)}:{operation}"
    resource = "*"
    if match:
        action, resource = match["action"], (match["resource"] or "*").rstrip(".,")
    who = person["who"] if person else t("Your AWS identity")
    return AwsProblem(
        "denied",
        t(
            "{who} has no permission for {action} on {resource}.",
            who=who,
            action=action,
            resource=resource,
        ),
        t("Allow {action} in IAM, or use another profile.", action=action),
        code,
    )


def _other(code: str, message: str, service: str, operation: str, region: str) -> AwsProblem:
    message_text = verbatim(message or code)
    if MISSING.search(code) or UNKNOWN.search(message):
        return AwsProblem(
            "missing",
            t(
                "{service} {operation}: {said}",
                service=service,
                operation=operation,
                said=message_text,
            ),
            t("Check the names, and that {region} is their region.", region=region),
            code,
        )
    return AwsProblem(
        "refused",
        t(
            "AWS refused {service} {operation} ({code}): {said}",
            service=service,
            operation=operation,
            code=code,
            said=message_text,
        ),
        t("Try again; if it fails again, check AWS Health for the region {region}.", region=region),
        code,
        message,
    )


CREDENTIAL_OPERATIONS = {
    "GetRoleCredentials": "sso",
    "AssumeRole": "sts",
    "AssumeRoleWithWebIdentity": "sts",
    "CreateToken": "sso-oidc",
    "CreateOAuth2Token": "signin",
}
"""The operations with which botocore gets credentials, on the way to what was asked, and their services."""


def fix_configuration() -> Text:
    return t("Fix ~/.aws/config, or name another profile: {setting}.", setting=PROGRAM["profile"])


def translate(
    error: Exception, service: str, operation: str, region: str, profile: str | None = None
) -> AwsProblem | None:
    """Return the problem of a botocore error; None for an error in the calling code."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return _client_error(error, service, operation, region, profile)
    if isinstance(error, (boto.ParamValidationError, boto.UnknownServiceError)) or not isinstance(
        error, boto.BotoCoreError
    ):
        return None
    if isinstance(error, (boto.NoRegionError, boto.InvalidRegionError)):
        none = t("No AWS region.")
        text = t('"{region}" is not an AWS region.', region=region) if region else none
        return AwsProblem("region", text, set_region())
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError)):
        return _unreachable(error, service, region)
    return _of_botocore(error, service, profile)


def _client_error(
    error: ClientError, service: str, operation: str, region: str, profile: str | None
) -> AwsProblem:
    operation_name = error.operation_name
    if operation_name not in CREDENTIAL_OPERATIONS:
        return refused(error.response, service, operation, region, profile)
    problem = refused(
        error.response, CREDENTIAL_OPERATIONS[operation_name], operation_name, region, profile
    )
    if problem.kind not in ("denied", "missing", "refused"):
        return problem
    text = t(
        "{service} {operation} gives no credentials ({code}): {said}",
        service=CREDENTIAL_OPERATIONS[operation_name],
        operation=operation_name,
        code=problem.code,
        said=error.response["Error"].get("Message", ""),
    )
    return AwsProblem("credentials", text, fix_configuration(), problem.code)


def _words(error: Exception) -> str:
    """Return botocore's message as one line."""
    return " ".join(str(error).split()).rstrip(".")


def _of_botocore(error: Exception, service: str, profile: str | None) -> AwsProblem:
    """Return the problem of an error of botocore itself: mostly of a login, a profile or a source of credentials.

    The output of a credential process is left out: it may be the credentials themselves.
    """
    from botocore import exceptions as boto

    unusable = t("The AWS configuration cannot be used: {said}.", said=_words(error))
    other = t("{service} could not be called: {said}.", service=service, said=_words(error))
    sso = (boto.SSOError, boto.TokenRetrievalError, boto.NoAuthTokenError)
    mfa = boto.RefreshWithMFAUnsupportedError
    configuration = (
        *(boto.InvalidConfigError, boto.ConfigParseError, boto.ConfigNotFound),
        boto.UnknownCredentialError,
    )
    credentials = (
        *(boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
        boto.MetadataRetrievalError,
    )
    known: tuple[tuple[Any, str, Text, Text], ...] = (
        (sso, "expired", t("The AWS SSO session has expired."), log_in(profile)),
        (mfa, "expired", t("The AWS credentials have expired."), log_in(profile)),
        (
            boto.LoginInsufficientPermissions,
            "credentials",
            t("The `aws login` session cannot be renewed."),
            t("Allow {action} in IAM, or use another profile.", action="signin:CreateOAuth2Token"),
        ),
        (
            boto.LoginError,
            "expired",
            t("The `aws login` session has expired."),
            log_in(profile, "aws login"),
        ),
        (boto.ProfileNotFound, "credentials", verbatim(f"{error}."), log_in(profile)),
        (configuration, "credentials", unusable, fix_configuration()),
        (credentials, "credentials", t("There are no usable AWS credentials."), log_in(profile)),
        (
            Exception,
            "refused",
            other,
            t("Try again; if it fails again, check ~/.aws/config and the AWS_… variables."),
        ),
    )
    return next(
        AwsProblem(kind, text, way_out)
        for kinds, kind, text, way_out in known
        if isinstance(error, kinds)
    )


def _unreachable(error: Exception, service: str, region: str) -> AwsProblem:
    url = str(getattr(error, "kwargs", {}).get("endpoint_url") or "")
    if url.startswith(("http://127.", "http://localhost")):
        return AwsProblem(
            "unreachable",
            t("The local cloud does not answer at {url}.", url=url),
            PROGRAM["local cloud"],
        )
    return AwsProblem(
        "unreachable",
        t(
            "{service} in region {region} does not answer ({why}).",
            service=service,
            region=region,
            why=type(error).__name__,
        ),
        t(
            "Check the network, the proxy and the spelling of the region: {setting}.",
            setting=PROGRAM["region"],
        ),
    )
