"""Errors of AWS and botocore, each one sentence with the way out, and AWS CLI commands with region and profile."""

import shlex
from dataclasses import replace
from itertools import pairwise

import pytest
from botocore import exceptions as boto

from tools.aws.errors import translate
from tools.aws.session import Place, Session
from tools.database import commands
from tools.doctor.diagnose import judge
from tools.doctor.screen import as_dict, plain
from tools.i18n import in_language
from tools.snapshot import vpc
from tools.tests import stacks as a
from tools.tests.conftest import REGION
from tools.tests.database.test_database import JUMP_HOST
from tools.tests.doctor.situations import SITUATIONS


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
        ("OptInRequired", "", "region", "The account is not allowed to use ecs in ap-northeast-1."),
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
def test_an_unreachable_aws_is_one_sentence(error, kind, said):
    problem = translate(error, "ecs", "DescribeServices", REGION)
    assert (problem.kind, said in str(problem.text)) == (kind, True)


def test_an_error_in_the_calling_code_is_not_translated():
    assert translate(boto.ParamValidationError(report="x"), "ecs", "X", REGION) is None


SSO_LOGIN = "Log in again (`aws sso login --profile work`), or name a profile: "
AWS_LOGIN = "Log in again (`aws login --profile work`), or name a profile: "
FIX = "Fix ~/.aws/config, or name another profile: "
ELSEWHERE = "Try again; if it fails again, check ~/.aws/config and the AWS_… variables."
SSO_PROFILE = """
sso_start_url = https://example.awsapps.com/start
sso_region = ap-northeast-1
sso_account_id = 123456789012
sso_role_name = Developer
"""
BROKEN = {
    "aws login": "login_session = arn:aws:iam::123456789012:user/me",
    "source": "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = nobody",
    "loop": "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = work",
    "sso": SSO_PROFILE,
    "half an sso": "sso_start_url = https://example.awsapps.com/start\nsso_account_id = 1",
}
SAID = {
    "aws login": ("expired", "The `aws login` session has expired."),
    "source": ("credentials", 'The AWS configuration cannot be used: The source_profile "nobody"'),
    "loop": ("credentials", "The AWS configuration cannot be used: "),
    "sso": ("expired", "The AWS SSO session has expired."),
    "half an sso": ("credentials", "The AWS configuration cannot be used: "),
}


@pytest.fixture
def broken(folder, monkeypatch, tmp_path):
    """A stack file that names the profile `work`, which is as the test says."""

    def make(lines):
        (tmp_path / "aws").write_text(f"[profile work]\n{lines}\n")
        (folder / "Pulumi.poc.yaml").write_text(
            "config:\n  aws:region: ap-northeast-1\n  aws:profile: work\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)

    return make


@pytest.mark.parametrize("command", ["status", "doctor", "preflight", "events", "logs"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_profile_that_gives_no_credentials_is_one_sentence_and_exit_code_2(
    run, broken, name, command
):
    broken(BROKEN[name])
    code, shown, complaint = run(command)
    assert (code, shown) == (2, "")
    assert complaint.startswith(f"careapp: {SAID[name][1]}")
    assert len(complaint.splitlines()) == 1


def test_a_configuration_file_that_cannot_be_read_is_one_sentence(run, broken, tmp_path):
    broken("")
    (tmp_path / "aws").write_text("not a configuration")
    code, _, complaint = run("status")
    assert (code, len(complaint.splitlines())) == (2, 1)
    assert complaint.startswith("careapp: The AWS configuration cannot be used: Unable to parse")


@pytest.mark.parametrize(
    ("error", "kind", "text", "way_out"),
    [
        (boto.SSOError(), "expired", "The AWS SSO session has expired.", SSO_LOGIN),
        (boto.UnauthorizedSSOTokenError(), "expired", "The AWS SSO session has expired.", SSO_LOGIN),
        (boto.LoginRefreshRequired(), "expired", "The `aws login` session has expired.", AWS_LOGIN),
        (boto.LoginTokenLoadError(error_msg="x"), "expired",
         "The `aws login` session has expired.", AWS_LOGIN),
        (boto.LoginError(), "expired", "The `aws login` session has expired.", AWS_LOGIN),
        (boto.LoginInsufficientPermissions(), "credentials",
         "The `aws login` session cannot be renewed.",
         "Allow signin:CreateOAuth2Token in IAM, or use another profile."),
        (boto.MetadataRetrievalError(error_msg="x"), "credentials",
         "There are no usable AWS credentials.", SSO_LOGIN),
        (boto.RefreshWithMFAUnsupportedError(), "expired",
         "The AWS credentials have expired.", SSO_LOGIN),
        (boto.ConfigParseError(path="/a/config"), "credentials",
         "The AWS configuration cannot be used: Unable to parse config file: /a/config.", FIX),
        (boto.UnknownCredentialError(name="Nobody"), "credentials",
         "The AWS configuration cannot be used: Credential named Nobody not found.", FIX),
        (boto.InvalidRetryModeError(provided_retry_mode="often", valid_modes="standard"), "refused",
         'ecs could not be called: Invalid value provided to "mode": "often" must be one of: '
         'standard.', ELSEWHERE),
    ],
)  # fmt: skip
def test_an_error_of_botocore_is_one_sentence(error, kind, text, way_out):
    problem = translate(error, "ecs", "DescribeServices", REGION, "work")
    assert (problem.kind, str(problem.text)) == (kind, text)
    assert str(problem.way_out).startswith(way_out)
    english = problem.as_text()
    with in_language("ja"):
        assert problem.as_text() != english


def test_without_a_profile_in_the_stack_file_none_is_named():
    problem = translate(boto.SSOError(), "ecs", "DescribeServices", REGION)
    assert "(`aws sso login`)" in str(problem.way_out)


@pytest.mark.parametrize(
    ("operation", "code", "asked"),
    [
        ("GetRoleCredentials", "ForbiddenException", "sso GetRoleCredentials"),
        ("AssumeRole", "AccessDenied", "sts AssumeRole"),
    ],
)
def test_a_failure_to_get_credentials_is_a_credentials_problem(operation, code, asked):
    error = boto.ClientError({"Error": {"Code": code, "Message": "No access"}}, operation)
    problem = translate(error, "ecs", "DescribeServices", REGION, "work")
    assert (problem.kind, problem.code) == ("credentials", code)
    assert str(problem.text) == f"{asked} gives no credentials ({code}): No access"
    assert str(problem.way_out).startswith(FIX)


def test_the_output_of_a_credential_process_is_not_shown():
    error = boto.CredentialRetrievalError(provider="custom-process", error_msg="key AKIAX secret")
    problem = translate(error, "ecs", "DescribeServices", REGION)
    assert "AKIAX" not in problem.as_text()
    error = boto.InvalidEndpointConfigurationError(msg="http://me:secret@proxy:8080 is none")
    assert "secret" not in translate(error, "ecs", "X", REGION).as_text()


WORK = Place(region="eu-west-1", profile="work")


def told(diagnosis):
    """The AWS commands of the screen and of --json."""
    lines = [line.strip() for line in plain(diagnosis).splitlines()]
    told = [fix["commands"] for each in as_dict(diagnosis)["findings"] for fix in each["fixes"]]
    return (
        [line for line in lines if line.startswith("aws ")],
        [each for commands in told for each in commands if each.startswith("aws ")],
    )


def given(command):
    """What its options are given."""
    words = shlex.split(command)
    assert words.count("--region") == 1
    return {name: value for name, value in pairwise(words) if name.startswith("--")}


def test_every_command_of_every_diagnosis_names_region_and_profile():
    known = set()
    for name, snapshot in SITUATIONS.items():
        screen, data = told(judge(replace(snapshot, place=WORK)))
        assert set(screen) <= set(data), name
        for command in data:
            options = given(command)
            # A bucket that is left in another region is read and deleted there.
            its_own = a.REGION if command.startswith("aws s3 ") else "eu-west-1"
            assert options["--region"] in ("eu-west-1", its_own), command
            assert options["--profile"] == "work", command
            known.add(" ".join(shlex.split(command)[1:3]))
    assert {"ecs update-service", "ec2 authorize-security-group-ingress", "rds wait"} <= known


def test_without_a_profile_in_the_stack_file_commands_name_none():
    commands = told(judge(SITUATIONS["database-away"]))[1]
    assert commands[:2] == [
        "aws rds start-db-instance --region ap-northeast-1 --db-instance-identifier careapp-poc",
        "aws rds wait db-instance-available --region ap-northeast-1 --db-instance-identifier careapp-poc",
    ]
    assert not any("--profile" in each for each in commands)


@pytest.mark.parametrize(
    ("command", "completed"),
    [
        ("aws iam get-role --role-name r", "aws iam get-role --region eu-west-1 --profile work --role-name r"),
        ("aws sts get-caller-identity", "aws sts get-caller-identity --region eu-west-1 --profile work"),
        ("aws ecs x --region us-east-1", "aws ecs x --profile work --region us-east-1"),
        ("aws ecs x --profile me --y 'a b'", "aws ecs x --region eu-west-1 --profile me --y 'a b'"),
        ("pulumi up -s poc", "pulumi up -s poc"),
    ],
)  # fmt: skip
def test_a_given_option_is_not_added_again(command, completed):
    assert WORK.complete(command) == completed


def test_a_profile_name_with_blanks_is_quoted():
    assert Place(region="r-1", profile="my own").complete("aws ecs x") == (
        "aws ecs x --region r-1 --profile 'my own'"
    )


def test_the_stack_file_s_profile_is_named_but_not_to_the_local_cloud(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert Session("eu-west-1", "work").place == WORK
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert Session("eu-west-1", "work").place == Place(region="eu-west-1")


def test_the_command_that_allows_database_access_names_region_and_profile(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    network = replace(a.network(), groups={**a.groups(), "sg-b": a.groups()["sg-app"]})
    monkeypatch.setattr(vpc, "network", lambda *_: network)
    words = str(
        commands.silent(Session("eu-west-1", "work"), JUMP_HOST, a.database(), "timeout").text
    )
    assert "`aws ec2 authorize-security-group-ingress --region eu-west-1 --profile work " in words
