"""The AWS API of the local cloud without its data plane, and short ways to call it and the stand-ins."""

import itertools
import json
import logging
from functools import partial
from pathlib import Path
from threading import Event

import pytest
import yaml
from botocore.exceptions import ClientError

from local_cloud.aws import hooks, quotas
from local_cloud.aws.ecs import records
from local_cloud.calls import Calls
from local_cloud.cloud.api import Api
from local_cloud.providers import lifecycle
from local_cloud.providers.aws import KINDS
from local_cloud.providers.kind import clean
from local_cloud.providers.servicer import differing
from tests.loaded import load

REGION, ACCOUNT = "ap-northeast-1", "123456789012"
AROUND = {"ResponseMetadata", "NextToken", "Marker", "IsTruncated", "MaxItems", "Messages"}
"""The members of an answer that are about the answer."""
counter = itertools.count(1)


@pytest.fixture(scope="session")
def calls():
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    api = Api(REGION)
    calls = Calls(api.start())
    # What ECS describes of a service is the data plane's, which is not there.
    hooking = hooks.Hooking()
    hooking.instead(
        "ecs", "CreateService", lambda given: {"service": records.create_service(given)}
    )
    hooking.instead("ecs", "UpdateService", update_service)
    load(lambda service, operation: calls(service, operation, {}))
    yield calls
    api.stop()


def update_service(params):
    ecs = hooks.backend("ecs")
    [service], _ = ecs.describe_services(params.get("cluster"), [params["service"]])
    if definition := params.get("taskDefinition"):
        service.task_definition = ecs.describe_task_definition(definition).arn
    records.keep_settings(service, params)
    return {"service": service}


class Service:
    """The operations of a service. An answer with one member is that member."""

    def __init__(self, calls, name):
        self._calls, self._name = calls, name

    def __getattr__(self, operation):
        return partial(self._call, operation)

    def _call(self, operation, **params):
        answer = self._calls(self._name, operation, params)
        members = {name: value for name, value in answer.items() if name not in AROUND}
        return next(iter(members.values())) if len(members) == 1 else members


class Aws:
    """AWS's API: ``aws.ec2.describe_vpcs(VpcIds=[…])``."""

    def __init__(self, calls):
        self._calls = calls

    def __getattr__(self, service):
        return Service(self._calls, service.replace("_", "-"))


@pytest.fixture
def aws(calls):
    return Aws(calls)


def recorded(name):
    """A table of ``recorded/``."""
    return yaml.safe_load((Path(__file__).parent / "recorded" / f"{name}.yaml").read_text())


def unique(word):
    return f"{word}-{next(counter)}"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def refused(call, code, words="", **params):
    """Call what AWS refuses with this code, in a message with these words; return the message."""
    with pytest.raises(ClientError) as problem:
        call(**params)
    error = problem.value.response["Error"]
    assert (error["Code"], words in error["Message"]) == (code, True), error
    return error["Message"]


def kind(short):
    """The stand-in of ``aws:lb/listener:Listener`` by ``lb/listener``."""
    name = short.partition("/")[2]
    return KINDS[f"aws:{short}:{name[0].upper()}{name[1:]}"]


class Made:
    """A resource that its stand-in created."""

    def __init__(self, calls, short, inputs):
        self.calls, self.kind = calls, kind(short)
        self.inputs = {**self.kind.defaults, **inputs}
        self.id, self.outputs = lifecycle.create(calls, self.kind, self.inputs, Event())
        assert self.drift() == []

    def change(self, **changes):
        """Change inputs; None takes one back. What another client changed before may still differ."""
        before = self.drift()
        news = {**self.inputs, **changes}
        news = {name: value for name, value in news.items() if value is not None}
        news = {**self.kind.defaults, **news}
        self.outputs = lifecycle.update(self.calls, self.kind, self.id, self.inputs, news)
        self.inputs = news
        assert {*self.drift()} <= {*before}

    def read(self):
        """What AWS has: the outputs."""
        found = lifecycle.read(self.calls, self.kind, self.id, self.inputs, self.outputs)
        return found and found[1]

    def current(self):
        """The inputs that a refresh finds."""
        return lifecycle.read(self.calls, self.kind, self.id, self.inputs, self.outputs)[0]

    def drift(self):
        """The inputs that a refresh finds changed."""
        return differing(clean(self.inputs), self.current())

    def restore(self):
        """Update it after a refresh."""
        now = self.current()
        lifecycle.update(self.calls, self.kind, self.id, now, self.inputs, self.outputs)

    def delete(self, *, stays=False):
        """Delete it by the stand-in; it is gone then, unless AWS keeps it."""
        lifecycle.delete(self.calls, self.kind, self.id, self.inputs)
        assert (self.read() is not None) is stays


@pytest.fixture
def make(calls):
    """Creates a resource by its stand-in: ``make("ec2/vpc", cidrBlock="10.0.0.0/16")``."""
    return lambda short, **inputs: Made(calls, short, inputs)


@pytest.fixture
def closed_vpc(aws):
    """A VPC without an internet gateway."""
    return aws.ec2.create_vpc(CidrBlock="10.20.0.0/16")["VpcId"]


@pytest.fixture
def vpc(aws, closed_vpc):
    gateway = aws.ec2.create_internet_gateway()["InternetGatewayId"]
    aws.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=closed_vpc)
    return closed_vpc


@pytest.fixture
def subnets(aws, vpc):
    """Three subnets, of which the last is in the first one's zone."""
    place = [(f"10.20.{number}.0/24", f"{REGION}{zone}") for number, zone in enumerate("aca")]
    create = aws.ec2.create_subnet
    made = [create(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone) for cidr, zone in place]
    return [subnet["SubnetId"] for subnet in made]


@pytest.fixture
def gateway(aws, vpc):
    """The VPC's internet gateway."""
    [found] = aws.ec2.describe_internet_gateways(
        Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}]
    )
    return found["InternetGatewayId"]


@pytest.fixture
def groups(aws, closed_vpc):
    """Three security groups."""
    named = [dict.fromkeys(("GroupName", "Description"), unique("group")) for _ in range(3)]
    create = aws.ec2.create_security_group
    return [create(VpcId=closed_vpc, **each)["GroupId"] for each in named]


@pytest.fixture
def balancer(aws, subnets):
    [made] = aws.elbv2.create_load_balancer(Name=unique("b"), Subnets=subnets[:2])
    return made["LoadBalancerArn"]


@pytest.fixture
def group(aws, vpc):
    """A target group."""
    checks = {"HealthCheckIntervalSeconds": 10, "HealthCheckTimeoutSeconds": 5}
    port = {"Port": 80, "Protocol": "HTTP", "TargetType": "ip"}
    [made] = aws.elbv2.create_target_group(Name=unique("g"), VpcId=vpc, **port, **checks)
    return made["TargetGroupArn"]


@pytest.fixture
def blocked_bucket(aws):
    """A bucket whose policy may not make it public."""
    name = unique("blocked")
    aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    block = {"BlockPublicPolicy": True, "BlockPublicAcls": True}
    aws.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    return name


@pytest.fixture
def web(aws, subnets):
    """A cluster whose service ``web`` has one task."""
    name = unique("cluster")
    aws.ecs.register_task_definition(**definition())
    aws.ecs.create_cluster(clusterName=name)
    network = {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": []}}
    service = {"cluster": name, "serviceName": "web", "taskDefinition": "app", "desiredCount": 1}
    aws.ecs.create_service(**service, networkConfiguration=network)
    return name


@pytest.fixture
def account_zone():
    """The id of a zone that the user's account has and the local one does not."""
    return f"Z{next(counter):012}"


@pytest.fixture
def fargate():
    """Fargate's code, with its quotas as they are in a new account."""
    quotas.install()
    yield "fargate"
    quotas.install()


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


@pytest.fixture
def rds_role(aws):
    """The service whose linked role a test makes."""
    yield "rds.amazonaws.com"
    for role in aws.iam.list_roles(PathPrefix="/aws-service-role/rds."):
        aws.iam.delete_service_linked_role(RoleName=role["RoleName"])
