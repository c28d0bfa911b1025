"""Where a program keeps what its tasks read: secrets, parameters, objects, and the policies that let them read it."""

import pytest
from botocore.exceptions import ClientError
from pulumi.runtime.rpc import _special_archive_sig, _special_asset_sig, _special_sig_key

from local_cloud.providers.aws.provider import located
from local_cloud.tests.providers.conftest import allow, document, refused, unique

SECRET, VERSION = "secretsmanager/secret", "secretsmanager/secretVersion"
PARAMETER, OBJECT, OBJECT_V2 = "ssm/parameter", "s3/bucketObject", "s3/bucketObjectv2"
BUCKET, POLICY = "s3/bucket", "iam/policy"


def tags(listed):
    return {each["Key"]: each["Value"] for each in listed}


def test_a_secret_is_created_changed_and_scheduled_for_deletion(aws, make):
    given = {"name": unique("secret"), "description": "a", "recoveryWindowInDays": 7}
    made = make(SECRET, **given, tags={"a": "1", "b": "2"}, policy=document())
    assert (made.outputs["arn"], made.outputs["name"]) == (made.id, given["name"])
    made.change(policy=None, tags={"a": "3"}, description="b")
    found = aws.secretsmanager.describe_secret(SecretId=made.id)
    assert (found["Description"], found["Tags"]) == ("b", [{"Key": "a", "Value": "3"}])
    held = aws.secretsmanager.get_resource_policy(SecretId=made.id)
    assert "ResourcePolicy" not in held
    made.delete()
    assert aws.secretsmanager.describe_secret(SecretId=made.id)["DeletedDate"]
    # Its name stays taken until then, unless it was deleted at once.
    with pytest.raises(ClientError, match="scheduled for deletion"):
        make(SECRET, **given)
    freed = {"name": unique("secret"), "recoveryWindowInDays": 0}
    for _ in range(2):
        make(SECRET, **freed).delete()


def test_a_new_value_is_a_version_and_the_old_one_the_previous(aws, make):
    """The provider deletes no version: AWSCURRENT cannot be taken from it (secret_version.go)."""
    secret = make(SECRET, name=unique("secret"), recoveryWindowInDays=7)
    first = make(VERSION, secretId=secret.id, secretString="one")
    assert first.id == f"{secret.id}|{first.outputs['versionId']}"
    facts = (first.outputs["versionStages"], first.outputs["secretString"])
    assert facts == (["AWSCURRENT"], "one")
    second = make(VERSION, secretId=secret.id, secretBinary="AAE=")
    first.delete(stays=True)
    current = aws.secretsmanager.get_secret_value(SecretId=secret.id)
    assert current["SecretBinary"] == b"\x00\x01"
    assert first.read()["versionStages"] == ["AWSPREVIOUS"]
    for days in (7, 0):  # scheduled for deletion, then deleted
        secret.inputs["recoveryWindowInDays"] = days
        secret.delete()
        assert second.read() is None


@pytest.fixture
def parameter_tags(aws):
    return lambda name: tags(
        aws.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
    )


def test_a_parameter_is_created_changed_and_deleted(aws, make, parameter_tags):
    name = f"/{unique('app')}/title"
    made = make(PARAMETER, name=name, type="String", value="one", tags={"a": "1"})
    assert made.outputs["arn"].endswith(f":parameter{name}")
    assert (made.id, made.outputs["version"]) == (name, 1)
    made.change(value="two", type="SecureString", description="x", tags={"b": "2"})
    assert (made.outputs["version"], made.outputs["type"]) == (2, "SecureString")
    assert aws.ssm.get_parameter(Name=name, WithDecryption=True)["Value"] == "two"
    assert parameter_tags(name) == {"b": "2"}
    made.delete()


def test_a_parameter_is_overwritten_only_where_told(make, parameter_tags):
    inputs = {"name": unique("p"), "type": "String", "insecureValue": "one"}
    make(PARAMETER, **inputs)
    taken = "ParameterAlreadyExists"
    refused(lambda: make(PARAMETER, **inputs), taken)
    again = make(PARAMETER, **inputs, overwrite=True, tags={"a": "1"})
    assert again.outputs["version"] == 2
    assert parameter_tags(again.id) == {"a": "1"}
    refused(again.change, taken, insecureValue="two", overwrite=False)
    again.delete()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "String"}, "one of value and insecureValue"),
        ({"type": "String", "value": "a", "insecureValue": "b"}, "one of value and insecureValue"),
        ({"type": "SecureString", "insecureValue": "a"}, "cannot set type = SecureString"),
    ],
)
def test_a_parameter_has_one_value_of_its_type(make, given, words):
    with pytest.raises(ValueError, match=words):
        make(PARAMETER, name=unique("p"), **given)


@pytest.fixture
def bucket(make):
    made = make(BUCKET, bucket=unique("bucket"), forceDestroy=True)
    yield made.id
    made.delete()


@pytest.fixture
def content(aws, bucket):
    """Reads an object's body, type and tags."""

    def read(key):
        found = aws.s3.get_object(Bucket=bucket, Key=key)
        listed = aws.s3.get_object_tagging(Bucket=bucket, Key=key)
        listed = listed["TagSet"] if isinstance(listed, dict) else listed
        return found["Body"].read(), found["ContentType"], tags(listed)

    return read


def test_an_object_is_uploaded_again_when_it_changes(make, bucket, content):
    given = {"bucket": bucket, "key": "/a//b.txt", "contentType": "text/plain"}
    made = make(OBJECT, **given, content="one", tags={"a": "0"})
    key, etag = made.id, made.outputs["etag"]
    assert (key, made.outputs["arn"]) == ("a/b.txt", f"arn:aws:s3:::{bucket}/a/b.txt")
    assert content(key) == (b"one", "text/plain", {"a": "0"})
    made.change(content=None, contentBase64="dHdv", tags={"a": "1"}, contentType="text/html")
    assert content(key) == (b"two", "text/html", {"a": "1"})
    assert made.outputs["etag"] != etag
    made.change(tags={"b": "2"})
    assert content(key) == (b"two", "text/html", {"b": "2"})
    made.delete()


def asset(**more):
    return {_special_sig_key: _special_asset_sig, "hash": "x", **more}


def test_an_object_s_source_is_a_file_of_the_program_or_a_text(make, bucket, content, tmp_path):
    (tmp_path / "page.html").write_bytes(b"\xff page")
    for source, held in ((asset(path="page.html"), b"\xff page"), (asset(text="words"), b"words")):
        inputs = {"bucket": bucket, "key": "page", "source": source}
        make(OBJECT_V2, **located(inputs, tmp_path))
        assert content("page")[0] == held


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": asset(uri="https://example.com/a")}, "FileAsset or StringAsset"),
        ({"source": {_special_sig_key: _special_archive_sig, "path": "a"}}, "FileAsset or StringAsset"),
        ({"source": asset(text="a"), "content": "b"}, "only one of content, source"),
    ],
)  # fmt: skip
def test_another_source_is_refused(make, bucket, given, words):
    with pytest.raises(ValueError, match=words):
        make(OBJECT, bucket=bucket, key="k", **given)


def test_a_bucket_with_versions_is_emptied_only_by_force(aws, make):
    """S3 deletes only a bucket without versions and markers (API reference, DeleteBucket)."""
    made = make(BUCKET, bucket=unique("bucket"))
    name = {"Bucket": made.id}
    on = {"versioningConfiguration": {"status": "Enabled"}}
    versioning = make("s3/bucketVersioning", bucket=made.id, **on)
    for number in ("one", "two"):
        aws.s3.put_object(**name, Key="a", Body=number)
    aws.s3.delete_object(**name, Key="a")
    assert "Contents" not in aws.s3.list_objects_v2(**name)
    refused(made.delete, "BucketNotEmpty")
    versioning.delete(stays=True)
    assert aws.s3.get_bucket_versioning(**name) == "Suspended"
    assert len(aws.s3.list_object_versions(**name)["Versions"]) == 2
    made.inputs["forceDestroy"] = True
    made.delete()


def test_a_bucket_s_owner_is_required_changed_and_not_required(aws, make, bucket):
    def held():
        found = aws.s3.get_bucket_ownership_controls(Bucket=bucket)
        return found["Rules"][0]["ObjectOwnership"]

    enforced, preferred = "BucketOwnerEnforced", "BucketOwnerPreferred"
    made = make("s3/bucketOwnershipControls", bucket=bucket, rule={"objectOwnership": enforced})
    assert held() == enforced
    made.change(rule={"objectOwnership": preferred})
    assert held() == preferred
    made.delete()


def test_a_new_bucket_takes_no_acl_that_gives_others_access(aws, make, bucket):
    """S3 User Guide, "Controlling ownership of objects and disabling ACLs": they are off in each new bucket."""
    public, code = {"ACL": "public-read"}, "InvalidBucketAclWithObjectOwnership"
    written = {"Bucket": bucket, "Key": "k", **public}
    make(OBJECT, bucket=bucket, key="k", content="x")
    for operation in (aws.s3.put_object, aws.s3.put_object_acl):
        refused(operation, "AccessControlListNotSupported", **written)
    place = {"CreateBucketConfiguration": {"LocationConstraint": "ap-northeast-1"}}
    refused(aws.s3.create_bucket, code, Bucket=unique("bucket"), **public, **place)
    refused(lambda: make(BUCKET, bucket=unique("bucket"), acl="public-read"), code)
    controls = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    aws.s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    aws.s3.put_object(**written)


def test_a_policy_s_change_is_its_default_and_iam_keeps_five(aws, make):
    def policy(action):
        return document(allow(action))

    made = make(POLICY, name=unique("policy"), policy=policy("s3:Get"), tags={"a": "1"})
    name = {"PolicyArn": made.id}
    assert (made.outputs["arn"], made.outputs["name"]) == (made.id, made.inputs["name"])
    for number in range(6):
        made.change(policy=policy(f"s3:Get{number}"), tags={"b": str(number)})
    versions = aws.iam.list_policy_versions(**name)
    [default] = [each["VersionId"] for each in versions if each["IsDefaultVersion"]]
    held = aws.iam.get_policy_version(**name, VersionId=default)["Document"]
    assert (len(versions), held["Statement"][0]["Action"]) == (5, "s3:Get5")
    assert tags(aws.iam.list_policy_tags(**name)) == {"b": "5"}
    refused(aws.iam.delete_policy, "DeleteConflict", "more than one version", **name)
    made.delete()


@pytest.fixture
def role(aws):
    name = unique("role")
    aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document())
    return name


def test_a_policy_that_is_attached_cannot_be_deleted(aws, make, role):
    """IAM API reference, DeletePolicy: DeleteConflict."""
    made = make(POLICY, name=unique("policy"), policy=document(allow("s3:GetObject")))
    attachment = {"RoleName": role, "PolicyArn": made.id}
    aws.iam.attach_role_policy(**attachment)
    words = "Cannot delete a policy attached to entities."
    refused(aws.iam.delete_policy, "DeleteConflict", words, PolicyArn=made.id)
    aws.iam.detach_role_policy(**attachment)
    aws.iam.delete_policy(PolicyArn=made.id)


def test_an_instance_profile_has_its_role_and_its_own_tags_changed(aws, make, role):
    made = make("iam/instanceProfile", name=unique("profile"), role=role, tags={"a": "1"})
    made.change(tags={"b": "2"})
    found = aws.iam.get_instance_profile(InstanceProfileName=made.id)
    assert tags(found["Tags"]) == {"b": "2"}
    assert [each["RoleName"] for each in found["Roles"]] == [role]
    made.delete()
