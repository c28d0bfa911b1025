"""What the doctor says of the bucket for the app's files."""

from __future__ import annotations

import json

import pytest

from tools.doctor.diagnose import judge
from tools.snapshot.uploads import Bucket
from tools.tests import stacks as a
from tools.tests.doctor.situations import BUCKET, FILES, WRITE_FILES, env, findings, with_bucket

DENIED = (
    "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the PutObject operation: "
    "User: arn:aws:sts::1:assumed-role/careapp-poc-task/a is not authorized to perform: s3:PutObject"
)
HEAD = "An error occurred (403) when calling the HeadObject operation: Forbidden"
MOVED = (
    "(AuthorizationHeaderMalformed) … the region 'us-east-1' is wrong; expecting 'ap-northeast-1'"
)


def commands(snapshot):
    return [command for fix in findings(snapshot)[0].fixes for command in fix.commands]


def test_a_bucket_that_the_task_role_may_use_is_healthy_and_named_among_what_was_checked():
    diagnosis = judge(with_bucket())
    assert (diagnosis.findings, diagnosis.exit_code) == ((), 0)
    assert "the bucket for the app's files" in map(str, diagnosis.checked)


def test_a_deleted_bucket_comes_back_by_a_refresh_which_says_that_the_files_do_not():
    [found] = findings(with_bucket(Bucket(name=FILES), logs=a.logs(a=["… NoSuchBucket …"])))
    assert (found.id, found.kind, found.evidence) == (
        "uploads-bucket-missing",
        "cause",
        ("… NoSuchBucket …",),
    )
    assert "without the files" in str(found.fixes[0].text)
    assert found.fixes[0].commands == ("pulumi up --refresh -s poc",)


@pytest.mark.parametrize("line", [DENIED, HEAD])
def test_what_the_role_lacks_is_a_warning_until_the_app_was_refused_and_one_command_allows_it(line):
    only_read = a.role(*WRITE_FILES[:2], a.allow(f"{BUCKET}/*", "s3:GetObject"))
    [warned] = findings(with_bucket(task_role=only_read))
    [told] = findings(with_bucket(task_role=only_read, logs=a.logs(a=[line])))
    assert (warned.kind, told.kind, len(told.evidence)) == ("warning", "cause", 1)
    assert [str(each) for each in told.seen] == [
        f"No policy of careapp-poc-task allows s3:{action}Object on {BUCKET}/*."
        for action in ("Put", "Delete")
    ]
    first = told.fixes[0].commands[0]
    assert first.startswith("aws iam put-role-policy")
    [statement] = json.loads(first.split("'")[1])["Statement"]
    assert (statement["Action"], statement["Resource"]) == (
        ["s3:PutObject", "s3:DeleteObject"],
        f"{BUCKET}/*",
    )


def test_a_bucket_elsewhere_and_a_client_elsewhere_are_told_with_what_to_change():
    variable = with_bucket(main=env(UPLOADS_BUCKET=FILES, AWS_DEFAULT_REGION="us-east-1"))
    assert commands(variable) == [
        "pulumi config rm --path appVariables.AWS_DEFAULT_REGION -s poc",
        "pulumi up -s poc",
    ]
    moved = with_bucket(Bucket(name=FILES, region="us-east-1"))
    assert (findings(moved)[0].kind, commands(moved)) == (
        "cause",
        [
            f"aws s3 sync s3://{FILES} ./uploads --region us-east-1",
            f"aws s3 rb s3://{FILES} --force --region us-east-1",
            "pulumi up --refresh -s poc",
            f"aws s3 sync --region {a.REGION} ./uploads s3://$(pulumi stack output uploadsBucket -s poc)",
        ],
    )
    client = with_bucket(logs=a.logs(a=[MOVED]))
    assert (findings(client)[0].kind, commands(client)) == ("cause", ["pulumi up -s poc"])
    assert 'region_name=os.environ["AWS_REGION"]' in str(findings(client)[0].fixes[0].text)


def test_a_bucket_that_cannot_be_read_is_said_and_does_not_decide():
    diagnosis = judge(with_bucket(a.DENIED))
    assert (diagnosis.findings, diagnosis.exit_code, len(diagnosis.unread)) == ((), 0, 1)
