"""An AWS account in memory, with a stack in it."""

from __future__ import annotations

import json
import time

import boto3
import pytest
from moto import mock_aws
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.logs.models import LogGroup

from stack.names import StackNames
from tests.support.loaded import load
from tools import waiting
from tools.aws.pace import Pace
from tools.aws.session import Session
from tools.i18n.masking import VALUES
from tools.snapshot import stack_secrets
from tools.tests import stacks as a
from tools.waiting import Waiting

REGION = "ap-northeast-1"
NAMES = StackNames("poc", "careapp")
STACK = (
    "config:\n  aws:region: ap-northeast-1\n  careapp:ecsEnabled: 'true'\n"
    "  careapp:databaseFinalSnapshot: ''\n"
)


@pytest.fixture(scope="session")
def _loaded():
    with mock_aws():
        load(lambda service, operation: getattr(client(service), operation)())


@pytest.fixture(autouse=True)
def clock_in():
    """Sets this machine's clock to a time zone, by POSIX's spelling; to UTC unless a test says more."""

    def put(zone):
        patch.setenv("TZ", zone)
        time.tzset()

    with pytest.MonkeyPatch.context() as patch:
        put("UTC")
        yield put
    time.tzset()


@pytest.fixture(autouse=True)
def _without_known_values(monkeypatch):
    """Each test begins without values of secrets that another has read."""
    monkeypatch.setattr(VALUES, "_values", frozenset())
    monkeypatch.setattr(VALUES, "_forms", ())
    monkeypatch.setattr(stack_secrets, "_READ", {})
    monkeypatch.setattr(stack_secrets, "_SAID", set())


@pytest.fixture
def folder(_loaded, tmp_path, monkeypatch):
    """A project's folder with the stack file, in which commands run."""
    (tmp_path / "Pulumi.yaml").write_text("name: careapp\n")
    (tmp_path / "Pulumi.poc.yaml").write_text(STACK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C")
    for name in ("LC_ALL", "LC_MESSAGES", "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def account(_loaded):
    """An empty account, for all tests of a file: to make one takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        patch.setattr(LogGroup, "filter_log_events", _in_order)
        patch.setattr(
            ApplicationAutoScalingResponse, "describe_scaling_activities", _none, raising=False
        )
        with mock_aws():
            yield REGION


def _none(_):
    """No scaling activities, which moto does not have."""
    return json.dumps({"ScalingActivities": []})


def _in_order(group, *given, search=LogGroup.filter_log_events):
    """All streams in one order of time, as AWS answers whatever ``interleaved`` says."""
    return search(group, *given[:-1], True)


@pytest.fixture(scope="module")
def session(account):
    return Session(account)


def client(service):
    return boto3.client(service, region_name=REGION)


def instances():
    """The names of the account's DB instances."""
    found = client("rds").describe_db_instances()["DBInstances"]
    return [each["DBInstanceIdentifier"] for each in found]


@pytest.fixture
def wait(monkeypatch):
    """Waiting that takes no time of the wall; what it says is in ``said``."""
    clock = iter(range(10**6))
    monkeypatch.setattr(waiting.time, "sleep", lambda _: None)
    said = []
    made = Waiting(said.append, Pace(), now=lambda: float(next(clock)))
    made.said = said
    return made


class Told:
    """Keeps what is told: lines that the next one replaces, lines that stay, and warnings."""

    lang = "en"

    def __init__(self):
        self.moments, self.lastings, self.warnings = [], [], []
        self.heard = lambda _line: None
        """Called with each line that the next one replaces."""

    def moment(self, text):
        self.moments.append(str(text))
        self.heard(str(text))

    def lasting(self, text):
        self.lastings.append(str(text))

    def warning(self, text):
        self.warnings.append(str(text))


@pytest.fixture
def calls(monkeypatch):
    """What is asked of AWS: (operation, parameters)."""
    asked, call, pages = [], Session.call, Session.pages

    def noted(self, service, operation, /, **params):
        asked.append((operation, params))
        return call(self, service, operation, **params)

    def noted_pages(self, service, operation, /, **params):
        asked.append((operation, params))
        return pages(self, service, operation, **params)

    monkeypatch.setattr(Session, "call", noted)
    monkeypatch.setattr(Session, "pages", noted_pages)
    return asked


class Made:
    """What a test asks of the made stack."""


@pytest.fixture(scope="module")
def stack(account):
    """A stack of both stages; its ids are attributes of the answer."""
    made = Made()
    made.session = Session(account)
    _network(made)
    _balancer(made)
    _roles(made)
    _stores(made)
    _service(made)
    return made


def _network(made):
    ec2 = client("ec2")
    made.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=made.gateway, VpcId=made.vpc)
    for index, (role, zone) in enumerate(
        (role, zone) for role in ("public", "private", "database") for zone in "ac"
    ):
        name = f"{NAMES.prefix}-{role}-{'ac'.index(zone) + 1}"
        tags = [{"ResourceType": "subnet", "Tags": [{"Key": "Name", "Value": name}]}]
        found = ec2.create_subnet(
            VpcId=made.vpc,
            CidrBlock=f"10.0.{index}.0/24",
            AvailabilityZone=f"{REGION}{zone}",
            TagSpecifications=tags,
        )["Subnet"]["SubnetId"]
        setattr(made, f"{role}_{zone}", found)
    _routes(ec2, made)
    for role in ("alb", "app", "db"):
        found = ec2.create_security_group(
            GroupName=f"{NAMES.prefix}-{role}", Description="x", VpcId=made.vpc
        )["GroupId"]
        setattr(made, role, found)


def _routes(ec2, made):
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    made.nat = ec2.create_nat_gateway(SubnetId=made.public_a, AllocationId=address)["NatGateway"][
        "NatGatewayId"
    ]
    for role, target in (
        ("public", {"GatewayId": made.gateway}),
        ("private", {"NatGatewayId": made.nat}),
    ):
        table = ec2.create_route_table(VpcId=made.vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
        for zone in "ac":
            ec2.associate_route_table(RouteTableId=table, SubnetId=getattr(made, f"{role}_{zone}"))
        setattr(made, f"{role}_table", table)


def _balancer(made):
    elb = client("elbv2")
    made.balancer = elb.create_load_balancer(
        Name=NAMES.balancer, Subnets=[made.public_a, made.public_c], SecurityGroups=[made.alb]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    made.group = elb.create_target_group(
        Name=NAMES.target_group,
        Protocol="HTTP",
        Port=80,
        VpcId=made.vpc,
        TargetType="ip",
        HealthCheckPath="/health",
        Matcher={"HttpCode": "200"},
        HealthCheckIntervalSeconds=10,
        HealthCheckTimeoutSeconds=5,
        HealthyThresholdCount=2,
        UnhealthyThresholdCount=3,
    )["TargetGroups"][0]["TargetGroupArn"]
    page = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    made.listener = elb.create_listener(
        LoadBalancerArn=made.balancer, Protocol="HTTP", Port=80, DefaultActions=[page]
    )["Listeners"][0]["ListenerArn"]
    elb.create_rule(
        ListenerArn=made.listener,
        Priority=100,
        Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": made.group}],
    )


def _roles(made):
    iam, name = client("iam"), f"{NAMES.prefix}-execution"
    trust = json.dumps({"Version": "2012-10-17", **a.TRUST})
    made.role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    made.policy = a.policy(a.allow("*", "*"))
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(made.policy))


def _stores(made):
    client("ecr").create_repository(repositoryName=NAMES.repository)
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": [{"digest": "sha256:1", "platform": {"os": "linux", "architecture": "amd64"}}],
    }
    client("ecr").put_image(
        repositoryName=NAMES.repository, imageManifest=json.dumps(manifest), imageTag="one"
    )
    made.secret = client("secretsmanager").create_secret(
        Name="database", SecretString=json.dumps({"username": "u", "password": "hidden"})
    )["ARN"]
    made.log_group = NAMES.log_group
    client("logs").create_log_group(logGroupName=made.log_group)
    rds = client("rds")
    rds.create_db_subnet_group(
        DBSubnetGroupName="database",
        DBSubnetGroupDescription="x",
        SubnetIds=[made.database_a, made.database_c],
    )
    rds.create_db_instance(
        DBInstanceIdentifier=NAMES.database,
        Engine="postgres",
        EngineVersion="17",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        DBName="careapp",
        MasterUsername="postgres",
        MasterUserPassword="throwaway1",
        DBSubnetGroupName="database",
        VpcSecurityGroupIds=[made.db],
    )


def _service(made):
    ecs = client("ecs")
    ecs.create_cluster(clusterName=NAMES.cluster)
    made.definition = ecs.register_task_definition(
        family=NAMES.family,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn=made.role,
        containerDefinitions=[
            {
                "name": NAMES.container,
                "image": f"123456789012.dkr.ecr.{REGION}.amazonaws.com/{NAMES.repository}:one",
                "portMappings": [{"containerPort": 3000}],
                "environment": [{"name": "PORT", "value": "3000"}],
                "secrets": [{"name": "DB_PASSWORD", "valueFrom": f"{made.secret}:password::"}],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": NAMES.log_group,
                        "awslogs-region": REGION,
                        "awslogs-stream-prefix": "app",
                    },
                },
            }
        ],
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(
        cluster=NAMES.cluster,
        serviceName=NAMES.service,
        taskDefinition=made.definition,
        desiredCount=1,
        launchType="FARGATE",
        healthCheckGracePeriodSeconds=60,
        loadBalancers=[
            {"targetGroupArn": made.group, "containerName": NAMES.container, "containerPort": 3000}
        ],
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": [made.private_a, made.private_c],
                "securityGroups": [made.app],
                "assignPublicIp": "DISABLED",
            }
        },
    )


@pytest.fixture
def run(folder, capsys):
    """Run a command of ops; its exit code, what it printed, and what it complained about."""
    from tools.cli import main

    assert (folder / "Pulumi.poc.yaml").exists()

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments), prog_name="./careapp")
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    return run


class Terminal:
    """A standard input at which somebody types one answer."""

    def __init__(self, answer):
        self.answer = answer

    def isatty(self):
        return True

    def readline(self, *_):
        return f"{self.answer}\n"
