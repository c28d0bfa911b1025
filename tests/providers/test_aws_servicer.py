"""The stand-in for the aws provider, and the parameters that it sends."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import grpc
import pytest
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.rpc import UNKNOWN

from rehearsal.calls import UnknownInput, to_parameters, to_shape
from rehearsal.providers.aws import KINDS, ecs, elb
from rehearsal.providers.aws.provider import AwsServicer
from rehearsal.providers.kind import Subject
from rehearsal.providers.lifecycle import NotReady
from rehearsal.providers.servicer import struct, values
from tests.providers.conftest import definition

VPC = "aws:ec2/vpc:Vpc"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"
ROLE = "aws:iam/role:Role"
SERVICE = "aws:ecs/service:Service"
DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"
INSTANCE = "aws:ec2/instance:Instance"
DATABASE = "aws:rds/instance:Instance"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
TARGET_GROUP = "aws:lb/targetGroup:TargetGroup"


class Aborted(Exception):
    pass


class Context:
    """One gRPC call: remembers what the servicer ended it with."""

    def __init__(self):
        self.trailers = ()

    def abort(self, code, words):
        assert code is grpc.StatusCode.UNKNOWN
        raise Aborted(words)

    def set_trailing_metadata(self, trailers):
        self.trailers = trailers


@pytest.fixture
def servicer(calls):
    return AwsServicer(calls.endpoint, calls.region)


@pytest.fixture
def context():
    return Context()


def urn(token, name="thing"):
    return f"urn:pulumi:poc::careapp::careapp:infra:Part${token}::{name}"


def check(servicer, context, token, news, olds=None, seed=b"seed"):
    request = pb.CheckRequest(
        urn=urn(token), news=struct(news), olds=struct(olds or {}), randomSeed=seed
    )
    return servicer.Check(request, context)


def create(servicer, context, token, inputs, preview=False):
    request = pb.CreateRequest(urn=urn(token), properties=struct(inputs), preview=preview)
    return servicer.Create(request, context)


def update(servicer, context, token, news, olds):
    was = {"old_inputs": struct(olds), "olds": struct(olds)}
    request = pb.UpdateRequest(id="thing", urn=urn(token), news=struct(news), **was)
    return servicer.Update(request, context)


def diff(servicer, context, token, olds, news, **more):
    request = pb.DiffRequest(urn=urn(token), old_inputs=struct(olds), news=struct(news), **more)
    return servicer.Diff(request, context)


def init_failed(context):
    """What the engine keeps of a resource whose creation or change failed."""
    [(_, packed)] = context.trailers
    [detail] = status_pb2.Status.FromString(packed).details
    failed = pb.ErrorResourceInitFailed()
    assert detail.Unpack(failed)
    return failed


def test_a_type_without_a_stand_in_is_refused_by_its_name(servicer, context):
    with pytest.raises(Aborted, match="no stand-in for aws:sqs/queue:Queue"):
        create(servicer, context, "aws:sqs/queue:Queue", {})


def test_an_input_that_nothing_sends_is_refused_by_its_name(servicer, context):
    answer = check(servicer, context, VPC, {"cidrBlock": "10.0.0.0/16", "colour": "red"})
    [failure] = answer.failures
    assert (failure.property, failure.reason) == (
        "colour",
        "the stand-in for aws:ec2/vpc:Vpc has no colour",
    )


def test_what_is_not_known_yet_is_not_held_against_the_program(servicer, context):
    news = {"vpcId": UNKNOWN, "cidrBlock": "10.0.0.0/24", "availabilityZone": "ap-northeast-1a"}
    assert list(check(servicer, context, "aws:ec2/subnet:Subnet", news).failures) == []


def test_a_missing_name_is_made_from_the_resources_and_kept(servicer, context):
    first = values(check(servicer, context, GROUP, {"vpcId": "vpc-1"}).inputs)
    again = check(servicer, context, GROUP, {"vpcId": "vpc-1"}, olds=first, seed=b"another seed")
    assert first["name"].startswith("thing-")
    assert len(first["name"]) == len("thing-") + 7
    assert values(again.inputs) == first


def test_a_preview_creates_nothing_and_leaves_outputs_open(servicer, context, calls):
    before = len(calls("ec2", "describe_vpcs", {})["Vpcs"])
    answer = create(servicer, context, VPC, {"cidrBlock": "10.9.0.0/16"}, preview=True)
    assert (answer.id, values(answer.properties)["arn"]) == ("", UNKNOWN)
    rules = [{"protocol": "-1", "fromPort": 0, "toPort": 0}]
    shown = create(servicer, context, GROUP, {"name": "g", "ingress": rules}, preview=True)
    # What the program gives is known, also to a policy pack; the rest is computed.
    planned = values(shown.properties)
    assert (planned["ingress"], planned["egress"]) == (rules, UNKNOWN)
    assert len(calls("ec2", "describe_vpcs", {})["Vpcs"]) == before


def test_a_resource_is_created_changed_read_and_deleted(servicer, context, calls):
    old = {"cidrBlock": "10.9.0.0/16", "tags": {"a": "1", "b": "2"}}
    made = create(servicer, context, VPC, old)
    new = {**old, "enableDnsHostnames": True, "tags": {"a": "3"}}
    request = pb.UpdateRequest(
        id=made.id, urn=urn(VPC), old_inputs=struct(old), news=struct(new), olds=made.properties
    )
    servicer.Update(request, context)
    [vpc] = calls("ec2", "describe_vpcs", {"VpcIds": [made.id]})["Vpcs"]
    assert vpc["Tags"] == [{"Key": "a", "Value": "3"}]
    asked = {"VpcId": made.id, "Attribute": "enableDnsHostnames"}
    answer = calls("ec2", "describe_vpc_attribute", asked)
    assert answer["EnableDnsHostnames"] == {"Value": True}
    there = pb.ReadRequest(id=made.id, urn=urn(VPC), inputs=struct(new))
    assert servicer.Read(there, context).id == made.id
    servicer.Delete(pb.DeleteRequest(id=made.id, urn=urn(VPC), old_inputs=struct(new)), context)
    assert servicer.Read(there, context).id == ""


def test_a_change_that_no_operation_makes_is_refused_by_its_name(servicer, context):
    old, new = {"cidrBlock": "10.9.0.0/16"}, {"cidrBlock": "10.8.0.0/16"}
    made = create(servicer, context, VPC, old)
    request = pb.UpdateRequest(
        id=made.id, urn=urn(VPC), old_inputs=struct(old), news=struct(new), olds=made.properties
    )
    with pytest.raises(Aborted, match="aws:ec2/vpc:Vpc: cidrBlock cannot be changed"):
        servicer.Update(request, context)
    servicer.Delete(pb.DeleteRequest(id=made.id, urn=urn(VPC), old_inputs=struct(old)), context)


def test_what_skips_its_destruction_stays(servicer, context, calls):
    inputs = {"name": "kept", "skipDestroy": True}
    made = create(servicer, context, LOG_GROUP, inputs)
    urn_of = urn(LOG_GROUP)
    servicer.Delete(pb.DeleteRequest(id=made.id, urn=urn_of, old_inputs=struct(inputs)), context)
    asked = {"logGroupNamePrefix": "kept"}
    assert len(calls("logs", "describe_log_groups", asked)["logGroups"]) == 1


def test_an_input_that_is_taken_back_has_its_default_again(servicer, context, calls):
    new = {"cidrBlock": "10.9.0.0/16"}
    old = {**new, "enableDnsSupport": False}
    made = create(servicer, context, VPC, old)

    def value():
        asked = {"VpcId": made.id, "Attribute": "enableDnsSupport"}
        return calls("ec2", "describe_vpc_attribute", asked)["EnableDnsSupport"]["Value"]

    before = value()
    request = pb.UpdateRequest(
        id=made.id, urn=urn(VPC), old_inputs=struct(old), news=struct(new), olds=made.properties
    )
    servicer.Update(request, context)
    assert (before, value()) == (False, True)
    servicer.Delete(pb.DeleteRequest(id=made.id, urn=urn(VPC), old_inputs=struct(new)), context)


def test_what_aws_refuses_is_told_in_its_own_words(servicer, context):
    with pytest.raises(Aborted, match=r"creating 'thing': .*InvalidVpc"):
        create(servicer, context, VPC, {"cidrBlock": "10.0.0.0/8"})


BARE = {"name": "app", "cluster": "c", "taskDefinition": "app:1", "desiredCount": 1}


@pytest.mark.parametrize("olds", [None, BARE], ids=["create", "update"])
def test_a_service_with_an_empty_list_of_alarms_is_refused_before_ecs_is_asked(
    servicer, context, olds
):
    """The provider drops the list (terraform-provider-aws, expandAlarms), and the SDK requires it."""
    news = {**BARE, "alarms": {"alarmNames": [], "enable": False, "rollback": False}}
    send = create if olds is None else partial(update, olds=olds)
    with pytest.raises(Aborted, match=r"Missing required parameter .*alarms: \"alarmNames\""):
        send(servicer, context, SERVICE, news)


def test_a_resource_whose_set_up_fails_is_not_forgotten(servicer, context, calls):
    vpc = create(servicer, context, VPC, {"cidrBlock": "10.8.0.0/16"})
    inputs = {"name": "half", "port": 80, "protocol": "HTTP", "targetType": "ip", "vpcId": vpc.id}
    with pytest.raises(Aborted, match="ModifyTargetGroupAttributes failed: ValueError"):
        create(servicer, context, TARGET_GROUP, {**inputs, "deregistrationDelay": "soon"})
    failed = init_failed(context)
    [group] = calls("elbv2", "describe_target_groups", {"Names": ["half"]})["TargetGroups"]
    assert failed.id == group["TargetGroupArn"]
    calls("elbv2", "delete_target_group", {"TargetGroupArn": failed.id})


def test_a_change_that_aws_does_not_carry_out_stays_in_the_state(
    servicer, context, calls, monkeypatch
):
    """As in pulumi-terraform-bridge (Update, initializationError), so that the next `pulumi up` updates again."""

    def fail(_subject, past, _cancel):
        raise NotReady("it failed" if past else "it is new")

    kind = KINDS[LOG_GROUP]
    old = {"name": "unsteady", "retentionInDays": 7}
    made = create(servicer, context, LOG_GROUP, old)
    monkeypatch.setitem(KINDS, LOG_GROUP, replace(kind, follow=fail))
    new = {**old, "retentionInDays": 30}
    request = pb.UpdateRequest(
        id=made.id,
        urn=urn(LOG_GROUP),
        old_inputs=struct(old),
        news=struct(new),
        olds=made.properties,
    )
    with pytest.raises(Aborted, match=r"^it failed$"):
        servicer.Update(request, context)
    failed = init_failed(context)
    assert (values(failed.inputs), list(failed.reasons)) == (new, ["it failed"])
    assert values(failed.properties) == {**values(made.properties), "retentionInDays": 30}
    with pytest.raises(Aborted, match=r"^it is new$"):
        create(servicer, context, LOG_GROUP, {"name": "unsteady-2"})
    for name in ("unsteady", "unsteady-2"):
        calls("logs", "delete_log_group", {"logGroupName": name})


def test_an_object_without_a_key_has_the_resource_s_name_as_it_is(servicer, context):
    """pulumi-aws, provider/resources.go: the default of ``key`` has no random suffix."""
    answer = check(servicer, context, "aws:s3/bucketObject:BucketObject", {"bucket": "b"})
    assert values(answer.inputs)["key"] == "thing"
    assert list(answer.failures) == []


@pytest.mark.parametrize(
    ("token", "old", "new", "deletes_first"),
    [
        (VPC, {}, {"cidrBlock": "10.1.0.0/16"}, False),
        # With a fixed name, or as the only policy of a repository, it goes before its replacement comes.
        (TARGET_GROUP, {"name": "fixed", "vpcId": "vpc-1"}, {"port": 81}, True),
        (LIFECYCLE, {"repository": "app"}, {"policy": '{"rules": []}'}, True),
        # With a name from the provider it goes after its replacement has come.
        (PARAMETERS, {"name": "t-123", "__defaults": ["name"]}, {"family": "postgres18"}, False),
    ],
)
def test_an_input_that_cannot_be_changed_replaces_the_resource(
    servicer, context, token, old, new, deletes_first
):
    answer = diff(servicer, context, token, {**old, **dict.fromkeys(new, "old")}, {**old, **new})
    assert (list(answer.replaces), answer.deleteBeforeReplace) == ([*new], deletes_first)


ENCRYPTED = {"encrypted": True, "volumeSize": 8}
CIDR, PEER = {"cidrIpv4": "10.0.0.0/16"}, {"referencedSecurityGroupId": "sg-1"}
RULE_REPLACED = ["cidrIpv4", "referencedSecurityGroupId"]


@pytest.mark.parametrize(
    ("token", "old", "new", "replaces"),
    [
        # pulumi_aws, InstanceRootBlockDeviceArgs: `encrypted` and `kms_key_id` require replacement.
        (INSTANCE, {"rootBlockDevice": ENCRYPTED}, {"rootBlockDevice": {}}, ["rootBlockDevice"]),
        (
            INSTANCE,
            {"rootBlockDevice": ENCRYPTED},
            {"rootBlockDevice": {**ENCRYPTED, "kmsKeyId": "key"}},
            ["rootBlockDevice"],
        ),
        (
            INSTANCE,
            {"rootBlockDevice": ENCRYPTED},
            {"rootBlockDevice": {**ENCRYPTED, "volumeSize": 9}},
            [],
        ),
        # terraform-provider-aws, vpc_security_group_ingress_rule.go, ModifyPlan.
        (RULE, CIDR, PEER, RULE_REPLACED),
        (RULE, PEER, CIDR, RULE_REPLACED),
        (RULE, PEER, {"referencedSecurityGroupId": UNKNOWN}, []),
        (DATABASE, {"identifier": "one"}, {"identifier": "two"}, []),
    ],
)
def test_what_replaces_a_resource_is_what_the_provider_says(
    servicer, context, token, old, new, replaces
):
    answer = diff(servicer, context, token, old, new)
    assert list(answer.replaces) == replaces
    assert answer.changes == pb.DiffResponse.DIFF_SOME


def family(**changes):
    named = definition(**changes)
    containers = {"containerDefinitions": json.dumps(named.pop("containerDefinitions"))}
    return {**named, **containers, "family": "named"}


def test_a_task_definition_s_id_is_its_family_and_each_revision_is_read_and_deleted_by_its_arn(
    servicer, context, calls
):
    """The id is that of all revisions (terraform-provider-aws, task_definition.go), so the state's ARN decides."""
    old, new = family(), family(memory="1024")
    first, second = (create(servicer, context, DEFINITION, each) for each in (old, new))
    assert (first.id, second.id) == ("named", "named")

    def shown(made, inputs):
        state = {"properties": made.properties, "inputs": struct(inputs)}
        request = pb.ReadRequest(id=made.id, urn=urn(DEFINITION), **state)
        return values(servicer.Read(request, context).properties)["arn"]

    arns = [values(made.properties)["arn"] for made in (first, second)]
    assert [shown(first, old), shown(second, new)] == arns
    gone = {"properties": first.properties, "old_inputs": struct(old)}
    servicer.Delete(pb.DeleteRequest(id=first.id, urn=urn(DEFINITION), **gone), context)
    status = [
        calls("ecs", "describe_task_definition", {"taskDefinition": arn})["taskDefinition"][
            "status"
        ]
        for arn in arns
    ]
    assert status == ["INACTIVE", "ACTIVE"]


def test_a_replacement_gets_a_name_of_its_own(servicer, context):
    """The engine asks again without the old inputs when it replaces a resource."""
    first = values(check(servicer, context, GROUP, {"vpcId": "vpc-1"}).inputs)
    second = values(check(servicer, context, GROUP, {"vpcId": "vpc-1"}, seed=b"another").inputs)
    assert first["name"] != second["name"]


def test_a_vpc_tells_its_ipv6_block_and_an_empty_one_where_it_has_none(servicer, context, calls):
    """awsx reads it: a missing output would be an update of each subnet in every preview."""
    made = create(servicer, context, VPC, {"cidrBlock": "10.6.0.0/16"})
    assert values(made.properties)["ipv6CidrBlock"] == ""
    params = {"CidrBlock": "10.7.0.0/16", "AmazonProvidedIpv6CidrBlock": True}
    with_block = calls("ec2", "create_vpc", params)["Vpc"]
    there = pb.ReadRequest(
        id=with_block["VpcId"], urn=urn(VPC), inputs=struct({"cidrBlock": "10.7.0.0/16"})
    )
    seen = values(servicer.Read(there, context).properties)
    [held] = with_block["Ipv6CidrBlockAssociationSet"]
    assert seen["ipv6CidrBlock"] == held["Ipv6CidrBlock"]


@pytest.mark.parametrize(
    ("token", "old", "new", "more"),
    [
        (ROLE, {"name": "r", "__defaults": ["name"]}, {"name": "r"}, {}),  # Pulumi's own entry
        (SERVICE, {"desiredCount": 1}, {"desiredCount": 2}, {"ignoreChanges": ["desiredCount"]}),
    ],
)
def test_nothing_differs(servicer, context, token, old, new, more):
    assert diff(servicer, context, token, old, new, **more).changes == pb.DiffResponse.DIFF_NONE


def test_a_refresh_sees_the_health_check_that_another_client_has_changed(servicer, context, calls):
    vpc = create(servicer, context, VPC, {"cidrBlock": "10.9.0.0/16"})
    check = {"path": "/health", "protocol": "HTTP", "interval": 10, "timeout": 5, "matcher": "200"}
    inputs = {
        "name": "seen",
        "port": 80,
        "protocol": "HTTP",
        "targetType": "ip",
        "vpcId": vpc.id,
        "healthCheck": check,
    }
    made = create(servicer, context, TARGET_GROUP, inputs)
    assert values(made.properties)["healthCheck"] == check
    read = pb.ReadRequest(
        id=made.id, urn=urn(TARGET_GROUP), inputs=struct(inputs), properties=made.properties
    )

    def differs():
        now = servicer.Read(read, context)
        asked = {"old_inputs": now.inputs, "olds": now.properties, "news": struct(inputs)}
        return servicer.Diff(pb.DiffRequest(id=made.id, urn=urn(TARGET_GROUP), **asked), context)

    assert list(differs().diffs) == []
    change = {"TargetGroupArn": made.id, "HealthCheckProtocol": "HTTPS"}
    calls("elbv2", "modify_target_group", change)
    assert list(differs().diffs) == ["healthCheck"]
    calls("elbv2", "delete_target_group", {"TargetGroupArn": made.id})


ARN = "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/app:"
NETWORK = {"subnets": ["subnet-b", "subnet-a"], "securityGroups": ["sg-1"]}
HELD = {
    "subnets": ["subnet-a", "subnet-b"],
    "securityGroups": ["sg-1"],
    "assignPublicIp": "DISABLED",
}
CONDITIONS = [{"pathPattern": {"values": ["/*"]}}]


@pytest.mark.parametrize(
    ("kind", "inputs", "found", "drifted"),
    [
        (
            ecs.SERVICE,
            {"taskDefinition": f"{ARN}1", "networkConfiguration": NETWORK},
            {"taskDefinition": f"{ARN}1", "networkConfiguration": {"awsvpcConfiguration": HELD}},
            {
                "taskDefinition": f"{ARN}2",
                "networkConfiguration": {"awsvpcConfiguration": HELD | {"securityGroups": ["sg-2"]}},
            },
        ),
        (
            elb.TARGET_GROUP,
            {"healthCheck": {"path": "/health", "interval": 10.0, "matcher": "200"}},
            {"HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 10, "Matcher": {"HttpCode": "200"}},
            {"HealthCheckPath": "/nowhere", "HealthCheckIntervalSeconds": 10, "Matcher": {"HttpCode": "200"}},
        ),
        (
            elb.RULE,
            {"conditions": CONDITIONS},
            {"Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}]},
            {"Conditions": [{"Field": "path-pattern", "Values": ["/app/*"]}]},
        ),
    ],
    ids=["service", "target group", "rule"],
)  # fmt: skip
def test_what_another_client_changed_is_an_input_that_differs_after_a_refresh(
    kind, inputs, found, drifted
):
    """The provider compares the program with what it has read (pulumi-terraform-bridge)."""
    subject = Subject(kind=kind, calls=None, identity="thing", inputs=inputs)
    sources = {name: kind.outputs[name] for name in inputs}
    assert {name: source(subject, found) for name, source in sources.items()} == inputs
    seen = {name: source(subject, drifted) for name, source in sources.items()}
    assert [name for name in inputs if seen[name] == inputs[name]] == []
    assert inputs.keys() <= kind.read_back


def test_a_function_without_a_stand_in_is_refused_by_its_name(servicer, context):
    with pytest.raises(Aborted, match="calling 'aws:index/getAmi:getAmi'"):
        servicer.Invoke(pb.InvokeRequest(tok="aws:index/getAmi:getAmi"), context)


def test_a_stack_of_another_region_is_refused(servicer, context):
    request = pb.ConfigureRequest(variables={"aws:config:region": "us-east-1"})
    with pytest.raises(Aborted) as refused:
        servicer.Configure(request, context)
    assert (
        "the local cloud runs in ap-northeast-1, and the stack's region is us-east-1. Nothing was made. Start a "
        "second local cloud beside it: CAREAPP_HOME=FOLDER ./careapp shell --region us-east-1; or end this one"
    ) in str(refused.value)


def test_an_account_s_zones_are_those_of_ec2_by_name(servicer, context):
    """Local Zones are left out by the program's filter."""
    only = [{"name": "zone-type", "values": ["availability-zone"]}]
    asked = pb.InvokeRequest(
        tok="aws:index/getAvailabilityZones:getAvailabilityZones",
        args=struct({"state": "available", "filters": only}),
    )
    found = values(getattr(servicer.Invoke(asked, context), "return"))
    assert found["names"] == ["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"]
    only[0]["values"] = ["local-zone"]
    asked.args.CopyFrom(struct({"filters": only}))
    assert values(getattr(servicer.Invoke(asked, context), "return"))["names"] == []


def test_names_are_matched_by_the_operations_own_shape(calls):
    model = calls.model("ec2", "create_subnet")
    sent, taken = to_parameters(model, {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/24", "more": 1})
    assert sent == {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"}
    assert taken == {"vpcId", "cidrBlock"}


ANSWER = {"contentType": "text/html", "statusCode": 503.0}
ACTION = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"ContentType": "text/html", "StatusCode": "503"},
}


@pytest.mark.parametrize(
    ("operation", "inputs", "sent"),
    [
        # A map becomes a list of pairs where AWS wants one, and stays a map where AWS takes it.
        (
            ("elbv2", "create_target_group"),
            {"tags": {"b": "2", "a": "1"}},
            {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]},
        ),
        (("logs", "create_log_group"), {"tags": {"a": "1"}}, {"tags": {"a": "1"}}),
        (
            ("elbv2", "create_listener"),
            {"defaultActions": [{"type": "fixed-response", "fixedResponse": ANSWER}], "port": 80.0},
            {"Port": 80, "DefaultActions": [ACTION]},
        ),
    ],
    ids=["pairs", "map", "nested names and whole numbers"],
)
def test_inputs_have_the_form_that_aws_takes(calls, operation, inputs, sent):
    assert to_parameters(calls.model(*operation), inputs)[0] == sent


def test_a_nested_name_that_aws_lacks_is_refused(calls):
    shape = calls.model("elbv2", "create_target_group").input_shape.members["Matcher"]
    with pytest.raises(UnknownInput, match="Matcher has no 'httpCodes2'"):
        to_shape(shape, {"httpCodes2": "200"})


def test_an_input_that_the_operation_does_not_take_is_refused(calls):
    with pytest.raises(UnknownInput, match=r"ec2.create_vpc takes no shape"):
        calls.convert("ec2", "create_vpc", {"cidrBlock": "10.0.0.0/16", "shape": "round"})
