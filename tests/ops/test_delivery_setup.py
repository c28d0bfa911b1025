"""The delivery's setting up, against an account in memory."""

import json
import re
from pathlib import Path

import pytest
from moto import mock_aws

from ops.delivery import plan
from ops.delivery.iam import Provider
from ops.delivery.items import Item
from tests.ops.delivery import ALIAS, client

REPOSITORY = "octo-org/careapp"
NOBODY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
)
IDS = ("--owner-id", "12", "--repository-id", "345")


@pytest.fixture
def project(folder, monkeypatch):
    """Both stacks' files, and an empty account."""
    (folder / "Pulumi.prod.yaml").write_text("config:\n  aws:region: ap-northeast-1\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield folder


@pytest.fixture
def setup(project, run):
    def setup(*more):
        return run("delivery", "setup", REPOSITORY, *more)

    return setup


def there():
    """Names of what is in the account, by kind."""
    iam = client("iam")
    aliases = client("kms").list_aliases()["Aliases"]
    return {
        "roles": sorted(role["RoleName"] for role in iam.list_roles()["Roles"]),
        "policies": sorted(
            policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]
        ),
        "providers": len(iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]),
        "buckets": [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]],
        "keys": [each["AliasName"] for each in aliases if each["AliasName"] == ALIAS],
    }


ALL = {
    "roles": ["careapp-delivery-poc", "careapp-delivery-preview", "careapp-delivery-prod"],
    "policies": [
        "careapp-delivery-boundary",
        *(f"careapp-delivery-poc-{part}" for part in ("app", "look", "network", "rest")),
        "careapp-delivery-preview",
        *(f"careapp-delivery-prod-{part}" for part in ("app", "look", "network", "rest")),
    ],
    "providers": 1,
    "buckets": ["careapp-state-123456789012-ap-northeast-1"],
    "keys": [ALIAS],
}
NOTHING = {"roles": [], "policies": [], "providers": 0, "buckets": [], "keys": []}


def test_a_dry_run_shows_everything_and_makes_nothing(setup):
    code, out, err = setup("--dry-run")
    assert (code, err) == (0, "")
    assert out.count("  create: ") == 16
    assert there() == NOTHING


def test_it_makes_all_of_it_and_again_changes_nothing(setup):
    code, out, err = setup("--yes")
    assert (code, err) == (0, "")
    assert there() == ALL
    code, out, err = setup("--yes")
    assert (code, err) == (0, "")
    assert out.count("  unchanged: ") == 16
    assert "create" not in out
    assert "change:" not in out.replace("unchanged:", "")
    assert there() == ALL


def test_it_prints_the_variables_and_what_is_left_for_a_person(setup):
    _, out, _ = setup("--yes")
    bucket = "s3://careapp-state-123456789012-ap-northeast-1?region=ap-northeast-1"
    role = "arn:aws:iam::123456789012:role/careapp-delivery"
    where = f"--repo {REPOSITORY}"
    for name, value in (
        ("AWS_REGION", "ap-northeast-1"),
        ("CAREAPP_STATE", f"'{bucket}'"),
        ("CAREAPP_KEY", "'awskms://alias/careapp-delivery?region=ap-northeast-1'"),
        ("CAREAPP_PREVIEW_ROLE", f"{role}-preview"),
        ("CAREAPP_POC_ROLE", f"{role}-poc"),
        ("CAREAPP_PROD", "true"),
    ):
        assert f"  gh variable set {name} --body {value} {where}\n" in out
    environment = f"  gh variable set CAREAPP_PROD_ROLE --body {role}-prod {where} --env prod\n"
    assert environment in out.partition("Make the environment prod")[2]
    assert (
        "  Pulumi.poc.yaml, config: careapp:permissionsBoundary: careapp-delivery-boundary\n" in out
    )
    assert "Make the environment prod" in out
    assert "Make the environment poc" not in out


def test_a_stack_with_an_account_of_its_own_leaves_the_repositorys_variables_alone(setup):
    _, out, _ = setup("--stack", "prod", "--yes")
    lines = [line for line in out.splitlines() if line.startswith("  gh variable set ")]
    assert [line.split()[3] for line in lines if line.endswith(" --env prod")] == [
        *("AWS_REGION", "CAREAPP_STATE", "CAREAPP_KEY", "CAREAPP_PROD_ROLE")
    ]
    [switch] = [line for line in lines if "--env" not in line]
    assert switch == f"  gh variable set CAREAPP_PROD --body true --repo {REPOSITORY}"


def test_without_a_terminal_and_without_yes_nothing_is_done(setup):
    code, _, err = setup()
    assert code == 1
    assert "say --yes" in err
    assert there() == NOTHING


def test_removing_leaves_the_state_and_its_key_and_setting_up_again_brings_the_rest_back(setup):
    setup("--yes")
    code, out, _ = setup("--remove", "--yes")
    assert code == 0
    assert there() == {**NOTHING, "buckets": ALL["buckets"], "keys": ALL["keys"]}
    assert "stays: bucket careapp-state-123456789012-ap-northeast-1" in out
    assert "gh variable set" not in out
    setup("--yes")
    assert there() == ALL


def test_a_provider_that_another_made_is_used_and_stays(setup):
    client("iam").create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com",
        ClientIDList=["another", "sts.amazonaws.com"],
    )
    code, out, _ = setup("--yes")
    assert code == 0
    assert "unchanged: identity provider" in out
    _, out, _ = setup("--remove", "--yes")
    assert "stays: identity provider" in out
    assert there()["providers"] == 1


def test_a_provider_without_our_audience_gets_it():
    """Moto cannot add one."""

    class Asked:
        calls = ()

        def call(self, *words, **params):
            self.calls = (*self.calls, (words, params))
            return {"ClientIDList": ["another"]}

    session, item = Asked(), Item("provider", "arn", {"audiences": ["sts.amazonaws.com"]})
    assert Provider().look(session, item) == {"audiences": [], "ours": False}
    Provider().change(session, item)
    assert session.calls[-1] == (
        ("iam", "add_client_id_to_open_id_connect_provider"),
        {"OpenIDConnectProviderArn": "arn", "ClientID": "sts.amazonaws.com"},
    )


def test_a_boundary_in_use_stays():
    """Moto does not count the roles that a policy bounds, IAM does."""
    unused, used = Item("policy", "a"), Item("policy", "b")
    found = {("policy", "a"): {"bounds": 0}, ("policy", "b"): {"bounds": 2}}
    steps = plan.taking_away([unused, used, Item("role", "c")], found)
    assert [(step.verb, step.item) for step in steps] == [("stay", used), ("remove", unused)]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda: client("s3").delete_bucket_policy(Bucket=ALL["buckets"][0]), "policy"),
        (lambda: client("s3").delete_public_access_block(Bucket=ALL["buckets"][0]), "closed"),
        (lambda: client("s3").delete_bucket_encryption(Bucket=ALL["buckets"][0]), "key"),
        (lambda: client("s3").delete_bucket_lifecycle(Bucket=ALL["buckets"][0]), "kept_days"),
        (
            lambda: client("iam").update_assume_role_policy(
                RoleName="careapp-delivery-poc", PolicyDocument=NOBODY
            ),
            "trust",
        ),
        (
            lambda: client("iam").detach_role_policy(
                RoleName="careapp-delivery-poc",
                PolicyArn="arn:aws:iam::123456789012:policy/careapp-delivery-poc-rest",
            ),
            "policies",
        ),
        (
            lambda: client("iam").update_role(
                RoleName="careapp-delivery-poc", MaxSessionDuration=3600
            ),
            "seconds",
        ),
        (lambda: client("kms").disable_key_rotation(KeyId=key()), "rotation"),
    ],
)
def test_what_somebody_changed_by_hand_is_seen_and_put_right(setup, spoil, told):
    setup("--yes")
    spoil()
    _, out, _ = setup("--dry-run")
    assert out.count(f" (differs: {told})") == 1
    setup("--yes")
    _, out, _ = setup("--dry-run")
    assert out.count("  unchanged: ") == 16


def key():
    return client("kms").describe_key(KeyId=ALIAS)["KeyMetadata"]["KeyId"]


def test_new_versions_of_a_policy_push_out_the_oldest(setup):
    setup("--yes")
    iam, arn = client("iam"), "arn:aws:iam::123456789012:policy/careapp-delivery-preview"
    for number in range(1, 7):
        statement = {"Effect": "Deny", "Action": f"s3:{number}", "Resource": "*"}
        held = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        if len(held) == 5:
            old = [each["VersionId"] for each in held if not each["IsDefaultVersion"]]
            iam.delete_policy_version(PolicyArn=arn, VersionId=old[-1])
        iam.create_policy_version(
            PolicyArn=arn,
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            SetAsDefault=True,
        )
        code, out, err = setup("--yes")
        assert (code, out.count("  changed: policy"), err) == (0, 1, "")
    assert len(iam.list_policy_versions(PolicyArn=arn)["Versions"]) == 5


def test_the_bucket_is_versioned_encrypted_closed_and_refuses_plain_http(setup):
    setup("--yes")
    s3, [bucket] = client("s3"), ALL["buckets"]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    arn = client("kms").describe_key(KeyId=ALIAS)["KeyMetadata"]["Arn"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": arn,
    }
    closed = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(closed.values()) == {True}
    [plain] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (plain["Effect"], plain["Principal"], plain["Action"]) == ("Deny", "*", ["s3:*"])
    assert plain["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    s3.delete_bucket_policy(Bucket=bucket)  # moto takes its condition for fulfilled
    assert s3.get_object(Bucket=bucket, Key=".pulumi/meta.yaml")["Body"].read() == b"version: 1\n"


def test_the_numbers_of_github_add_the_second_format_to_every_trust(setup):
    setup("--yes")
    setup("--yes", *IDS)
    for role in ALL["roles"]:
        held = client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        subjects = held["Statement"][0]["Condition"]["StringEquals"][
            "token.actions.githubusercontent.com:sub"
        ]
        short = [each for each in subjects if each.startswith("repo:octo-org/careapp:")]
        long = [each for each in subjects if each.startswith("repo:octo-org@12/careapp@345:")]
        assert len(short) == len(long) == len(subjects) / 2 > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("careapp",), "OWNER/NAME"),
        (("octo-org/*",), "OWNER/NAME"),
        ((REPOSITORY, "--branch", "*"), "no branch that can be trusted"),
        ((REPOSITORY, "--owner-id", "12"), "together"),
        ((REPOSITORY, "--owner-id", "1*", "--repository-id", "2"), "together"),
        ((REPOSITORY, "--stack", "delivery"), "delivery"),
    ],
)
def test_what_could_trust_more_than_one_is_refused(project, run, words, told):
    (project / "Pulumi.delivery.yaml").write_text("config:\n  aws:region: ap-northeast-1\n")
    code, _, err = run("delivery", "setup", *words, "--yes")
    assert code == 1
    assert told in err
    assert there() == NOTHING


def test_it_speaks_japanese(setup):
    code, out, _ = setup("--dry-run", "--lang", "ja")
    assert code == 0
    assert "作成" in out


def test_the_documented_dry_run_is_a_real_one(project, run):
    page = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text()
    [shown] = re.findall(r"^\$ \./careapp (.*--dry-run)\n(.*?)```$", page, re.MULTILINE | re.DOTALL)
    words, expected = shown
    assert run(*words.split()) == (0, expected, "")
