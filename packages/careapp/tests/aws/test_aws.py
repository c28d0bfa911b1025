"""Errors of AWS and botocore, each one sentence with the way out, and AWS CLI commands with region and profile."""

import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from botocore import exceptions as boto

from ecs_gate.aws.errors import translate
from ecs_gate.aws.session import Place, Session
from ecs_gate.diagnosis.screen import as_dict, plain
from ecs_gate.doctor import judge
from ecs_gate.text import in_language
from tests import stacks as a
from tests.conftest import REGION
from tests.doctor.situations import SITUATIONS

DENIED = (
    "User: arn:aws:iam::123456789012:user/me is not authorized to perform: ecs:DescribeServices on "
    "resource: arn:aws:ecs:x because no identity-based policy allows the ecs:DescribeServices action"
)
CONFIGURATION = "The AWS configuration cannot be used: "


def response(code, message="", operation="DescribeServices"):
    return boto.ClientError({"Error": {"Code": code, "Message": message}}, operation)


ERRORS = {
    "AccessDeniedException with IAM's message": response("AccessDeniedException", DENIED),
    "AccessDenied": response("AccessDenied", "no"),
    "ClusterNotFoundException": response("ClusterNotFoundException", "Cluster not found."),
    "ClientException": response("ClientException", "Unable to describe task definition."),
    "InternalFailure": response("InternalFailure", "oops {x}"),
    "ForbiddenException of SSO": response("ForbiddenException", "No access", "GetRoleCredentials"),
    "AccessDenied to a role": response("AccessDenied", "No access", "AssumeRole"),
    "ProfileNotFound": boto.ProfileNotFound(profile="x"),
    "EndpointConnectionError of the local cloud": boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"),
    "ConfigParseError": boto.ConfigParseError(path="/a/config"),
    "UnknownCredentialError": boto.UnknownCredentialError(name="Nobody"),
    "InvalidRetryModeError": boto.InvalidRetryModeError(provided_retry_mode="often", valid_modes="standard"),
}  # fmt: skip
"""Errors that need more than their name."""
SENTENCES = yaml.safe_load(Path(__file__).with_name("errors.yaml").read_text())


def error(name):
    """The error of a name in ``errors.yaml``: of botocore, or else a code of AWS."""
    if name in ERRORS:
        return ERRORS[name]
    kind = getattr(boto, name, None)
    return kind(endpoint_url="https://ecs.x", error_msg="x") if kind else response(name)


@pytest.mark.parametrize("name", SENTENCES)
def test_error_of_aws_and_botocore_is_one_sentence(name):
    given = error(name)
    problem = translate(given, "ecs", "DescribeServices", REGION, "work")
    parts = {problem.kind: str(problem.text), "way_out": str(problem.way_out)}
    assert parts == SENTENCES[name]
    if isinstance(given, boto.ClientError):
        assert problem.code == given.response["Error"]["Code"]
    english = problem.as_text()
    with in_language("ja"):
        assert problem.as_text() != english


def test_error_names_iam_s_service_and_no_profile_that_is_not_there():
    problem = translate(response("AccessDenied"), "elbv2", "DescribeTargetHealth", REGION)
    way_out = "Allow elasticloadbalancing:DescribeTargetHealth in IAM, or use another profile."
    assert str(problem.way_out) == way_out
    problem = translate(boto.SSOError(), "ecs", "DescribeServices", REGION)
    assert "(`aws sso login`)" in str(problem.way_out)


def test_error_in_the_calling_code_is_not_translated():
    assert translate(boto.ParamValidationError(report="x"), "ecs", "X", REGION) is None


def test_error_s_secrets_are_not_shown():
    error = boto.CredentialRetrievalError(provider="custom-process", error_msg="key AKIAX secret")
    problem = translate(error, "ecs", "DescribeServices", REGION)
    assert "AKIAX" not in problem.as_text()
    error = boto.InvalidEndpointConfigurationError(msg="http://me:secret@proxy:8080 is none")
    assert "secret" not in translate(error, "ecs", "X", REGION).as_text()


SSO_PROFILE = """
sso_start_url = https://example.awsapps.com/start
sso_region = ap-northeast-1
sso_account_id = 123456789012
sso_role_name = Developer
"""
ROLE = "role_arn = arn:aws:iam::123456789012:role/r\nsource_profile = "
BROKEN = {
    "aws login": ("login_session = arn:aws:iam::123456789012:user/me", "The `aws login` session has expired."),
    "source": (f"{ROLE}nobody", f'{CONFIGURATION}The source_profile "nobody"'),
    "loop": (f"{ROLE}work", CONFIGURATION),
    "sso": (SSO_PROFILE, "The AWS SSO session has expired."),
    "half an sso": ("sso_start_url = https://example.awsapps.com/start\nsso_account_id = 1", CONFIGURATION),
    "no file of profiles": ("not a configuration", f"{CONFIGURATION}Unable to parse"),
}  # fmt: skip
"""Profiles that give no credentials, and the beginning of what a command says."""


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


@pytest.mark.parametrize(
    ("name", "command"),
    [
        *((profile, "status") for profile in BROKEN),
        *(("sso", each) for each in ("doctor", "preflight", "events", "logs")),
    ],
)
def test_profile_without_credentials_is_one_sentence(run, broken, name, command):
    lines, sentence = BROKEN[name]
    broken(lines)
    code, shown, complaint = run(command)
    assert (code, shown) == (2, "")
    assert complaint.startswith(f"careapp: {sentence}")
    assert len(complaint.splitlines()) == 1


WORK = Place(region="eu-west-1", profile="work")


def commands(snapshot):
    """The AWS CLI commands of a diagnosis; those on the screen are some of them."""
    diagnosis = judge(snapshot)
    lines = {line.strip() for line in plain(diagnosis).splitlines()}
    told = [fix["commands"] for each in as_dict(diagnosis)["findings"] for fix in each["fixes"]]
    found = [command for commands in told for command in commands if command.startswith("aws ")]
    assert {line for line in lines if line.startswith("aws ")} <= set(found)
    return found


def test_command_of_every_diagnosis_names_region_and_profile():
    known = set()
    for name, snapshot in SITUATIONS.items():
        for command in commands(replace(snapshot, place=WORK)):
            words = shlex.split(command)
            options = dict(pairwise(words))
            # A bucket that is left in another region is read and deleted there.
            its_own = a.REGION if command.startswith("aws s3 ") else "eu-west-1"
            assert options["--region"] in ("eu-west-1", its_own), (name, command)
            assert (options["--profile"], words.count("--region")) == ("work", 1), (name, command)
            known.add(" ".join(words[1:3]))
    assert {"ecs update-service", "acm describe-certificate", "rds wait"} <= known


@pytest.mark.parametrize(
    ("place", "command", "completed"),
    [
        (WORK, "aws iam get-role -x r", "aws iam get-role --region eu-west-1 --profile work -x r"),
        (WORK, "aws sts x", "aws sts x --region eu-west-1 --profile work"),
        (WORK, "aws ecs x --region us-east-1", "aws ecs x --profile work --region us-east-1"),
        (WORK, "aws ecs x --profile me --y 'a b'",
         "aws ecs x --region eu-west-1 --profile me --y 'a b'"),
        (WORK, "pulumi up -s poc", "pulumi up -s poc"),
        (Place(region="r-1", profile="my own"), "aws ecs x",
         "aws ecs x --region r-1 --profile 'my own'"),
    ],
)  # fmt: skip
def test_command_gets_the_options_that_it_lacks(place, command, completed):
    assert place.complete(command) == completed


def test_profile_of_the_stack_file_is_named_but_not_to_the_local_cloud(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://endpoint.example.com")
    assert Session("eu-west-1", "work").place == WORK
    monkeypatch.setenv("LOCAL_CLOUD_FACTS", "cloud.json")
    assert Session("eu-west-1", "work").place == Place(region="eu-west-1")
