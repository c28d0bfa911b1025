"""The security groups and rules of tasks and bastion, and the bastion itself."""

from __future__ import annotations

import json
from functools import partial

import pytest

from infra.security_groups import TaskAccess, TaskAccessArgs
from tests.unit import conftest
from tests.unit.conftest import TAGS

EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
ACCESS_TAGS = {"project": "careapp"}
TASK = "SecurityGroup/careapp-poc-app"


@pytest.fixture
def task_access(engine):
    def access(port=3000):
        args = TaskAccessArgs(
            vpc_id="vpc-1",
            balancer_group_id="sg-alb",
            database_group_id="sg-database",
            container_port=port,
            database_port=5432,
            tags=ACCESS_TAGS,
        )
        return engine.run(lambda: TaskAccess("careapp-poc", args))

    return access


def tcp(port):
    return {"ipProtocol": "tcp", "fromPort": port, "toPort": port, "tags": ACCESS_TAGS}


def test_a_task_has_a_security_group_of_its_own(engine, task_access):
    access = task_access()
    assert engine.inputs("aws:ec2/securityGroup:SecurityGroup") == {
        "careapp-poc-app": {
            "description": "Tasks of the app",
            "vpcId": "vpc-1",
            "revokeRulesOnDelete": True,
            "tags": {"project": "careapp", "Name": "careapp-poc-app"},
        }
    }
    assert engine.known(access.security_group_id) == TASK


def test_the_ways_in_and_out(engine, task_access):
    task_access()
    assert engine.inputs(INGRESS) == {
        "careapp-poc-app-from-alb-3000": {
            "securityGroupId": TASK,
            "description": "From alb",
            "referencedSecurityGroupId": "sg-alb",
            **tcp(3000),
        },
        "careapp-poc-database-from-app-5432": {
            "securityGroupId": "sg-database",
            "description": "From app",
            "referencedSecurityGroupId": TASK,
            **tcp(5432),
        },
    }
    assert engine.inputs(EGRESS) == {
        "careapp-poc-alb-to-app-3000": {
            "securityGroupId": "sg-alb",
            "description": "To app",
            "referencedSecurityGroupId": TASK,
            **tcp(3000),
        },
        "careapp-poc-app-to-database-5432": {
            "securityGroupId": TASK,
            "description": "To database",
            "referencedSecurityGroupId": "sg-database",
            **tcp(5432),
        },
        "careapp-poc-app-to-internet-443": {
            "securityGroupId": TASK,
            "description": "HTTPS to AWS",
            "cidrIpv4": "0.0.0.0/0",
            **tcp(443),
        },
    }


def test_another_port_is_another_rule_so_that_both_generations_are_reachable(engine, task_access):
    task_access(port=8080)
    assert set(engine.inputs(INGRESS)) == {
        "careapp-poc-app-from-alb-8080",
        "careapp-poc-database-from-app-5432",
    }
    assert "careapp-poc-alb-to-app-8080" in engine.inputs(EGRESS)


INSTANCE = "aws:ec2/instance:Instance"
TCP = {"ipProtocol": "tcp", "tags": TAGS}


@pytest.fixture
def bastion(engine, declare):
    engine.lookups["aws:ssm/getParameter:getParameter"] = {"insecureValue": "ami-1"}

    return partial(declare, conftest.bastion)


def test_it_is_small_private_encrypted_and_without_a_key(engine, bastion):
    made = bastion()
    assert engine.inputs(INSTANCE)["careapp-poc-bastion"] == {
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
    engine, bastion
):
    bastion(natStrategy="none")
    made = engine.inputs(INSTANCE)["careapp-poc-bastion"]
    assert (made["subnetId"], made["associatePublicIpAddress"]) == ("public-1", True)


def test_a_new_image_of_aws_s_does_not_replace_it(engine, bastion):
    bastion()
    assert list(engine.request(INSTANCE, "careapp-poc-bastion").ignoreChanges) == ["ami"]


def test_it_reaches_aws_and_the_database_and_is_reached_by_nobody(engine, bastion):
    bastion()
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


def test_its_role_lets_ssm_manage_it_and_nothing_more(engine, bastion):
    bastion()
    role = engine.inputs("aws:iam/role:Role")["careapp-poc-bastion"]
    assert json.loads(role["assumeRolePolicy"])["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
    policy = engine.inputs("aws:iam/rolePolicy:RolePolicy")["careapp-poc-bastion"]
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
