"""botocore's errors, each in one sentence with the way out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from i18n import t, verbatim
from ops.problems import SET_REGION, AwsProblem, log_in, refused

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

GIVERS = {
    "GetRoleCredentials": "sso",
    "AssumeRole": "sts",
    "AssumeRoleWithWebIdentity": "sts",
    "CreateToken": "sso-oidc",
    "CreateOAuth2Token": "signin",
}
"""The operations with which botocore gets credentials, on the way to what was asked, and their services."""
USER_OF_URL = re.compile(r"(?<=//)[^/@\s]+@")
MEND_CONFIGURATION = t(
    "Mend it in ~/.aws/config, or name another profile: aws:profile in the stack file, or AWS_PROFILE."
)


def translate(
    error: Exception, service: str, operation: str, region: str, profile: str | None = None
) -> AwsProblem | None:
    """The problem behind a botocore error; None for an error that is a mistake of ops itself.

    ``profile`` is the one that the stack file names.
    """
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return _answered(error, service, operation, region, profile)
    if isinstance(error, (boto.ParamValidationError, boto.UnknownServiceError)) or not isinstance(
        error, boto.BotoCoreError
    ):
        return None
    if isinstance(error, (boto.NoRegionError, boto.InvalidRegionError)):
        return _no_region(region)
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError)):
        return _unreachable(error, service, region)
    return (
        _logged_out(error, profile)
        or _without_credentials(error, profile)
        or AwsProblem(
            "refused",
            t("{service} could not be asked: {said}.", service=service, said=_words(error)),
            t("Try again; if it stays, look at ~/.aws/config and the AWS_… variables."),
        )
    )


def _answered(
    error: ClientError, service: str, operation: str, region: str, profile: str | None
) -> AwsProblem:
    asked = error.operation_name
    if asked not in GIVERS:
        return refused(error.response, service, operation, region, profile)
    problem = refused(error.response, GIVERS[asked], asked, region, profile)
    if problem.kind not in ("denied", "missing", "refused"):
        return problem
    text = t(
        "{service} {operation} gives no credentials ({code}): {said}",
        service=GIVERS[asked],
        operation=asked,
        code=problem.code,
        said=error.response["Error"].get("Message", ""),
    )
    return AwsProblem("credentials", text, MEND_CONFIGURATION, problem.code)


def _words(error: Exception) -> str:
    """botocore's own words in one line, without a password that stands in an address."""
    return USER_OF_URL.sub("…@", " ".join(str(error).split())).rstrip(".")


def _logged_out(error: Exception, profile: str | None) -> AwsProblem | None:
    """A session that a person has to begin anew."""
    from botocore import exceptions as boto

    if isinstance(error, (boto.SSOError, boto.TokenRetrievalError, boto.NoAuthTokenError)):
        return AwsProblem("expired", t("The AWS SSO session has expired."), log_in(profile))
    if isinstance(error, boto.RefreshWithMFAUnsupportedError):
        return AwsProblem("expired", t("The AWS credentials have expired."), log_in(profile))
    if isinstance(error, boto.LoginInsufficientPermissions):
        return AwsProblem(
            "credentials",
            t("The `aws login` session cannot be renewed."),
            t(
                "Allow {action} to it in IAM, or use another profile.",
                action="signin:CreateOAuth2Token",
            ),
        )
    if isinstance(error, boto.LoginError):
        return AwsProblem(
            "expired",
            t("The `aws login` session has expired."),
            log_in(profile, "aws login"),
        )
    return None


def _without_credentials(error: Exception, profile: str | None) -> AwsProblem | None:
    """A profile, or a source of credentials, that gives none. What a program said is not told:
    it may be the credentials themselves.
    """
    from botocore import exceptions as boto

    if isinstance(error, boto.ProfileNotFound):
        return AwsProblem("credentials", verbatim(f"{error}."), log_in(profile))
    if isinstance(
        error,
        (boto.InvalidConfigError, boto.ConfigParseError, boto.ConfigNotFound, boto.UnknownCredentialError),
    ):  # fmt: skip
        words = t("The AWS configuration cannot be used: {said}.", said=_words(error))
        return AwsProblem("credentials", words, MEND_CONFIGURATION)
    if isinstance(
        error,
        (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError,
         boto.MetadataRetrievalError),
    ):  # fmt: skip
        return AwsProblem("credentials", t("There are no usable AWS credentials."), log_in(profile))
    return None


def _no_region(region: str) -> AwsProblem:
    text = t('"{region}" is not an AWS region.', region=region) if region else t("No AWS region.")
    return AwsProblem("region", text, SET_REGION)


def _unreachable(error: Exception, service: str, region: str) -> AwsProblem:
    url = str(getattr(error, "kwargs", {}).get("endpoint_url") or "")
    if url.startswith(("http://127.", "http://localhost")):
        return AwsProblem(
            "unreachable",
            t("The local cloud does not answer at {url}.", url=url),
            t("Start it (`./careapp cloud start`), or leave its shell to talk to AWS."),
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
            "Check the network and the proxy, and that the region is written right: "
            "aws:region in the stack file, or AWS_REGION."
        ),
    )
