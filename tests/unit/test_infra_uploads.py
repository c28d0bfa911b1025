"""The bucket for the app's files: who may do what with it, and what becomes of the files."""

from __future__ import annotations

import json

import pytest

from stack.file import StackError
from tests.unit.conftest import NAME, TAGS, of, service, uploads
from tools.shared.policy_evaluation import permits

BUCKET, UPLOADS = "aws:s3/bucket:Bucket", "careapp-poc-uploads"
ARN = "arn:aws:s3:::the-bucket"
VERSIONS = "aws:s3/bucketVersioning:BucketVersioning"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"


def test_the_bucket_is_closed_encrypted_its_owner_s_and_takes_no_request_without_tls(
    engine, declare
):
    declare(uploads, protect="false")
    of_bucket = {
        made.typ.rpartition(":")[2]: made.inputs
        for made in engine.made
        if made.name == UPLOADS and made.typ != BUCKET
    }
    [refusal] = json.loads(of_bucket.pop("BucketPolicy")["policy"])["Statement"]
    assert refusal == {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [ARN, f"{ARN}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    name = {"bucket": "the-bucket"}
    blocked = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    tidy = {
        "id": "tidy",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "expiration": {"expiredObjectDeleteMarker": True},
        "noncurrentVersionExpiration": {"noncurrentDays": 30},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
    }
    encrypted = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    assert of_bucket == {
        "BucketPublicAccessBlock": name | dict.fromkeys(blocked, True),
        "BucketServerSideEncryptionConfiguration": name | {"rules": [encrypted]},
        "BucketOwnershipControls": name | {"rule": {"objectOwnership": "BucketOwnerEnforced"}},
        "BucketVersioning": name | {"versioningConfiguration": {"status": "Suspended"}},
        "BucketLifecycleConfiguration": name | {"rules": [tidy]},
    }


@pytest.mark.parametrize("protect", [True, False])
def test_files_are_kept_with_versions_where_the_stack_is_protected_and_go_with_it_elsewhere(
    engine, declare, protect
):
    declare(uploads, protect=str(protect).lower())
    assert engine.inputs(BUCKET)[UPLOADS] == {"forceDestroy": not protect, "tags": TAGS}
    assert engine.request(BUCKET, UPLOADS).protect == protect
    status = {"status": "Enabled" if protect else "Suspended"}
    kept = {"bucket": "the-bucket", "versioningConfiguration": status}
    assert engine.inputs(VERSIONS) == {UPLOADS: kept}
    waits = [urn for urn in engine.request(LIFECYCLE, UPLOADS).dependencies if VERSIONS in urn]
    assert len(waits) == 1


def test_s3_is_reached_from_the_tasks_subnets_without_nat(engine, declare):
    declare(uploads)
    assert engine.inputs("aws:ec2/vpcEndpoint:VpcEndpoint") == {
        f"{NAME}-s3": {
            "vpcId": "vpc-1",
            "serviceName": "com.amazonaws.ap-northeast-1.s3",
            "vpcEndpointType": "Gateway",
            "routeTableIds": [],
            "tags": {**TAGS, "Name": f"{NAME}-s3"},
        }
    }


def task_role(engine):
    made = engine.inputs("aws:iam/rolePolicy:RolePolicy")
    return json.loads(made[f"{NAME}-task"]["policy"])


def test_the_task_role_may_list_the_bucket_and_read_write_and_delete_its_files_and_no_more(
    engine, declare
):
    declare(service, uploadsEnabled="true")
    policies = [task_role(engine)]
    own = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
    assert [each for each in own if not permits(policies, each, f"{ARN}/a/file")] == []
    assert permits(policies, "s3:ListBucket", ARN)
    others = ("s3:DeleteBucket", "s3:PutBucketPolicy", "s3:DeleteObjectVersion", "s3:PutObjectAcl")
    assert [one for one in others for at in (ARN, f"{ARN}/a") if permits(policies, one, at)] == []
    assert not permits(policies, "s3:GetObject", "arn:aws:s3:::the-bucket-2/a/file")


def test_without_the_setting_there_is_no_bucket_no_right_and_no_variable(engine, declare):
    declare(service)
    assert engine.inputs(BUCKET) == engine.inputs("aws:ec2/vpcEndpoint:VpcEndpoint") == {}
    assert "s3:" not in json.dumps(task_role(engine))
    [made] = engine.inputs("aws:ecs/taskDefinition:TaskDefinition").values()
    assert "UPLOADS_BUCKET" not in made["containerDefinitions"]


def test_a_variable_of_the_app_s_own_may_have_the_bucket_s_name(engine, declare):
    own = json.dumps({"AWS_STORAGE_BUCKET_NAME": "${UPLOADS_BUCKET}"})
    declare(service, uploadsEnabled="true", appVariables=own)
    [made] = engine.inputs("aws:ecs/taskDefinition:TaskDefinition").values()
    [container] = json.loads(made["containerDefinitions"])
    named = {each["name"]: each["value"] for each in container["environment"]}
    assert named["AWS_STORAGE_BUCKET_NAME"] == named["UPLOADS_BUCKET"] == "the-bucket"


def test_the_bucket_s_placeholder_is_refused_where_there_is_no_bucket():
    own = json.dumps({"WHERE": "s3://${UPLOADS_BUCKET}", "TEXT": "$${UPLOADS_BUCKET}"})
    with pytest.raises(
        StackError, match=r"WHERE has .*`pulumi config set uploadsEnabled true` adds"
    ):
        of(appVariables=own)
    assert of(appVariables=json.dumps({"TEXT": "$${UPLOADS_BUCKET}"})).uploads_enabled is False
