"""The bastion: SSM reaches it, it reaches the database, and nobody else reaches it."""

import json

import pytest

from infra.bastion import Bastion, BastionArgs
from infra.database import Database, DatabaseArgs
from infra.network import Network, NetworkArgs
from tests.unit.parts import NAME, TAGS

INSTANCE = "aws:ec2/instance:Instance"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
TCP = {"ipProtocol": "tcp", "tags": TAGS}


@pytest.fixture
def build(engine, configured):
    engine.lookups["aws:ssm/getParameter:getParameter"] = {"insecureValue": "ami-1"}

    def bastion(**changes):
        settings = configured(**changes)

        def declare():
            network = Network(NAME, NetworkArgs(settings=settings))
            database = Database(NAME, DatabaseArgs(settings=settings, network=network))
            args = BastionArgs(settings=settings, network=network, database=database)
            return Bastion(NAME, args)

        return engine.run(declare)

    return bastion


def test_it_is_small_private_encrypted_and_without_a_key(engine, build):
    made = build()
    assert engine.only(INSTANCE) == {
        "ami": "ami-1",
        "instanceType": "t4g.nano",
        "subnetId": "private-1",
        "associatePublicIpAddress": False,
        "vpcSecurityGroupIds": ["SecurityGroup/careapp-poc-bastion"],
        "iamInstanceProfile": "careapp-poc-bastion-made-up",
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        },
        "rootBlockDevice": {
            "encrypted": True,
            "volumeType": "gp3",
            "volumeSize": 8,
            "deleteOnTermination": True,
        },
        "tags": {**TAGS, "Name": "careapp-poc-bastion"},
    }
    assert engine.known(made.instance_id) == "Instance/careapp-poc-bastion"


def test_without_a_nat_gateway_it_goes_where_the_tasks_go_for_else_ssm_never_finds_it(
    engine, build
):
    build(natStrategy="none")
    made = engine.only(INSTANCE)
    assert (made["subnetId"], made["associatePublicIpAddress"]) == ("public-1", True)


def test_a_new_image_of_aws_s_does_not_replace_it(engine, build):
    build()
    assert list(engine.request(INSTANCE, "careapp-poc-bastion").ignoreChanges) == ["ami"]


def test_it_reaches_aws_and_the_database_and_is_reached_by_nobody(engine, build):
    build()
    group, database = "SecurityGroup/careapp-poc-bastion", "SecurityGroup/careapp-poc-database"
    https = {"fromPort": 443, "toPort": 443, **TCP}
    postgres = {"fromPort": 5432, "toPort": 5432, **TCP}
    assert engine.inputs(EGRESS) == {
        "careapp-poc-bastion-to-internet-443": {
            "securityGroupId": group,
            "description": "HTTPS to AWS",
            "cidrIpv4": "0.0.0.0/0",
            **https,
        },
        "careapp-poc-bastion-to-database-5432": {
            "securityGroupId": group,
            "description": "To database",
            "referencedSecurityGroupId": database,
            **postgres,
        },
    }
    assert engine.inputs(INGRESS) == {
        "careapp-poc-database-from-bastion-5432": {
            "securityGroupId": database,
            "description": "From bastion",
            "referencedSecurityGroupId": group,
            **postgres,
        }
    }


def test_its_role_lets_ssm_manage_it_and_nothing_more(engine, build):
    build()
    role = engine.only("aws:iam/role:Role")
    assert json.loads(role["assumeRolePolicy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
    policy = engine.only("aws:iam/rolePolicy:RolePolicy")
    assert policy["role"] == "careapp-poc-bastion-made-up"
    assert json.loads(policy["policy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Action": [
                "ssm:UpdateInstanceInformation",
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            ],
            "Resource": "*",
        }
    ]
    assert engine.inputs("aws:iam/rolePolicyAttachment:RolePolicyAttachment") == {}


def test_nothing_is_orphaned_and_the_component_finishes(engine, build):
    build()
    assert engine.orphans() == []
    assert engine.unfinished() == set()
