"""AWS's errors: each one sentence, and the way out."""

import pytest
from botocore import exceptions as boto

from i18n import in_language
from ops.aws.errors import translate

REGION = "ap-northeast-1"


def refused(code, message="", service="ecs", operation="DescribeServices"):
    error = boto.ClientError({"Error": {"Code": code, "Message": message}}, operation)
    return translate(error, service, operation, REGION)


DENIED = (
    "User: arn:aws:iam::123456789012:user/me is not authorized to perform: ecs:DescribeServices on "
    "resource: arn:aws:ecs:x because no identity-based policy allows the ecs:DescribeServices action"
)


@pytest.mark.parametrize(
    ("code", "message", "kind", "text"),
    [
        ("ExpiredTokenException", "", "expired", "The AWS credentials have expired."),
        ("InvalidClientTokenId", "", "credentials",
         "AWS does not accept the credentials (InvalidClientTokenId)."),
        ("AccessDeniedException", DENIED, "denied",
         "arn:aws:iam::123456789012:user/me has no permission for ecs:DescribeServices on arn:aws:ecs:x."),
        ("AccessDenied", "no", "denied", "Your AWS identity has no permission for ecs:DescribeServices on *."),
        ("ThrottlingException", "", "throttled",
         "AWS is throttling requests to ecs (ThrottlingException)."),
        ("OptInRequired", "", "region", "The account may not use ecs in ap-northeast-1."),
        ("ClusterNotFoundException", "Cluster not found.", "missing",
         "ecs DescribeServices: Cluster not found."),
        ("ClientException", "Unable to describe task definition.", "missing",
         "ecs DescribeServices: Unable to describe task definition."),
        ("InternalFailure", "oops {x}", "refused",
         "AWS refused ecs DescribeServices (InternalFailure): oops {x}"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_sentence(code, message, kind, text):
    problem = refused(code, message)
    assert (problem.kind, str(problem.text), problem.code) == (kind, text, code)
    assert str(problem.way_out)
    english = problem.as_text()
    with in_language("ja"):
        assert problem.as_text() != english


def test_a_missing_permission_is_named_by_iam_s_name_for_the_service():
    problem = refused("AccessDenied", "", "elbv2", "DescribeTargetHealth")
    assert str(problem.way_out) == (
        "Allow elasticloadbalancing:DescribeTargetHealth in IAM, or use another profile."
    )


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (boto.NoCredentialsError(), "credentials", "There are no usable AWS credentials."),
        (boto.ProfileNotFound(profile="x"), "credentials", "(x) could not be found."),
        (boto.SSOTokenLoadError(error_msg="x"), "expired", "The AWS SSO session has expired."),
        (boto.NoRegionError(), "region", '"ap-northeast-1" is not an AWS region.'),
        (boto.EndpointConnectionError(endpoint_url="https://ecs.x"), "unreachable",
         "ecs in region ap-northeast-1 does not answer (EndpointConnectionError)."),
        (boto.ConnectTimeoutError(endpoint_url="https://ecs.x"), "unreachable",
         "ecs in region ap-northeast-1 does not answer (ConnectTimeoutError)."),
        (boto.ReadTimeoutError(endpoint_url="https://ecs.x"), "unreachable",
         "ecs in region ap-northeast-1 does not answer (ReadTimeoutError)."),
        (boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"), "unreachable",
         "The local cloud does not answer at http://127.0.0.1:1/."),
    ],
)  # fmt: skip
def test_what_keeps_aws_from_answering_is_one_sentence(error, kind, said):
    problem = translate(error, "ecs", "DescribeServices", REGION)
    assert (problem.kind, said in str(problem.text)) == (kind, True)


def test_a_mistake_of_our_own_is_not_dressed_up():
    assert translate(boto.ParamValidationError(report="x"), "ecs", "X", REGION) is None
