"""Where a program keeps what its tasks read: secrets, parameters, objects, and the policies that let them read it."""

from __future__ import annotations

import json
from threading import Event

import pytest
from botocore.exceptions import ClientError
from pulumi.runtime.rpc import _special_archive_sig, _special_asset_sig, _special_sig_key

from tools.local_cloud.providers import lifecycle
from tools.local_cloud.providers.aws import KINDS, iam, s3, secrets, ssm
from tools.local_cloud.providers.aws.provider import located
from tools.tests.local_cloud.providers.conftest import counter, refused

OBJECT = KINDS["aws:s3/bucketObject:BucketObject"]
OBJECT_V2 = KINDS["aws:s3/bucketObjectv2:BucketObjectv2"]
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


def make(calls, kind, **inputs):
    """The id and outputs of a new resource."""
    return lifecycle.create(calls, kind, inputs, Event())


def unique(word):
    return f"{word}-{next(counter)}"


def tags(calls, service, operation, member="Tags", **params):
    return {each["Key"]: each["Value"] for each in calls(service, operation, params)[member]}


def test_a_secret_is_created_changed_and_scheduled_for_deletion(calls):
    policy = {"Version": "2012-10-17", "Statement": []}
    old = {"name": unique("secret"), "description": "a", "tags": {"a": "1", "b": "2"}}
    old |= {"policy": json.dumps(policy), "recoveryWindowInDays": 7}
    arn, made = make(calls, secrets.SECRET, **old)
    assert (made["arn"], made["name"]) == (arn, old["name"])
    new = {name: value for name, value in old.items() if name != "policy"}
    changed = {**new, "tags": {"a": "3"}, "description": "b"}
    lifecycle.update(calls, secrets.SECRET, arn, old, changed)
    found = calls("secretsmanager", "describe_secret", {"SecretId": arn})
    assert (found["Description"], found["Tags"]) == ("b", [{"Key": "a", "Value": "3"}])
    held = calls("secretsmanager", "get_resource_policy", {"SecretId": arn})
    assert "ResourcePolicy" not in held
    lifecycle.delete(calls, secrets.SECRET, arn, new)
    found = calls("secretsmanager", "describe_secret", {"SecretId": arn})
    assert found["DeletedDate"]
    assert lifecycle.read(calls, secrets.SECRET, arn, new) is None
    # Its name stays taken until then, unless it was deleted at once.
    with pytest.raises(ClientError, match="scheduled for deletion"):
        make(calls, secrets.SECRET, **new)


def test_a_secret_without_a_recovery_window_frees_its_name(calls):
    inputs = {"name": unique("secret"), "recoveryWindowInDays": 0}
    arn, _ = make(calls, secrets.SECRET, **inputs)
    lifecycle.delete(calls, secrets.SECRET, arn, inputs)
    again, _ = make(calls, secrets.SECRET, **inputs)
    lifecycle.delete(calls, secrets.SECRET, again, inputs)


def test_a_new_value_is_a_new_version_and_the_old_one_the_previous(calls):
    """The provider deletes no version: AWSCURRENT cannot be taken from it (secret_version.go)."""
    secret, _ = make(calls, secrets.SECRET, name=unique("secret"), recoveryWindowInDays=0)
    first, made = make(calls, secrets.VERSION, secretId=secret, secretString="one")
    assert first == f"{secret}|{made['versionId']}"
    assert (made["versionStages"], made["secretString"]) == (["AWSCURRENT"], "one")
    second, _ = make(calls, secrets.VERSION, secretId=secret, secretBinary="AAE=")
    lifecycle.delete(calls, secrets.VERSION, first, {"secretId": secret})
    current = calls("secretsmanager", "get_secret_value", {"SecretId": secret})
    assert current["SecretBinary"] == b"\x00\x01"
    read = lifecycle.read(calls, secrets.VERSION, first, {"secretId": secret})
    assert read["versionStages"] == ["AWSPREVIOUS"]
    for days in (7, 0):  # scheduled for deletion, then deleted
        lifecycle.delete(calls, secrets.SECRET, secret, {"recoveryWindowInDays": days})
        assert lifecycle.read(calls, secrets.VERSION, second, {"secretId": secret}) is None


def test_a_parameter_is_created_changed_and_deleted(calls):
    old = {"name": f"/{unique('app')}/title", "type": "String", "value": "one", "tags": {"a": "1"}}
    name, made = make(calls, ssm.PARAMETER, **old)
    assert made["arn"].endswith(f":parameter{name}")
    assert (name, made["version"]) == (old["name"], 1)
    new = {**old, "value": "two", "type": "SecureString", "description": "x", "tags": {"b": "2"}}
    made = lifecycle.update(calls, ssm.PARAMETER, name, old, new)
    assert (made["version"], made["type"]) == (2, "SecureString")
    held = calls("ssm", "get_parameter", {"Name": name, "WithDecryption": True})["Parameter"]
    assert held["Value"] == "two"
    listed = {"ResourceType": "Parameter", "ResourceId": name}
    assert tags(calls, "ssm", "list_tags_for_resource", "TagList", **listed) == {"b": "2"}
    lifecycle.delete(calls, ssm.PARAMETER, name, new)
    assert lifecycle.read(calls, ssm.PARAMETER, name, new) is None


def test_a_parameter_that_exists_is_only_overwritten_where_the_program_says_so(calls):
    inputs = {"name": unique("p"), "type": "String", "insecureValue": "one"}
    name, _ = make(calls, ssm.PARAMETER, **inputs)
    with pytest.raises(ClientError, match="ParameterAlreadyExists"):
        make(calls, ssm.PARAMETER, **inputs)
    again = {**inputs, "overwrite": True, "tags": {"a": "1"}}
    assert make(calls, ssm.PARAMETER, **again)[1]["version"] == 2
    listed = {"ResourceType": "Parameter", "ResourceId": name}
    assert tags(calls, "ssm", "list_tags_for_resource", "TagList", **listed) == {"a": "1"}
    with pytest.raises(ClientError, match="ParameterAlreadyExists"):
        lifecycle.update(
            calls, ssm.PARAMETER, name, again, {**again, "insecureValue": "two", "overwrite": False}
        )
    lifecycle.delete(calls, ssm.PARAMETER, name, inputs)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "String"}, "one of value and insecureValue"),
        ({"type": "String", "value": "a", "insecureValue": "b"}, "one of value and insecureValue"),
        ({"type": "SecureString", "insecureValue": "a"}, "cannot set type = SecureString"),
    ],
)
def test_a_parameter_has_one_value_of_its_type(calls, given, words):
    with pytest.raises(ValueError, match=words):
        make(calls, ssm.PARAMETER, name=unique("p"), **given)


@pytest.fixture
def bucket(calls):
    name, _ = make(calls, s3.BUCKET, bucket=unique("bucket"), forceDestroy=True)
    yield name
    lifecycle.delete(calls, s3.BUCKET, name, {"bucket": name, "forceDestroy": True})


def read(calls, bucket, key):
    found = calls("s3", "get_object", {"Bucket": bucket, "Key": key})
    return found["Body"].read(), found["ContentType"]


def test_an_object_is_uploaded_again_when_it_changes_and_deleted(calls, bucket):
    old = {"bucket": bucket, "key": "/a//b.txt", "content": "one", "contentType": "text/plain"}
    old["tags"] = {"a": "0"}
    key, made = make(calls, OBJECT, **old)
    assert (key, made["arn"]) == ("a/b.txt", f"arn:aws:s3:::{bucket}/a/b.txt")
    assert read(calls, bucket, key) == (b"one", "text/plain")
    listed = {"Bucket": bucket, "Key": key}
    assert tags(calls, "s3", "get_object_tagging", "TagSet", **listed) == {"a": "0"}
    new = {**old, "contentBase64": "dHdv", "tags": {"a": "1"}, "contentType": "text/html"}
    del new["content"]
    changed = lifecycle.update(calls, OBJECT, key, old, new)
    assert read(calls, bucket, key) == (b"two", "text/html")
    assert changed["etag"] != made["etag"]
    assert tags(calls, "s3", "get_object_tagging", "TagSet", **listed) == {"a": "1"}
    lifecycle.update(calls, OBJECT, key, new, {**new, "tags": {"b": "2"}})
    assert tags(calls, "s3", "get_object_tagging", "TagSet", **listed) == {"b": "2"}
    lifecycle.delete(calls, OBJECT, key, new)
    assert lifecycle.read(calls, OBJECT, key, new) is None


def asset(**more):
    return {_special_sig_key: _special_asset_sig, "hash": "x", **more}


def test_the_source_of_an_object_is_a_file_of_the_program_or_a_text(calls, bucket, tmp_path):
    (tmp_path / "page.html").write_bytes(b"\xff page")
    inputs = {"bucket": bucket, "key": "page", "source": asset(path="page.html")}
    make(calls, OBJECT_V2, **located(inputs, tmp_path))
    assert read(calls, bucket, "page")[0] == b"\xff page"
    make(calls, OBJECT_V2, **{**inputs, "source": asset(text="words")})
    assert read(calls, bucket, "page")[0] == b"words"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": asset(uri="https://example.com/a")}, "FileAsset or StringAsset"),
        ({"source": {_special_sig_key: _special_archive_sig, "path": "a"}}, "FileAsset or StringAsset"),
        ({"source": asset(text="a"), "content": "b"}, "only one of content, source"),
    ],
)  # fmt: skip
def test_another_source_is_refused(calls, bucket, given, words):
    with pytest.raises(ValueError, match=words):
        make(calls, OBJECT, bucket=bucket, key="k", **given)


def test_a_bucket_with_versions_is_emptied_of_all_of_them_and_keeps_them_without_force(calls):
    """S3 deletes only a bucket without versions and markers (API reference, DeleteBucket)."""
    name, _ = make(calls, s3.BUCKET, bucket=unique("bucket"))
    on = {"bucket": name, "versioningConfiguration": {"status": "Enabled"}}
    make(calls, s3.VERSIONING, **on)
    for number in ("one", "two"):
        calls("s3", "put_object", {"Bucket": name, "Key": "a", "Body": number})
    calls("s3", "delete_object", {"Bucket": name, "Key": "a"})
    assert "Contents" not in calls("s3", "list_objects_v2", {"Bucket": name})
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        lifecycle.delete(calls, s3.BUCKET, name, {"bucket": name})
    lifecycle.delete(calls, s3.VERSIONING, name, on)
    assert calls("s3", "get_bucket_versioning", {"Bucket": name})["Status"] == "Suspended"
    assert len(calls("s3", "list_object_versions", {"Bucket": name})["Versions"]) == 2
    lifecycle.delete(calls, s3.BUCKET, name, {"bucket": name, "forceDestroy": True})
    assert lifecycle.read(calls, s3.BUCKET, name, {"bucket": name}) is None


def test_the_owner_of_a_bucket_is_required_changed_and_no_longer_required(calls, bucket):
    def held():
        found = calls("s3", "get_bucket_ownership_controls", {"Bucket": bucket})
        return found["OwnershipControls"]["Rules"][0]["ObjectOwnership"]

    old, new = (
        {"bucket": bucket, "rule": {"objectOwnership": each}}
        for each in ("BucketOwnerEnforced", "BucketOwnerPreferred")
    )
    make(calls, s3.OWNERSHIP, **old)
    assert held() == "BucketOwnerEnforced"
    lifecycle.update(calls, s3.OWNERSHIP, bucket, old, new)
    assert held() == "BucketOwnerPreferred"
    lifecycle.delete(calls, s3.OWNERSHIP, bucket, new)
    assert lifecycle.read(calls, s3.OWNERSHIP, bucket, new) is None


def test_a_new_bucket_takes_no_acl_that_gives_others_access(calls, bucket):
    """S3 User Guide, "Controlling ownership of objects and disabling ACLs": they are off in each new bucket."""
    where = {"Bucket": bucket, "Key": "k"}
    make(calls, OBJECT, bucket=bucket, key="k", content="x")
    for operation in ("put_object", "put_object_acl"):
        error = refused(calls, "s3", operation, {**where, "ACL": "public-read"})
        assert error["Code"] == "AccessControlListNotSupported"
    made = {"Bucket": unique("bucket"), "ACL": "public-read"}
    made["CreateBucketConfiguration"] = {"LocationConstraint": calls.region}
    error = refused(calls, "s3", "create_bucket", made)
    assert error["Code"] == "InvalidBucketAclWithObjectOwnership"
    with pytest.raises(ClientError, match="InvalidBucketAclWithObjectOwnership"):
        make(calls, s3.BUCKET, bucket=unique("bucket"), acl="public-read")
    controls = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    params = {"Bucket": bucket, "OwnershipControls": controls}
    calls("s3", "put_bucket_ownership_controls", params)
    calls("s3", "put_object", {**where, "ACL": "public-read"})


def document(action):
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_policy_s_change_is_its_default_version_and_iam_keeps_five(calls):
    inputs = {"name": unique("policy"), "policy": document("s3:GetObject"), "tags": {"a": "1"}}
    arn, made = make(calls, iam.MANAGED_POLICY, **inputs)
    assert (made["arn"], made["name"]) == (arn, inputs["name"])
    for number in range(6):
        new = {**inputs, "policy": document(f"s3:Get{number}"), "tags": {"b": str(number)}}
        lifecycle.update(calls, iam.MANAGED_POLICY, arn, inputs, new)
        inputs = new
    versions = calls("iam", "list_policy_versions", {"PolicyArn": arn})["Versions"]
    [default] = [each["VersionId"] for each in versions if each["IsDefaultVersion"]]
    asked = {"PolicyArn": arn, "VersionId": default}
    held = calls("iam", "get_policy_version", asked)["PolicyVersion"]["Document"]
    assert (len(versions), held["Statement"][0]["Action"]) == (5, "s3:Get5")
    assert tags(calls, "iam", "list_policy_tags", PolicyArn=arn) == {"b": "5"}
    error = refused(calls, "iam", "delete_policy", {"PolicyArn": arn})
    assert "more than one version" in error["Message"]
    lifecycle.delete(calls, iam.MANAGED_POLICY, arn, inputs)
    assert lifecycle.read(calls, iam.MANAGED_POLICY, arn, inputs) is None


def test_a_policy_that_is_attached_cannot_be_deleted(calls):
    """IAM API reference, DeletePolicy: DeleteConflict."""
    arn, _ = make(calls, iam.MANAGED_POLICY, name=unique("policy"), policy=document("s3:GetObject"))
    role = unique("role")
    calls("iam", "create_role", {"RoleName": role, "AssumeRolePolicyDocument": TRUST})
    attachment = {"RoleName": role, "PolicyArn": arn}
    calls("iam", "attach_role_policy", attachment)
    error = refused(calls, "iam", "delete_policy", {"PolicyArn": arn})
    assert (error["Code"], error["Message"]) == (
        "DeleteConflict",
        "Cannot delete a policy attached to entities.",
    )
    calls("iam", "detach_role_policy", attachment)
    calls("iam", "delete_policy", {"PolicyArn": arn})
    calls("iam", "delete_role", {"RoleName": role})


def test_an_instance_profile_has_its_own_tags_changed(calls):
    role = unique("role")
    calls("iam", "create_role", {"RoleName": role, "AssumeRolePolicyDocument": TRUST})
    old = {"name": unique("profile"), "role": role, "tags": {"a": "1"}}
    name, _ = make(calls, iam.INSTANCE_PROFILE, **old)
    lifecycle.update(calls, iam.INSTANCE_PROFILE, name, old, {**old, "tags": {"b": "2"}})
    found = calls("iam", "get_instance_profile", {"InstanceProfileName": name})
    assert found["InstanceProfile"]["Tags"] == [{"Key": "b", "Value": "2"}]
    lifecycle.delete(calls, iam.INSTANCE_PROFILE, name, old)
