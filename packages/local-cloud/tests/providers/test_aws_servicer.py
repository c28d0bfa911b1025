"""The stand-in for the aws provider, and the parameters that it sends."""

import collections.abc
import json
import sys
from dataclasses import replace
from importlib import import_module
from inspect import signature
from typing import Union, get_args, get_origin

import grpc
import pytest
from google.rpc import status_pb2
from pulumi._types import resource_types
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.rpc import UNKNOWN

from local_cloud.calls import UnknownInput, to_parameters, to_shape
from local_cloud.providers import lifecycle
from local_cloud.providers.aws import KINDS, elb
from local_cloud.providers.aws.provider import AwsServicer
from local_cloud.providers.kind import clean
from local_cloud.providers.lifecycle import NotReady, until_gone
from local_cloud.providers.servicer import struct, values
from tests.providers.conftest import definition, kind, recorded, unique
from tests.providers.test_stories import Story

VPC, GROUP = "ec2/vpc", "ec2/securityGroup"
SERVICE, DEFINITION = "ecs/service", "ecs/taskDefinition"
INSTANCE, DATABASE = "ec2/instance", "rds/instance"
LOG_GROUP, TARGET_GROUP = "cloudwatch/logGroup", "lb/targetGroup"
SMALL = {"cidrBlock": "10.9.0.0/16"}


class Aborted(Exception):
    """How the servicer ended a call."""


class Engine:
    """The engine's side of the protocol: it calls the servicer, and keeps the state of its resources."""

    def __init__(self, servicer, port=1):
        self.servicer, self.trailers, self.state, self.port = servicer, (), {}, port

    def peer(self):
        return f"ipv4:127.0.0.1:{self.port}"

    def abort(self, code, words):
        assert code is grpc.StatusCode.UNKNOWN
        raise Aborted(words)

    def set_trailing_metadata(self, trailers):
        self.trailers = trailers

    @staticmethod
    def urn(short):
        token = short if ":" in short else kind(short).token
        return f"urn:pulumi:poc::careapp::careapp:infra:Part${token}::thing"

    def check(self, short, news, olds=None, seed=b"seed"):
        """The checked inputs, and each failure with its reason."""
        request = pb.CheckRequest(urn=self.urn(short), news=struct(news), randomSeed=seed)
        request.olds.CopyFrom(struct(olds or {}))
        answer = self.servicer.Check(request, self)
        return values(answer.inputs), {each.property: each.reason for each in answer.failures}

    def create(self, short, inputs, **more):
        request = pb.CreateRequest(urn=self.urn(short), properties=struct(inputs), **more)
        made = self.servicer.Create(request, self)
        named = {"short": short, "urn": self.urn(short)}
        self.state[made.id] = {**named, "inputs": inputs, "outputs": made.properties}
        return made.id, values(made.properties)

    def change(self, identity, news):
        now = self.state[identity]
        news, _ = self.check(now["short"], news, now["inputs"])
        old = {"old_inputs": struct(now["inputs"]), "olds": now["outputs"]}
        request = pb.UpdateRequest(id=identity, urn=now["urn"], news=struct(news), **old)
        made = self.servicer.Update(request, self)
        self.state[identity] |= {"inputs": news, "outputs": made.properties}

    def read(self, identity, state=None):
        """Its outputs and inputs, or None."""
        now = state or self.state[identity]
        known = {"inputs": struct(now["inputs"]), "properties": now["outputs"]}
        answer = self.servicer.Read(pb.ReadRequest(id=identity, urn=now["urn"], **known), self)
        return answer if answer.id else None

    def delete(self, identity, state=None):
        now = state or self.state[identity]
        known = {"old_inputs": struct(now["inputs"]), "properties": now["outputs"]}
        self.servicer.Delete(pb.DeleteRequest(id=identity, urn=now["urn"], **known), self)

    def diff(self, short, before, after, **more):
        known = {"old_inputs": struct(before), "news": struct(after)}
        request = pb.DiffRequest(urn=self.urn(short), **known)
        request.MergeFrom(pb.DiffRequest(**more))
        return self.servicer.Diff(request, self)

    def invoke(self, token, **arguments):
        request = pb.InvokeRequest(tok=token, args=struct(arguments))
        return values(getattr(self.servicer.Invoke(request, self), "return"))

    @property
    def init_failed(self):
        """What the engine keeps of a resource whose creation or change failed."""
        [(_, packed)] = self.trailers
        [detail] = status_pb2.Status.FromString(packed).details
        failed = pb.ErrorResourceInitFailed()
        assert detail.Unpack(failed)
        return failed


@pytest.fixture
def engine(calls):
    return Engine(AwsServicer(calls))


def test_a_type_or_function_without_a_stand_in_is_named(engine):
    with pytest.raises(Aborted, match="no stand-in for aws:lightsail/instance:Instance"):
        engine.create("aws:lightsail/instance:Instance", {})
    with pytest.raises(Aborted, match="calling 'aws:index/getAmi:getAmi'"):
        engine.invoke("aws:index/getAmi:getAmi")


def test_an_input_that_nothing_sends_is_refused_by_its_name(engine):
    _, failures = engine.check(VPC, {**SMALL, "colour": "red"})
    assert failures == {"colour": "the stand-in for aws:ec2/vpc:Vpc has no colour"}


def test_an_unknown_value_is_not_held_against_the_program(engine):
    news = {"vpcId": UNKNOWN, "cidrBlock": "10.0.0.0/24", "availabilityZone": "ap-northeast-1a"}
    assert engine.check("ec2/subnet", news)[1] == {}


def test_a_missing_name_is_made_from_the_resource_s_and_kept(engine):
    """The engine asks again without the old inputs when it replaces a resource, which gets a name of its own."""
    given = {"vpcId": "vpc-1"}
    first, _ = engine.check(GROUP, given)
    again, _ = engine.check(GROUP, given, olds=first, seed=b"another seed")
    replacing, _ = engine.check(GROUP, given, seed=b"another seed")
    assert first["name"].startswith("thing-")
    assert len(first["name"]) == len("thing-") + 7
    assert again == first
    assert replacing["name"] != first["name"]
    ours, failures = engine.check(GROUP, {**given, "namePrefix": "our-"}, olds=first)
    assert (ours["name"][:4], len(ours["name"]), failures) == ("our-", 30, {})
    assert engine.check(GROUP, {**given, "namePrefix": "our-"}, ours, b"another seed")[0] == ours
    _, failures = engine.check(GROUP, {**given, "name": "one", "namePrefix": "our-"})
    assert failures == {"namePrefix": "namePrefix conflicts with name"}
    assert kind(GROUP).replacing(ours, {**ours, "namePrefix": "other-"}) == ["namePrefix"]


def test_an_object_without_a_key_has_the_resource_s_name(engine):
    """pulumi-aws, provider/resources.go: the default of ``key`` has no random suffix."""
    inputs, failures = engine.check("s3/bucketObject", {"bucket": "b"})
    assert (inputs["key"], failures) == ("thing", {})


def test_a_preview_creates_nothing_and_leaves_outputs_open(engine, aws):
    before = len(aws.ec2.describe_vpcs())
    identity, planned = engine.create(VPC, SMALL, preview=True)
    assert (identity, planned["arn"]) == ("", UNKNOWN)
    rules = [{"protocol": "-1", "fromPort": 0, "toPort": 0}]
    # What the program gives is known, also to a policy pack; the rest is computed.
    _, planned = engine.create(GROUP, {"name": "g", "ingress": rules}, preview=True)
    assert (planned["ingress"], planned["egress"]) == (rules, UNKNOWN)
    assert len(aws.ec2.describe_vpcs()) == before


def test_a_change_that_no_operation_makes_is_refused_by_its_name(engine):
    vpc, _ = engine.create(VPC, SMALL)
    with pytest.raises(Aborted, match="aws:ec2/vpc:Vpc: cidrBlock cannot be changed"):
        engine.change(vpc, {"cidrBlock": "10.8.0.0/16"})
    engine.change(vpc, {**SMALL, "enableDnsHostnames": True})
    assert values(engine.read(vpc).properties)["enableDnsHostnames"] is True
    engine.delete(vpc)
    assert engine.read(vpc) is None


def test_a_resource_that_skips_its_destruction_stays(engine, aws):
    made, _ = engine.create(LOG_GROUP, {"name": "kept", "skipDestroy": True})
    engine.delete(made)
    assert len(aws.logs.describe_log_groups(logGroupNamePrefix="kept")) == 1


def test_an_error_of_aws_is_passed_on_in_its_words(engine):
    with pytest.raises(Aborted, match=r"creating 'thing': .*InvalidVpc"):
        engine.create(VPC, {"cidrBlock": "10.0.0.0/8"})


@pytest.mark.parametrize("past", [False, True], ids=["create", "update"])
def test_a_service_with_an_empty_list_of_alarms_is_refused(engine, past):
    """The provider drops the list (terraform-provider-aws, expandAlarms), and the SDK requires it."""
    bare = {"name": "app", "cluster": "c", "taskDefinition": "app:1", "desiredCount": 1}
    news = {**bare, "alarms": {"alarmNames": [], "enable": False, "rollback": False}}
    known = {"short": SERVICE, "urn": engine.urn(SERVICE), "inputs": bare}
    engine.state["old"] = {**known, "outputs": struct(bare)}
    with pytest.raises(Aborted, match=r"Missing required parameter .*alarms: \"alarmNames\""):
        engine.change("old", news) if past else engine.create(SERVICE, news)


def test_a_resource_whose_set_up_fails_is_not_forgotten(engine, aws, closed_vpc):
    inputs = {"name": "half", "port": 80, "protocol": "HTTP", "targetType": "ip"}
    inputs |= {"vpcId": closed_vpc, "deregistrationDelay": "soon"}
    with pytest.raises(Aborted, match="Target group attribute 'deregistration_delay"):
        engine.create(TARGET_GROUP, inputs)
    [group] = aws.elbv2.describe_target_groups(Names=["half"])
    assert engine.init_failed.id == group["TargetGroupArn"]
    aws.elbv2.delete_target_group(TargetGroupArn=group["TargetGroupArn"])


def test_a_change_that_aws_does_not_carry_out_stays_in_the_state(engine, monkeypatch):
    """As in pulumi-terraform-bridge (Update, initializationError), so that the next `pulumi up` updates again."""

    def fail(_subject, past):
        raise NotReady("it failed" if past else "it is new")

    old = {"name": unique("unsteady"), "retentionInDays": 7, "skipDestroy": False}
    made, outputs = engine.create(LOG_GROUP, old)
    failing = replace(kind(LOG_GROUP), follow=fail)
    monkeypatch.setitem(KINDS, failing.token, failing)
    new = {**old, "retentionInDays": 30}
    with pytest.raises(Aborted, match=r"^it failed$"):
        engine.change(made, new)
    failed = engine.init_failed
    kept = {name: value for name, value in values(failed.inputs).items() if name in new}
    assert (kept, list(failed.reasons)) == (new, ["it failed"])
    assert values(failed.properties) == {**outputs, "retentionInDays": 30}
    with pytest.raises(Aborted, match=r"^it is new$"):
        engine.create(LOG_GROUP, {"name": unique("unsteady")})


def test_a_ctrl_c_ends_the_waits_of_its_own_engine_only(engine, aws, monkeypatch):
    """A second `pulumi` in the same local cloud goes on waiting, in a creation as in a deletion."""
    seen = []
    waiting = replace(
        kind(LOG_GROUP),
        follow=lambda subject, _past: seen.append(subject.cancel.is_set()),
        on_delete=lambda subject: until_gone(subject, 0.1),
    )
    monkeypatch.setitem(KINDS, waiting.token, waiting)
    other = Engine(engine.servicer, port=engine.port + 1)
    other.servicer.Cancel(None, other)
    made, _ = engine.create(LOG_GROUP, {"name": unique("waits"), "retentionInDays": 7})
    assert seen == [False]
    ends = (
        (None, "is still there after"),
        ("Cancel", "cancelled while"),
        ("Configure", "is still there"),
    )
    for call, words in ends:
        if call:
            getattr(engine.servicer, call)(pb.ConfigureRequest(), engine)
        with pytest.raises(Aborted, match=words):
            engine.delete(made)
    aws.logs.delete_log_group(logGroupName=made)


TABLES = recorded("provider")


@pytest.mark.parametrize(("short", "old", "new", "replaced", "first"), TABLES["diffs"])
def test_a_change_replaces_the_resource_as_the_provider_does(
    engine, short, old, new, replaced, first
):
    answer = engine.diff(short, old, new)
    assert answer.changes == pb.DiffResponse.DIFF_SOME
    assert (list(answer.replaces), answer.deleteBeforeReplace) == (replaced.split(), first)


def test_what_aws_chose_or_an_import_has_read_is_no_change_when_a_program_gives_it(engine, vpc):
    given = {"vpcId": vpc, "cidrBlock": "10.20.9.0/24"}
    made, told = engine.create("ec2/subnet", given)
    imported = {"urn": engine.urn("ec2/subnet"), "inputs": {}, "outputs": struct({})}
    read = engine.read(made, imported)
    zone = {"availabilityZone": told["availabilityZone"]}
    for inputs, state in (
        (given, engine.state[made]["outputs"]),
        (values(read.inputs), read.properties),
    ):
        same = engine.diff("ec2/subnet", inputs, given | zone, olds=state)
        other = engine.diff("ec2/subnet", inputs, given | {"availabilityZone": "z"}, olds=state)
        assert (same.diffs, other.replaces) == ([], ["availabilityZone"])


def test_pulumi_s_own_entry_and_an_ignored_change_differ_in_nothing(engine):
    ignored = {"ignoreChanges": ["desiredCount"]}
    for answer in (
        engine.diff("iam/role", {"name": "r", "__defaults": ["name"]}, {"name": "r"}),
        engine.diff(SERVICE, {"desiredCount": 1}, {"desiredCount": 2}, **ignored),
    ):
        assert answer.changes == pb.DiffResponse.DIFF_NONE


def test_each_revision_is_read_and_deleted_by_its_arn(engine, aws):
    """The id is that of all revisions (terraform-provider-aws, task_definition.go), so the state's ARN decides."""

    def create(memory):
        inputs = definition(family="named", memory=memory)
        inputs["containerDefinitions"] = json.dumps(inputs["containerDefinitions"])
        identity, outputs = engine.create(DEFINITION, inputs)
        assert identity == "named"
        return outputs["arn"], engine.state["named"]

    revisions = dict(map(create, ("512", "1024")))
    for arn, state in revisions.items():
        assert values(engine.read("named", state).properties)["arn"] == arn
    first, second = revisions
    engine.delete("named", revisions[first])
    for arn, status in ((first, "INACTIVE"), (second, "ACTIVE")):
        found = aws.ecs.describe_task_definition(taskDefinition=arn)
        assert found.get("taskDefinition", found)["status"] == status


def test_a_vpc_has_its_ipv6_block(engine, aws):
    """awsx reads it: a missing output would be an update of each subnet in every preview."""
    made = aws.ec2.create_vpc(CidrBlock="10.7.0.0/16", AmazonProvidedIpv6CidrBlock=True)
    state = {"urn": engine.urn(VPC), "inputs": SMALL, "outputs": struct({})}
    seen = values(engine.read(made["VpcId"], state).properties)
    [held] = made["Ipv6CidrBlockAssociationSet"]
    assert seen["ipv6CidrBlock"] == held["Ipv6CidrBlock"]


def test_a_rule_gets_another_priority_where_one_was_quicker(make, monkeypatch, balancer, group):
    forward = [{"type": "forward", "targetGroupArn": group}]
    front = make("lb/listener", loadBalancerArn=balancer, port=80, defaultActions=forward)
    when = [{"pathPattern": {"values": ["/a"]}}]
    rule = {"listenerArn": front.id, "actions": forward, "conditions": when}
    make("lb/listenerRule", priority=1, **rule)
    read = iter([1, 2])
    monkeypatch.setattr(elb, "_after_all", lambda *_: next(read))
    assert make("lb/listenerRule", **rule).outputs["priority"] == 2


GIVEN, *DRIFT = recorded("drift").items()


def sdk(token):
    _, module, name = token.split(":")
    return getattr(import_module(f"pulumi_aws.{module.partition('/')[0]}"), name)


def test_a_resource_without_a_name_gets_one_where_the_sdk_asks_for_none():
    """A record of a zone is named by its program."""
    named = {each for each in KINDS if "name" in signature(sdk(each)._internal_init).parameters}
    lacking = {token for token in named if KINDS[token].autoname != "name"}
    assert lacking == {"aws:route53/record:Record"}


def unfit(made):
    """The outputs that do not have the SDK's type: Pulumi ends the program of a list in place of a map."""
    types = resource_types(sdk(made.kind.token))
    known = made.outputs.keys() & types.keys()
    return {name: value for name in known if not fits(types[name], value := made.outputs[name])}


def fits(kind, value):
    if get_origin(kind) is Union:
        return any(fits(one, value) for one in get_args(kind))
    if get_origin(kind) is collections.abc.Sequence:
        return isinstance(value, list) and all(fits(*get_args(kind), one) for one in value)
    scalar = kind if kind in (str, bool, int, float) else dict
    return type(value) in {float: (int, float)}.get(scalar, (scalar,))


def untold(made):
    """The inputs, besides those for the provider, that a program does not get which knows the id only: `Vpc.get`."""
    try:
        _, got = lifecycle.read(made.calls, made.kind, made.id, {}, {})
    except UnknownInput as refused:
        return str(refused).split()[-1:]
    given = {name: got.get(name) for name in clean(made.inputs).keys() - made.kind.ignored.keys()}
    return sorted(name for name, value in given.items() if value != made.inputs[name])


@pytest.mark.parametrize(("short", "drift"), DRIFT, ids=[short for short, _ in DRIFT])
def test_what_another_client_changed_differs_until_an_update_restores_it(request, short, drift):
    """The provider compares the program with what it has read (pulumi-terraform-bridge)."""
    story = Story(request)
    for step in GIVEN[1]:
        story.play(step)
    story.play({f"made = make {short}": drift["inputs"]})
    made = story.names["made"]
    assert not unfit(made)
    assert untold(made) == drift.get("untold", "").split()
    for call, params, inputs in drift["calls"]:
        story.play({call: params})
        assert made.drift() == inputs.split(), call
        made.restore()
        assert made.drift() == [], call


def test_a_stack_of_another_region_is_refused(engine):
    request = pb.ConfigureRequest(variables={"aws:config:region": "us-east-1"})
    with pytest.raises(Aborted) as refused:
        engine.servicer.Configure(request, engine)
    assert (
        "the local cloud runs in ap-northeast-1, and the stack's region is us-east-1. Nothing was made. Start a "
        "second local cloud beside it: LOCAL_CLOUD_HOME=FOLDER "
        f"{sys.executable} -P -m local_cloud shell --region us-east-1; or end this one"
    ) in str(refused.value)


@pytest.mark.parametrize(("operation", "inputs", "sent"), TABLES["sent"])
def test_inputs_have_the_form_that_aws_takes(calls, operation, inputs, sent):
    assert to_parameters(calls.model(*operation.split()), inputs) == (
        sent,
        inputs.keys() - {"more"},
    )


def test_an_input_that_an_operation_does_not_take_is_refused(calls):
    shape = calls.model("elbv2", "create_target_group").input_shape.members["Matcher"]
    with pytest.raises(UnknownInput, match="Matcher has no 'httpCodes2'"):
        to_shape(shape, {"httpCodes2": "200"})
    with pytest.raises(UnknownInput, match=r"ec2.create_vpc takes no shape"):
        calls.convert("ec2", "create_vpc", {**SMALL, "shape": "round"})
