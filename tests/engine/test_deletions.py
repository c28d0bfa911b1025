"""What a program no longer declares, and its page needs; and a destroy that ends half-way. One stack, in this order."""

import json
import re
from pathlib import Path

import pytest
import yaml

from local_cloud.engine.pulumi import PulumiFailed
from local_cloud.providers.aws import ec2
from tests.support.local_stack import LocalStack, local_stack

TAKEN_OUT = yaml.safe_load(Path(__file__).with_name("deletions.yaml").read_text())
GROUPS = "infra/security_groups.py"
KEEP = '        rules.allow_https("app", task)\n'
MORE = '        rules.connect("app", task, "other", task, 9000)\n'
"""Two rules that no page needs."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with local_stack(tmp_path_factory.mktemp("deletions")) as stack:
        stack.edit(GROUPS, KEEP, KEEP + MORE)
        stack.up(ecsEnabled="true")
        yield stack


def refused(stack: LocalStack) -> str:
    with pytest.raises(PulumiFailed) as red:
        stack.up()
    return red.value.output


def resources(stack: LocalStack) -> set[str]:
    return {resource["urn"] for resource in stack.resources()}


def test_what_the_page_needs_is_not_deleted_and_the_update_is_red_until_it_is_back(stack):
    before = resources(stack)
    files = {mistake["edit"][0] for mistake in TAKEN_OUT.values()}
    texts = {file: (stack.source / file).read_text() for file in files}
    for mistake in TAKEN_OUT.values():
        stack.edit(*mistake["edit"])
    for said in (refused(stack), refused(stack)):
        assert "this update would delete what its page needs; it was stopped before that" in said
        for what, mistake in TAKEN_OUT.items():
            assert mistake["says"] in said, what
            assert mistake["deletes"] in said, what
        assert "--refresh" not in said
        assert resources(stack) == before
    for file, text in texts.items():
        (stack.source / file).write_text(text)
    assert stack.up().steps == ()
    assert resources(stack) == before


def test_what_the_page_does_not_need_is_deleted(stack):
    before = resources(stack)
    stack.edit(GROUPS, KEEP + MORE, KEEP)
    stack.up()
    assert len(before) - len(resources(stack)) == 2


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


def test_status_and_doctor_say_what_a_destroy_left_what_holds_it_and_how_it_ends(
    stack, monkeypatch
):
    """With what somebody else has in the stack's VPC, `pulumi destroy` ends half-way."""
    monkeypatch.setattr(ec2, "DETACH_SECONDS", 0.3)
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
    # A resource with a hook after its deletion would make this need --run-program.
    stack.destroy()
    assert stack.resources() == []
    assert "nothing is there" in ops(stack, "status")
    assert "There is no stack careapp-poc" in ops(stack, "doctor")
