"""The AWS API of the local cloud without its data plane, and calls to it."""

from __future__ import annotations

import itertools
import logging

import pytest
from botocore.exceptions import ClientError

from tests.support.loaded import load
from tools.local_cloud.aws.rds.rules import make_service_role
from tools.local_cloud.calls import Calls
from tools.local_cloud.cloud.api import Api

REGION = "ap-northeast-1"
counter = itertools.count(1)


@pytest.fixture(scope="session")
def calls():
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    api = Api(REGION)
    api.start()
    calls = Calls(api.endpoint, REGION)
    load(lambda service, operation: calls(service, operation, {}))
    yield calls
    api.stop()


def subnets_of(calls, vpc, zones="aca"):
    """Make a subnet of the VPC in each of these zones, by their letters."""
    return [
        calls(
            "ec2",
            "create_subnet",
            {
                "VpcId": vpc,
                "CidrBlock": f"10.20.{number}.0/24",
                "AvailabilityZone": f"{REGION}{letter}",
            },
        )["Subnet"]["SubnetId"]
        for number, letter in enumerate(zones)
    ]


@pytest.fixture
def closed_vpc(calls):
    """A VPC without an internet gateway."""
    return calls("ec2", "create_vpc", {"CidrBlock": "10.20.0.0/16"})["Vpc"]["VpcId"]


@pytest.fixture
def vpc(calls, closed_vpc):
    gateway = calls("ec2", "create_internet_gateway", {})["InternetGateway"]
    names = {"InternetGatewayId": gateway["InternetGatewayId"], "VpcId": closed_vpc}
    calls("ec2", "attach_internet_gateway", names)
    return closed_vpc


@pytest.fixture
def subnets(calls, vpc):
    return subnets_of(calls, vpc)


@pytest.fixture
def balancer(calls, subnets):
    params = {"Name": f"b{next(counter)}", "Subnets": subnets[:2]}
    answer = calls("elbv2", "create_load_balancer", params)
    return answer["LoadBalancers"][0]["LoadBalancerArn"]


def definition(**changes):
    """The parameters of a task definition that Fargate takes."""
    return {
        "family": "app",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{"name": "app", "image": "app:1"}],
        **changes,
    }


def refused(calls, service, operation, params):
    """The error that AWS answers a call with."""
    with pytest.raises(ClientError) as problem:
        calls(service, operation, params)
    return problem.value.response["Error"]


def database(name, **changes):
    """The parameters of a small DB instance."""
    return {
        "DBInstanceIdentifier": name,
        "DBInstanceClass": "db.t4g.micro",
        "Engine": "postgres",
        "AllocatedStorage": 20,
        "MasterUsername": "postgres",
        "ManageMasterUserPassword": True,
        **changes,
    }


@pytest.fixture
def make_role(calls):
    """Makes RDS's service-linked role for one test."""
    yield lambda: make_service_role(calls)
    for role in calls("iam", "list_roles", {"PathPrefix": "/aws-service-role/rds."})["Roles"]:
        calls("iam", "delete_service_linked_role", {"RoleName": role["RoleName"]})
