"""What a program reads of a resource: defaults, ids and outputs in AWS's form; a missing output is an error."""

import asyncio
import re

import grpc
import pulumi
import pytest
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.settings import handle_grpc_error
from pulumi_aws.ec2 import Subnet, Vpc

from local_cloud.engine import program
from local_cloud.providers import lifecycle
from local_cloud.providers.aws import OUTPUTS, ec2
from local_cloud.providers.aws.provider import AwsServicer
from local_cloud.providers.kind import CHOSEN
from local_cloud.providers.servicer import struct, values
from tests.providers.conftest import ACCOUNT, REGION, kind, recorded, unique
from tests.providers.test_stories import Story

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


def told(output):
    return asyncio.get_event_loop().run_until_complete(output.future())


def test_outputs_and_inputs_are_read_and_a_missing_one_is_named(resource):
    given, left_out = map(pulumi.Output.from_input, ("10.0.0.0/16", None))
    vpc = resource(Vpc, VPC, arn="arn:vpc", cidr_block=given, enable_dns_hostnames=left_out)
    assert (vpc.arn, told(vpc.cidr_block), vpc.instance_tenancy) == ("arn:vpc", "10.0.0.0/16", None)
    with pytest.raises(
        NotImplementedError, match="has enable_dns_hostnames only where the program"
    ):
        told(vpc.enable_dns_hostnames)
    with pytest.raises(NotImplementedError, match=f"{VPC} has no output ipv6_association_id"):
        _ = vpc.ipv6_association_id
    assert resource(Subnet, "other:ec2/subnet:Subnet").arn is None


class Refused(grpc.RpcError):
    """The engine's answer to a program."""

    def __init__(self, text):
        self.code, self.details = (lambda: grpc.StatusCode.UNKNOWN), (lambda: text)


def fail(wrong, text):
    try:
        raise wrong(text)
    except grpc.RpcError as refused:
        handle_grpc_error(refused)


@pytest.mark.parametrize(
    ("wrong", "text", "shown"),
    [
        (Refused, "no lb", "no lb"),
        (Refused, program.SHUT_DOWN, ""),
        (KeyError, "no lb", ".*Traceback.*'no lb'\n"),
    ],
)
def test_refusal_of_the_engine_is_a_sentence_an_error_a_traceback(wrong, text, shown):
    with pytest.raises(Exception) as raised:  # noqa: PT011 - Pulumi raises no other
        fail(wrong, text)
    assert re.fullmatch(shown, program.described(raised.value), re.S)


def test_a_vpc_names_what_ec2_made_with_it(calls, closed_vpc):
    _, read = lifecycle.read(calls, ec2.VPC, closed_vpc, {})
    inside = {"Filters": [{"Name": "vpc-id", "Values": [closed_vpc]}]}
    for output, operation, key, name in (
        ("defaultRouteTableId", "describe_route_tables", "RouteTables", "RouteTableId"),
        ("mainRouteTableId", "describe_route_tables", "RouteTables", "RouteTableId"),
        ("defaultNetworkAclId", "describe_network_acls", "NetworkAcls", "NetworkAclId"),
        ("defaultSecurityGroupId", "describe_security_groups", "SecurityGroups", "GroupId"),
    ):
        [only] = calls("ec2", operation, inside)[key]
        assert read[output] == only[name]


GIVEN, *FACTS = recorded("facts").items()
FORMS = {"HEX": "[0-9a-f]{8,17}", "NAME": r"[\w-]+", "ACCOUNT": ACCOUNT, "REGION": REGION}


def test_defaults_ids_and_outputs_are_those_of_the_provider(request, calls, make):
    servicer, wrong, story = AwsServicer(calls), {}, Story(request)
    for step in GIVEN[1]:
        story.play(step)
    for short, facts in FACTS:
        given = struct(story.filled(facts.get("inputs", {})))
        urn = f"urn:pulumi:poc::careapp::{kind(short).token}::{unique('facts')}"
        asked = provider_pb2.CheckRequest(urn=urn, news=given, randomSeed=urn.encode())
        inputs = values(servicer.Check(asked, None).inputs)
        chosen = {name: inputs[name] for name in inputs[CHOSEN] if name != kind(short).autoname}
        if chosen != facts["defaults"]:
            wrong[short] = chosen
        made = make(short, **inputs)
        for output, form in facts.get("forms", {}).items():
            found = str(made.id if output == "id" else made.outputs[output])
            pattern = re.sub("|".join(FORMS), lambda word: FORMS[word[0]], form)
            if not re.fullmatch(pattern, found):
                wrong[short, output] = (found, form)
    assert wrong == {}
    assert re.fullmatch(r"facts-\d+[0-9a-f]{7}", inputs["identifier"]), "RDS's has no hyphen there"
