"""What a program reads of a resource: an output that AWS has and the stand-in lacks is an error that names it."""

from __future__ import annotations

import pulumi
import pytest
from pulumi_aws.ec2 import Subnet, Vpc

from tools.local_cloud.engine import program
from tools.local_cloud.providers import lifecycle
from tools.local_cloud.providers.aws import OUTPUTS, ec2

VPC = "aws:ec2/vpc:Vpc"


@pytest.fixture
def resource(monkeypatch):
    """Makes a resource of a type as the SDK has it, in a program of the local cloud."""
    monkeypatch.setattr(pulumi, "get", program.checked(pulumi.get, OUTPUTS))

    def make(sdk, token, **known):
        made = sdk.__new__(sdk)
        vars(made).update(_type=token, **known)
        return made

    return make


def test_outputs_and_inputs_are_read_and_a_missing_one_is_named(resource):
    vpc = resource(Vpc, VPC, arn="arn:vpc", cidr_block="10.0.0.0/16")
    assert (vpc.arn, vpc.cidr_block, vpc.instance_tenancy) == ("arn:vpc", "10.0.0.0/16", None)
    with pytest.raises(NotImplementedError, match=f"{VPC} has no output ipv6_association_id"):
        _ = vpc.ipv6_association_id
    assert resource(Subnet, "other:ec2/subnet:Subnet").arn is None


def test_a_vpc_names_what_ec2_made_with_it(calls, closed_vpc):
    read = lifecycle.read(calls, ec2.VPC, closed_vpc, {})
    inside = {"Filters": [{"Name": "vpc-id", "Values": [closed_vpc]}]}
    for output, operation, key, name in (
        ("defaultRouteTableId", "describe_route_tables", "RouteTables", "RouteTableId"),
        ("mainRouteTableId", "describe_route_tables", "RouteTables", "RouteTableId"),
        ("defaultNetworkAclId", "describe_network_acls", "NetworkAcls", "NetworkAclId"),
        ("defaultSecurityGroupId", "describe_security_groups", "SecurityGroups", "GroupId"),
    ):
        [only] = calls("ec2", operation, inside)[key]
        assert read[output] == only[name]
