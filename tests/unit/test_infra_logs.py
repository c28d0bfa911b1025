"""Flow logs and access logs: who may write them, and who may not read them."""

import json

import pytest

from infra.logs import AccessLogs, AccessLogsArgs, FlowLogs, FlowLogsArgs
from tests.unit.parts import balancer

TAGS = {"project": "careapp"}
ACCOUNT = "123456789012"
BUCKET = "aws:s3/bucket:Bucket"


@pytest.fixture
def flow(engine):
    args = FlowLogsArgs(vpc_id="vpc-1", region="ap-northeast-1", days=90, protect=False, tags=TAGS)
    engine.run(lambda: FlowLogs("careapp-poc", args))
    return engine


@pytest.fixture
def access(engine):
    def build(protect=False):
        args = AccessLogsArgs(days=90, protect=protect, tags=TAGS)
        return engine.run(lambda: AccessLogs("careapp-poc", args))

    return build


def test_what_the_rules_refuse_is_written_to_a_log_group(flow):
    assert flow.only("aws:cloudwatch/logGroup:LogGroup") == {
        "name": "/vpc/careapp-poc",
        "retentionInDays": 90,
        "tags": TAGS,
    }
    assert flow.only("aws:ec2/flowLog:FlowLog") == {
        "vpcId": "vpc-1",
        "trafficType": "REJECT",
        "logDestinationType": "cloud-watch-logs",
        "logDestination": "arn:LogGroup/careapp-poc-flow",
        "iamRoleArn": "arn:Role/careapp-poc-flow",
        "tags": {**TAGS, "Name": "careapp-poc-flow"},
    }


def test_flow_logs_write_that_group_only_and_nobody_else_takes_their_role(flow):
    role = flow.only("aws:iam/role:Role")
    assert json.loads(role["assumeRolePolicy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnLike": {
                    "aws:SourceArn": f"arn:aws:ec2:ap-northeast-1:{ACCOUNT}:vpc-flow-log/*"
                },
            },
        }
    ]
    policy = flow.only("aws:iam/rolePolicy:RolePolicy")
    assert policy["role"] == "careapp-poc-flow-made-up"
    assert json.loads(policy["policy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Action": [
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            "Resource": ["arn:LogGroup/careapp-poc-flow", "arn:LogGroup/careapp-poc-flow:*"],
        },
        {"Effect": "Allow", "Action": ["logs:DescribeLogGroups"], "Resource": "*"},
    ]


def test_the_bucket_is_closed_encrypted_and_forgets(engine, access):
    access()
    name = {"bucket": "the-bucket"}
    assert engine.only("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock") == {
        **name,
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    encryption = "aws:s3/bucketServerSideEncryptionConfiguration"
    assert engine.only(f"{encryption}:BucketServerSideEncryptionConfiguration") == {
        **name,
        "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
    }
    assert engine.only("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration") == {
        **name,
        "rules": [
            {
                "id": "forget",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "expiration": {"days": 90},
                "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
            }
        ],
    }


def test_elb_alone_may_write_below_this_account_and_nobody_may_come_without_tls(engine, access):
    access()
    policy = engine.only("aws:s3/bucketPolicy:BucketPolicy")
    assert policy["bucket"] == "the-bucket"
    bucket = "arn:aws:s3:::the-bucket"
    assert json.loads(policy["policy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{bucket}/AWSLogs/{ACCOUNT}/*",
        },
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket, f"{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ]


@pytest.mark.parametrize("protect", [True, False])
def test_a_bucket_with_logs_in_it_goes_only_where_nothing_is_protected(engine, access, protect):
    access(protect)
    assert engine.only(BUCKET) == {"forceDestroy": not protect, "tags": TAGS}


def test_the_load_balancer_is_told_the_bucket_once_elb_may_write_to_it(engine, configured):
    settings = configured(accessLogs="true")
    engine.run(lambda: balancer(settings))
    made = engine.only("aws:lb/loadBalancer:LoadBalancer")
    assert made["accessLogs"] == {"bucket": "the-bucket", "enabled": True}
    waits = engine.request("aws:lb/loadBalancer:LoadBalancer", "careapp-poc-alb").dependencies
    assert [urn for urn in waits if "bucketPolicy:BucketPolicy" in urn] != []


def test_nothing_is_orphaned_and_the_components_finish(engine, access, flow):
    access()
    assert engine.orphans() == []
    assert engine.unfinished() == set()
