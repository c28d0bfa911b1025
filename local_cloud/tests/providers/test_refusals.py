"""What AWS refuses, service by service, in its words; and the defaults that it describes."""

import json
import socket
import time
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from moto.core.utils import get_service_model
from moto.s3.models import S3Backend

from local_cloud.aws import models
from local_cloud.aws.elb.login import SIGNER
from local_cloud.cloud.api import PUBLIC_KEYS
from local_cloud.providers.aws import KINDS
from local_cloud.tests.providers.conftest import (
    ACCOUNT,
    REGION,
    database,
    definition,
    document,
    recorded,
    refused,
    unique,
)

ALARM = {"AlarmName": "cpu", "MetricName": "CPUUtilization", "Namespace": "AWS/RDS"}
ALARM |= {"Statistic": "Average", "ComparisonOperator": "GreaterThanThreshold", "Threshold": 1}
GOOD = {
    "register_task_definition": definition(),
    "create_db_instance": database("x"),
    "put_metric_alarm": {**ALARM, "Period": 60, "EvaluationPeriods": 1},
}
REFUSED = recorded("refused")


@pytest.mark.parametrize("name", REFUSED)
def test_a_call_is_refused(aws, name):
    (call, changes), (code, words) = REFUSED[name].items()
    service, operation = call.split()
    params = GOOD.get(operation, {}) | changes
    refused(getattr(getattr(aws, service), operation), code, words, **params)


@pytest.mark.parametrize("service", sorted({kind.service for kind in KINDS.values()}))
def test_every_pattern_of_the_models_can_be_read(service):
    model = get_service_model(service)
    rules = [model.shape_for(name).metadata for name in model.shape_names]
    for pattern in {each["pattern"] for each in rules if each.get("pattern")}:
        assert models.compiled_pattern(pattern)


def test_a_rule_that_aws_does_not_enforce_exists_and_has_a_reason():
    for (service, name), reason in models.NOT_ENFORCED.items():
        rules = get_service_model(service).shape_for(name).metadata
        assert {"min", "max", "pattern", "enum"} & set(rules), (service, name)
        assert len(reason.split()) > 4


def test_a_check_takes_a_fraction_of_a_millisecond():
    """A task definition with fifty variables, the longest request of a program."""
    variables = [{"name": f"V{number}", "value": "x" * 50} for number in range(50)]
    container = {"name": "app", "image": "app:1", "environment": variables}
    params = definition(containerDefinitions=[container], tags=[{"key": "a", "value": "b"}] * 10)
    models.problem("ecs", "RegisterTaskDefinition", params)
    begin = time.process_time()
    for _ in range(100):
        assert models.problem("ecs", "RegisterTaskDefinition", params) is None
    assert (time.process_time() - begin) / 100 < 0.001


@pytest.fixture
def bucket(aws):
    """A bucket whose policy may not make it public."""
    name = unique("refusals")
    aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    block = {"BlockPublicPolicy": True, "BlockPublicAcls": True}
    aws.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    return name


def policy(bucket, **changes):
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    resource = f"arn:aws:s3:::{bucket}/*"
    return document({**statement, "Resource": resource, **changes})


@pytest.mark.parametrize(
    ("public", "changes"),
    [
        (True, {}),
        (True, {"Principal": {"AWS": "*"}}),
        (True, {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
        (True, {"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}}),
        (True, {"Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}}),
        (False, {"Effect": "Deny"}),
        (False, {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}),
        (False, {"Condition": {"StringEquals": {"aws:SourceVpce": "vpce-0a1"}}}),
        (False, {"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}),
        (False, {"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:*:{ACCOUNT}:x*"}}}),
    ],
)
def test_a_public_policy_is_refused_where_it_is_blocked(aws, bucket, public, changes):
    asked = {"Bucket": bucket, "Policy": policy(bucket, **changes)}
    if public:
        refused(aws.s3.put_bucket_policy, "AccessDenied", "Access Denied", **asked)
        block = {"BlockPublicPolicy": False}
        aws.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    aws.s3.put_bucket_policy(**asked)


def test_a_bucket_policy_has_what_it_needs(aws, bucket):
    wrong = {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "nonsense"]}}
    number = {"IpAddress": {"aws:SourceIp": 3405803776}}
    for text, words in (
        ("{}", "Missing required field Statement"),
        ("[1]", "Policies must be valid JSON and the first byte must be '{'"),
        (policy("another", Effect="Deny"), "Policy has invalid resource"),
        ('{"Statement": [{"Effect": "Deny"}]}', "Missing required field Principal"),
        (policy(bucket, Condition=wrong), "Invalid IP address in Conditions"),
        (policy(bucket, Condition=number), "Invalid IP address in Conditions"),
    ):
        asked = {"Bucket": bucket, "Policy": text}
        assert refused(aws.s3.put_bucket_policy, "MalformedPolicy", **asked) == words


def test_an_operation_of_s3_that_moto_lacks_is_not_another_one(aws, bucket):
    asked = {"Bucket": bucket, "RequestPaymentConfiguration": {"Payer": "Requester"}}
    refused(aws.s3.put_bucket_request_payment, "NotImplemented", **asked)


def test_a_role_s_trust_is_checked_when_it_is_changed(aws):
    name, role = unique("trusted"), f"arn:aws:iam::{ACCOUNT}:role/"

    def trust(principal):
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        return document(statement)

    good = trust({"Service": "ec2.amazonaws.com"})
    aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=good)
    bad = {"RoleName": name, "PolicyDocument": trust({"AWS": f"{role}none"})}
    refused(aws.iam.update_assume_role_policy, "MalformedPolicyDocument", **bad)
    own = trust({"AWS": f"{role}{name}"})
    aws.iam.update_assume_role_policy(RoleName=name, PolicyDocument=own)


def test_a_boundary_of_the_user_s_account_limits_nothing(aws):
    """A stack file with the boundary that CloudFormation made is rehearsed, too, and the doctor reads it."""
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{unique('bound')}"
    role = {"RoleName": unique("bounded"), "AssumeRolePolicyDocument": document()}
    aws.iam.create_role(**role, PermissionsBoundary=arn)
    version = aws.iam.get_policy(PolicyArn=arn)["DefaultVersionId"]
    found = aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)["Document"]
    everything = {"Effect": "Allow", "Action": ["*"], "Resource": "*"}
    assert found == {"Version": "2012-10-17", "Statement": [everything]}


def test_a_topic_s_policy_has_a_statement(aws):
    topic = aws.sns.create_topic(Name=unique("t"))
    asked = {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": json.dumps({})}
    refused(aws.sns.set_topic_attributes, "InvalidParameter", "Policy Error", **asked)


def test_a_key_s_defaults_are_described(aws):
    made = aws.kms.create_key()
    facts = (made["KeyUsage"], made["KeySpec"], made["MultiRegion"])
    assert facts == ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", False)


@pytest.mark.parametrize("bug", [TimeoutError, ConnectionResetError])
def test_a_bug_that_looks_like_a_client_that_has_gone_is_answered(aws, monkeypatch, bug):
    """In S3, whose calls pass by the hooks. Without an answer an SDK sends the call, which was done, again."""

    def fail(*_, **__):
        raise bug("of the local cloud")

    monkeypatch.setattr(S3Backend, "list_buckets", fail)
    with pytest.raises(ClientError) as found:
        aws.s3.list_buckets()
    assert found.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_an_answer_is_sent_with_its_head_and_a_100_at_once(calls):
    """Else an SDK that closes the connection after the head sends a call, which was done, again."""
    address = urlsplit(calls.endpoint)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(f"GET {PUBLIC_KEYS}{SIGNER.kid} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = line.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(SIGNER.public_key)
    with socket.create_connection((address.hostname, address.port), timeout=10) as line:
        line.sendall(
            b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
        )
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 100 Continue")
