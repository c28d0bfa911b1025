"""Bucket policies in the local cloud: one that wants TLS is met, others are obeyed."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from infra.logs import access_logs_policy

ARN = "arn:aws:s3:::logs"


@pytest.fixture
def bucket(calls):
    made = {"Bucket": "logs"}
    calls("s3", "create_bucket", made | {"CreateBucketConfiguration": REGION})
    yield lambda policy: calls("s3", "put_bucket_policy", made | {"Policy": json.dumps(policy)})
    calls("s3", "delete_bucket_policy", made)
    for each in calls("s3", "list_objects_v2", made).get("Contents", []):
        calls("s3", "delete_object", made | {"Key": each["Key"]})
    calls("s3", "delete_bucket", made)


REGION = {"LocationConstraint": "ap-northeast-1"}


def write(calls):
    calls("s3", "put_object", {"Bucket": "logs", "Key": "one", "Body": b"a request"})


def test_a_policy_that_wants_tls_is_met(bucket, calls):
    bucket(access_logs_policy(ARN, "123456789012"))
    write(calls)
    assert calls("s3", "list_objects_v2", {"Bucket": "logs"})["KeyCount"] == 1


def test_what_is_denied_with_tls_too_stays_denied(bucket, calls):
    policy = access_logs_policy(ARN, "123456789012")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"{ARN}/*"}
    bucket(policy | {"Statement": [*policy["Statement"], deny]})
    with pytest.raises(ClientError, match="403"):
        write(calls)
