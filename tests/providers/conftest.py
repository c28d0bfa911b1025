"""The AWS API of the local cloud without its data plane, and calls to it."""

from __future__ import annotations

import logging

import pytest

from rehearsal.aws.rds.rules import make_service_role
from rehearsal.calls import Calls
from rehearsal.cloud.api import Api

REGION = "ap-northeast-1"


@pytest.fixture(scope="session")
def calls():
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    api = Api(REGION)
    api.start()
    yield Calls(api.endpoint, REGION)
    api.stop()


@pytest.fixture
def attach_internet_gateway(calls):
    """Gives a VPC an internet gateway."""

    def attach(vpc):
        gateway = calls("ec2", "create_internet_gateway", {})["InternetGateway"]
        names = {"InternetGatewayId": gateway["InternetGatewayId"], "VpcId": vpc}
        calls("ec2", "attach_internet_gateway", names)

    return attach


@pytest.fixture
def make_role(calls):
    """Makes RDS's service-linked role for one test."""
    yield lambda: make_service_role(calls)
    for role in calls("iam", "list_roles", {"PathPrefix": "/aws-service-role/rds."})["Roles"]:
        calls("iam", "delete_service_linked_role", {"RoleName": role["RoleName"]})
