"""What keeps botocore from asking AWS at all: a sentence, the way out, and exit code 2."""

import pytest
from botocore import exceptions as boto

from i18n import in_language
from ops.aws.errors import translate

SSO = "Log in again (`aws sso login --profile work`), or name a profile: "
LOGIN = "Log in again (`aws login --profile work`), or name a profile: "
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
}  # fmt: skip


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
        (boto.SSOError(), "expired", "The AWS SSO session has expired.", SSO),
        (boto.UnauthorizedSSOTokenError(), "expired", "The AWS SSO session has expired.", SSO),
        (boto.LoginRefreshRequired(), "expired", "The `aws login` session has expired.", LOGIN),
        (boto.LoginTokenLoadError(error_msg="x"), "expired",
         "The `aws login` session has expired.", LOGIN),
        (boto.LoginError(), "expired", "The `aws login` session has expired.", LOGIN),
        (boto.LoginInsufficientPermissions(), "credentials",
         "The `aws login` session cannot be renewed.",
         "Allow signin:CreateOAuth2Token in IAM, or use another profile."),
        (boto.MetadataRetrievalError(error_msg="x"), "credentials",
         "There are no usable AWS credentials.", SSO),
        (boto.RefreshWithMFAUnsupportedError(), "expired",
         "The AWS credentials have expired.", SSO),
        (boto.ConfigParseError(path="/a/config"), "credentials",
         "The AWS configuration cannot be used: Unable to parse config file: /a/config.", FIX),
        (boto.UnknownCredentialError(name="Nobody"), "credentials",
         "The AWS configuration cannot be used: Credential named Nobody not found.", FIX),
        (boto.InvalidRetryModeError(provided_retry_mode="often", valid_modes="standard"), "refused",
         'ecs could not be called: Invalid value provided to "mode": "often" must be one of: '
         'standard.', ELSEWHERE),
    ],
)  # fmt: skip
def test_what_keeps_botocore_from_asking_is_one_sentence(error, kind, text, way_out):
    problem = translate(error, "ecs", "DescribeServices", "ap-northeast-1", "work")
    assert (problem.kind, str(problem.text)) == (kind, text)
    assert str(problem.way_out).startswith(way_out)
    english = problem.as_text()
    with in_language("ja"):
        assert problem.as_text() != english


def test_without_a_profile_in_the_stack_file_none_is_named():
    problem = translate(boto.SSOError(), "ecs", "DescribeServices", "ap-northeast-1")
    assert "(`aws sso login`)" in str(problem.way_out)


@pytest.mark.parametrize(
    ("operation", "code", "asked"),
    [
        ("GetRoleCredentials", "ForbiddenException", "sso GetRoleCredentials"),
        ("AssumeRole", "AccessDenied", "sts AssumeRole"),
    ],
)
def test_credentials_that_another_service_refuses_are_no_matter_of_aws_health(
    operation, code, asked
):
    error = boto.ClientError({"Error": {"Code": code, "Message": "No access"}}, operation)
    problem = translate(error, "ecs", "DescribeServices", "ap-northeast-1", "work")
    assert (problem.kind, problem.code) == ("credentials", code)
    assert str(problem.text) == f"{asked} gives no credentials ({code}): No access"
    assert str(problem.way_out).startswith(FIX)


def test_the_words_of_a_program_that_gives_credentials_are_not_told():
    error = boto.CredentialRetrievalError(provider="custom-process", error_msg="key AKIAX secret")
    problem = translate(error, "ecs", "DescribeServices", "ap-northeast-1")
    assert "AKIAX" not in problem.as_text()
    error = boto.InvalidEndpointConfigurationError(msg="http://me:secret@proxy:8080 is none")
    assert "secret" not in translate(error, "ecs", "X", "ap-northeast-1").as_text()
