"""Parts of infra/ that decide something; what they declare is recorded (test_declared)."""

import asyncio
import json
import re

import pulumi
import pulumi_aws as aws
import pytest
from moto.events.models import EventPattern
from pulumi_aws.rds.outputs import InstanceMasterUserSecret

from careapp.settings.scaling import hours
from infra.container import USER
from infra.database import secret_arn_of
from infra.guards import adding_tags
from infra.listeners import NO_SERVICE
from infra.network import InternetGatewayFirst, no_public_ips, protect_subnets
from infra.notices import failed_run_pattern
from local_cloud.providers.aws import OUTPUTS
from tests.support.declared import ROOT
from tests.unit.conftest import ANSWERS, NAME

DEFINITION = "aws:ecs/taskDefinition:TaskDefinition"
DOCKERFILE = (ROOT / "webapp" / "Dockerfile").read_text()


# The network.


def through(transform, kind, name="x", **props):
    return transform(
        pulumi.ResourceTransformArgs(True, kind, name, props, pulumi.ResourceOptions())
    )


def test_no_subnet_hands_out_public_addresses_and_nothing_else_is_changed():
    subnet = {"mapPublicIpOnLaunch": True, "cidrBlock": "10.0.0.0/24"}
    changed = through(no_public_ips, "aws:ec2/subnet:Subnet", **subnet)
    assert changed.props == subnet | {"mapPublicIpOnLaunch": False}
    assert through(no_public_ips, "aws:ec2/vpc:Vpc", cidrBlock="10.0.0.0/16") is None


@pytest.mark.parametrize("protect", [True, False])
def test_vpc_and_two_zones_subnets_are_protected_and_a_third_zone_may_go(configured, protect):
    transform = protect_subnets(configured(protect=str(protect).lower()))

    def protected(kind, name):
        return through(transform, kind, name).opts.protect

    assert protected("aws:ec2/vpc:Vpc", NAME) is protect
    subnet = "aws:ec2/subnet:Subnet"
    zones = [protected(subnet, f"{NAME}-database-{number}") for number in (1, 2, 3)]
    assert zones == [protect, protect, False]
    assert protected("aws:ec2/natGateway:NatGateway", f"{NAME}-1") is False


def test_awsx_s_children_go_through_these_changes(engine, program):
    program()
    vpc = next(made for made in engine.made if (made.typ, made.name) == ("awsx:ec2:Vpc", NAME))
    names = [transform.__name__ for transform in vpc.transforms]
    assert names == ["no_public_ips", "protect", "order"]


def test_a_nat_gateway_says_what_it_waited_for_without_success(engine, monkeypatch):
    monkeypatch.setattr("infra.network.ATTACH_SECONDS", 0.01)
    made = pulumi.ResourceHookArgs(urn="urn", id="", name="careapp-poc-1", type="type")

    async def wait_for_the_one_that_never_comes():
        order = InternetGatewayFirst()
        order.begin(made)
        await order.wait(made)

    with pytest.raises(TimeoutError, match="careapp-poc-1 was not created: the internet gateway"):
        asyncio.get_event_loop().run_until_complete(wait_for_the_one_that_never_comes())


# What every resource has.


def tags_of(engine, kind, tags):
    """The tags of a resource that itself has these, in a stack with two; None where they are not touched."""
    resource = object.__new__(kind)  # one that registers itself would hang from the stack
    args = pulumi.ResourceTransformationArgs(
        resource, "", "x", {"tags": tags}, pulumi.ResourceOptions()
    )
    changed = adding_tags({"project": "careapp", "stack": "poc"})(args)
    return changed and engine.known(pulumi.Output.from_input(changed.props["tags"]))


@pytest.mark.parametrize("given", [dict, pulumi.Output.from_input])
def test_a_resource_s_own_tags_win_over_the_stack_s(engine, given):
    kept = {"project": "careapp", "stack": "mine"}
    assert tags_of(engine, aws.s3.Bucket, given({"stack": "mine"})) == kept


def test_what_has_no_tags_gets_the_stack_s_and_a_list_of_tags_is_not_touched(engine):
    assert tags_of(engine, aws.s3.Bucket, None) == {"project": "careapp", "stack": "poc"}
    assert tags_of(engine, aws.autoscaling.Group, [{"key": "a", "value": "b"}]) is None


# The load balancer, and the database.


def test_the_answer_without_ecs_fits_elb_and_names_both_commands():
    assert len(NO_SERVICE.encode()) <= 1024, "ELB's fixed response takes 1024 bytes: shorten it"
    assert "ECS is off" in NO_SERVICE
    assert "pulumi config set ecsEnabled true\npulumi up" in NO_SERVICE


@pytest.mark.parametrize("secrets", [[], [InstanceMasterUserSecret(secret_arn=None)]])
def test_a_database_without_a_secret_is_an_error_that_says_so(secrets):
    with pytest.raises(ValueError, match="RDS reports no secret"):
        secret_arn_of(secrets)


# The container.


def test_user_and_group_are_those_of_the_image_and_neither_is_root():
    [user] = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert user == USER
    assert "0" not in user.split(":")
    assert len(user.split(":")) == 2


def test_where_the_container_may_write_the_image_declares_a_volume(engine, program):
    """On Fargate a bind mount belongs to root, mode 0755, unless the image says VOLUME.

    Then it takes the folder's own mode (ECS Developer Guide, "Use bind mounts with Amazon ECS").
    """
    program(ecsEnabled="true")
    declared = re.findall(r'^VOLUME \["([^"]+)"\]', DOCKERFILE, re.MULTILINE)
    [made] = json.loads(engine.inputs(DEFINITION)["careapp-poc-app"]["containerDefinitions"])
    assert declared == [mount["containerPath"] for mount in made["mountPoints"]]


@pytest.mark.parametrize(
    ("kind", "output", "name"),
    [
        ("aws:s3/bucket:Bucket", "bucket", "UPLOADS_BUCKET"),
        ("aws:s3/bucket:Bucket", "arn", "UPLOADS_BUCKET"),
        ("aws:rds/instance:Instance", "address", "DB_HOST"),
        ("aws:ecr/repository:Repository", "arn", "repository_arn"),
    ],
)
def test_an_output_without_a_value_is_an_error_and_turns_nothing_off(
    engine, program, monkeypatch, kind, output, name
):
    monkeypatch.setitem(ANSWERS, kind, ANSWERS[kind] | {output: None})
    monkeypatch.delitem(OUTPUTS, kind)  # that of AWS, not of a stand-in, which would be named
    with pytest.raises(ValueError, match=f"no value for {name},"):
        program(ecsEnabled="true", uploadsEnabled="true")
    engine.monitor.finished += engine.unfinished()  # The program ended before these components did.


def test_an_output_that_no_stand_in_has_is_an_error(engine, program, monkeypatch):
    monkeypatch.setitem(OUTPUTS, "aws:rds/instance:Instance", ())
    with pytest.raises(NotImplementedError, match="has no output address"):
        program()
    engine.monitor.finished += engine.unfinished()


# Scaling.


@pytest.mark.parametrize(
    ("text", "days", "cron"),
    [
        ("mon-fri 08:00-20:00", "MON-FRI", "cron(0 8 ? * MON-FRI *)"),
        ("sat 00:05-23:59", "SAT", "cron(5 0 ? * SAT *)"),
        ("mon,wed,fri 09:30-18:00", "MON,WED,FRI", "cron(30 9 ? * MON,WED,FRI *)"),
        # AWS counts from Sunday: a range that ends with it would go backwards.
        ("sat-sun 10:00-18:00", "SAT,SUN", "cron(0 10 ? * SAT,SUN *)"),
    ],
)
def test_hours_are_written_as_aws_reads_them(text, days, cron):
    assert (hours(text).days, hours(text).starts) == (days, cron)


@pytest.mark.parametrize(("desired", "starts"), [("1", 2), ("3", 3), ("9", 6)])
def test_a_new_service_starts_within_the_range(configured, desired, starts):
    settings = configured(desiredCount=desired, minCount="2", maxCount="6")
    assert settings.service.desired_count == starts


# Monitoring.


def stopped(code, **changes):
    """An event of a task with one container, as ECS sends it; the code of one that did not start is None."""
    detail = {
        "lastStatus": "STOPPED",
        "group": "family:careapp-poc-job-report",
        # moto compares with one object of a list, as the local cloud gives it.
        "containers": {"name": "app"} | ({} if code is None else {"exitCode": code}),
        **changes,
    }
    return {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail}


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        (stopped(0), False),
        (stopped(1), True),
        (stopped(124), True),
        (stopped(None), True),
        (stopped(None, lastStatus="RUNNING"), False),
        (stopped(1, group="service:careapp-poc-service"), False),
        (stopped(1, containers={"name": "aws-guardduty-agent-1a", "exitCode": 137}), False),
        (stopped(1, group="family:careapp-prod-job-report"), False),
        (stopped(1) | {"detail-type": "ECS Service Action"}, False),
    ],
)
def test_a_run_that_ends_otherwise_than_with_0_is_notified(event, heard):
    pattern = json.dumps(failed_run_pattern("careapp-poc-job-"))
    assert EventPattern.load(pattern).matches_event(event) is heard
