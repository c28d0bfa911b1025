"""The network, and its flow logs and access logs."""

from __future__ import annotations

import asyncio
import json
from functools import partial

import pulumi
import pytest

from infra.logs import AccessLogs, AccessLogsArgs, FlowLogs, FlowLogsArgs
from infra.network import InternetGatewayFirst, no_public_ips, protect_subnets
from tests.unit.conftest import NAME, TAGS, balancer, network

VPC = "awsx:ec2:Vpc"


@pytest.fixture
def build(declare):
    return partial(declare, network)


def test_every_choice_that_awsx_could_change_is_spelled_out(engine, build):
    build()
    assert engine.inputs(VPC) == {
        "careapp-poc": {
            "cidrBlock": "10.0.0.0/16",
            "enableDnsHostnames": True,
            "availabilityZoneNames": ["ap-northeast-1a", "ap-northeast-1c"],
            "availabilityZoneCidrMask": 18,
            "subnetStrategy": "Auto",
            "subnetSpecs": [
                {"type": "Public", "name": "public", "cidrMask": 24},
                {"type": "Private", "name": "private", "cidrMask": 20},
                {"type": "Isolated", "name": "database", "cidrMask": 24},
            ],
            "natGateways": {"strategy": "Single"},
            "tags": TAGS,
        }
    }


@pytest.mark.parametrize("count", ["2", "3"])
def test_a_third_zone_moves_no_other(engine, build, count):
    """EC2 would refuse a subnet where another one still lies."""
    build(zoneCount=count)
    assert engine.inputs(VPC)["careapp-poc"]["availabilityZoneCidrMask"] == 18


def test_subnets_shrink_with_the_vpc_so_that_three_zones_always_fit(engine, build):
    build(vpcCidr="10.1.32.0/19", zoneCount="3")
    made = engine.inputs(VPC)["careapp-poc"]
    assert [spec["cidrMask"] for spec in made["subnetSpecs"]] == [27, 23, 27]
    assert made["availabilityZoneNames"] == [f"ap-northeast-1{letter}" for letter in "acd"]
    assert made["availabilityZoneCidrMask"] == 21


@pytest.mark.parametrize(
    ("strategy", "awsx", "tasks"),
    [
        (
            "none",
            "None",
            ["public-1", "public-2"],
        ),  # without a NAT gateway, else they reach nothing
        ("single", "Single", ["private-1", "private-2"]),
        ("onePerAz", "OnePerAz", ["private-1", "private-2"]),
    ],
)
def test_behind_a_nat_gateway_tasks_are_private(engine, build, strategy, awsx, tasks):
    network = build(natStrategy=strategy)
    assert engine.inputs(VPC)["careapp-poc"]["natGateways"] == {"strategy": awsx}
    assert network.tasks_are_public is (strategy == "none")
    assert engine.known(network.task_subnet_ids) == tasks


def test_the_load_balancer_is_public_and_the_database_isolated(engine, build):
    network = build()
    assert engine.known(network.public_subnet_ids) == ["public-1", "public-2"]
    assert engine.known(network.database_subnet_ids) == ["database-1", "database-2"]
    assert engine.known(network.vpc_id) == "vpc-1"


def test_the_default_security_group_lets_nobody_in_or_out(engine, build):
    build()
    assert engine.inputs("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup") == {
        "careapp-poc-default": {
            "vpcId": "vpc-1",
            "ingress": [],
            "egress": [],
            "tags": {**TAGS, "Name": "careapp-poc-default-closed"},
        }
    }


def transformed(kind, props):
    args = pulumi.ResourceTransformArgs(
        custom=True, type_=kind, name="x", props=props, opts=pulumi.ResourceOptions()
    )
    result = no_public_ips(args)
    return result and result.props


def test_no_subnet_hands_out_public_addresses_and_nothing_else_is_changed():
    subnet = {"mapPublicIpOnLaunch": True, "cidrBlock": "10.0.0.0/24"}
    assert transformed("aws:ec2/subnet:Subnet", subnet) == {
        "mapPublicIpOnLaunch": False,
        "cidrBlock": "10.0.0.0/24",
    }
    assert transformed("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16"}) is None


@pytest.mark.parametrize("protect", [True, False])
def test_vpc_and_two_zones_subnets_are_protected_and_a_third_zone_may_go(configured, protect):
    transform = protect_subnets(configured(protect=str(protect).lower()))

    def protected(kind, name):
        args = pulumi.ResourceTransformArgs(
            custom=True, type_=kind, name=name, props={}, opts=pulumi.ResourceOptions()
        )
        return transform(args).opts.protect

    assert protected("aws:ec2/vpc:Vpc", NAME) is protect
    subnet = "aws:ec2/subnet:Subnet"
    zones = [protected(subnet, f"{NAME}-database-{number}") for number in (1, 2, 3)]
    assert zones == [protect, protect, False]
    assert protected("aws:ec2/natGateway:NatGateway", f"{NAME}-1") is False


def test_awsx_s_children_go_through_these_changes(engine, build):
    build()
    vpc = next(made for made in engine.made if (made.typ, made.name) == (VPC, NAME))
    names = [transform.__name__ for transform in vpc.transforms]
    assert names == ["no_public_ips", "protect", "order"]


def test_a_nat_gateway_says_what_it_waited_for_without_success(engine, monkeypatch):
    monkeypatch.setattr("infra.network.ATTACH_SECONDS", 0.01)
    made = pulumi.ResourceHookArgs(urn="urn", id="", name="careapp-poc-1", type="type")

    async def wait_for_the_one_that_never_comes():
        order = InternetGatewayFirst()
        order.begin(made)
        await order.wait(made)

    with pytest.raises(TimeoutError, match="careapp-poc-1 was not created: the internet gateway"):
        asyncio.get_event_loop().run_until_complete(wait_for_the_one_that_never_comes())


LOG_TAGS = {"project": "careapp"}
ACCOUNT = "123456789012"
BUCKET = "aws:s3/bucket:Bucket"


@pytest.fixture
def flow(engine):
    args = FlowLogsArgs(
        vpc_id="vpc-1", region="ap-northeast-1", days=90, protect=False, tags=LOG_TAGS
    )
    engine.run(lambda: FlowLogs("careapp-poc", args))
    return engine


@pytest.fixture
def access(engine):
    def build(protect=False):
        args = AccessLogsArgs(days=90, protect=protect, tags=LOG_TAGS)
        return engine.run(lambda: AccessLogs("careapp-poc", args))

    return build


def test_what_the_rules_refuse_is_written_to_a_log_group(flow):
    assert flow.inputs("aws:cloudwatch/logGroup:LogGroup")["careapp-poc-flow"] == {
        "name": "/vpc/careapp-poc",
        "retentionInDays": 90,
        "tags": LOG_TAGS,
    }
    assert flow.inputs("aws:ec2/flowLog:FlowLog")["careapp-poc-flow"] == {
        "vpcId": "vpc-1",
        "trafficType": "REJECT",
        "logDestinationType": "cloud-watch-logs",
        "logDestination": "arn:LogGroup/careapp-poc-flow",
        "iamRoleArn": "arn:Role/careapp-poc-flow",
        "tags": {**LOG_TAGS, "Name": "careapp-poc-flow"},
    }


def test_flow_logs_write_that_group_only_and_nobody_else_takes_their_role(flow):
    role = flow.inputs("aws:iam/role:Role")["careapp-poc-flow"]
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
    policy = flow.inputs("aws:iam/rolePolicy:RolePolicy")["careapp-poc-flow"]
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
    assert engine.inputs("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")[
        "careapp-poc-access-logs"
    ] == {
        **name,
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    encryption = "aws:s3/bucketServerSideEncryptionConfiguration"
    assert engine.inputs(f"{encryption}:BucketServerSideEncryptionConfiguration")[
        "careapp-poc-access-logs"
    ] == {
        **name,
        "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
    }
    assert engine.inputs("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")[
        "careapp-poc-access-logs"
    ] == {
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
    policy = engine.inputs("aws:s3/bucketPolicy:BucketPolicy")["careapp-poc-access-logs"]
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
    assert engine.inputs(BUCKET)["careapp-poc-access-logs"] == {
        "forceDestroy": not protect,
        "tags": LOG_TAGS,
    }


def test_the_load_balancer_is_told_the_bucket_once_elb_may_write_to_it(engine, configured):
    settings = configured(trafficLogs="true")
    engine.run(lambda: balancer(settings))
    made = engine.inputs("aws:lb/loadBalancer:LoadBalancer")["careapp-poc-alb"]
    assert made["accessLogs"] == {"bucket": "the-bucket", "enabled": True}
    waits = engine.request("aws:lb/loadBalancer:LoadBalancer", "careapp-poc-alb").dependencies
    assert [urn for urn in waits if "bucketPolicy:BucketPolicy" in urn] != []
