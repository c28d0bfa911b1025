"""A destroy that ends half-way: what is left, what of others holds it, and the commands that end it."""

import json
import re

import pytest

from local_cloud.engine.pulumi import PulumiFailed
from local_cloud.providers.aws import ec2
from tests.support.local_stack import LocalStack, local_stack


def ops(stack: LocalStack, *command: str) -> str:
    """Run one of the commands that operate a stack, and return what it prints."""
    done = stack.careapp(*command)
    assert done.returncode == 1, done.stderr
    return done.stdout


def make_others(stack: LocalStack) -> tuple[str, dict[str, str]]:
    """Make what somebody else has in the stack's VPC; return the VPC's id, and their ids by their kinds."""
    named, calls = {"Filters": [{"Name": "tag:stack", "Values": [stack.name]}]}, stack.calls
    [vpc] = calls("ec2", "describe_vpcs", named)["Vpcs"]
    subnet, *_ = calls("ec2", "describe_subnets", named)["Subnets"]
    at = {"SubnetId": subnet["SubnetId"], "Description": "somebody's function"}
    card = calls("ec2", "create_network_interface", at)["NetworkInterface"]
    table = calls("ec2", "create_route_table", {"VpcId": vpc["VpcId"]})["RouteTable"]
    group = {"GroupName": "theirs", "Description": "theirs", "VpcId": vpc["VpcId"]}
    return vpc["VpcId"], {
        "network-interface": card["NetworkInterfaceId"],
        "route-table": table["RouteTableId"],
        "security-group": calls("ec2", "create_security_group", group)["GroupId"],
    }


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("unended")) as stack:
        yield stack


def test_status_and_doctor_say_what_is_left_what_holds_it_and_how_it_ends(stack, monkeypatch):
    monkeypatch.setattr(ec2, "DETACH_SECONDS", 0.3)
    stack.up()
    vpc, others = make_others(stack)
    with pytest.raises(PulumiFailed, match="DependencyViolation"):
        stack.destroy()
    assert stack.resources()
    status, doctor = ops(stack, "status"), ops(stack, "doctor")
    found = json.loads(ops(stack, "status", "--json"))["left"]
    assert f"ec2 {vpc}" in found["resources"]
    for said in (status, doctor):
        assert "only parts of it are there" in said
        assert [resource for resource in found["resources"] if resource not in said] == []
        assert [other for other in others.values() if f"{other} is in its VPC" not in said] == []
        assert "somebody's function" in said
        assert "pulumi destroy -s poc" in said
        assert "nothing is there" not in said
        assert "There is no stack" not in said
    found = re.findall(r"aws ec2 delete-([a-z-]+) .*--([a-z-]+-id) (\S+)", doctor)
    assert [(kind, held) for kind, _, held in found] == list(others.items())
    for kind, option, held in found:
        word = "".join(each.title() for each in option.split("-"))
        stack.calls("ec2", f"delete_{kind.replace('-', '_')}", {word: held})
    stack.destroy()
    assert stack.resources() == []
    assert "nothing is there" in ops(stack, "status")
    assert "There is no stack careapp-poc" in ops(stack, "doctor")
