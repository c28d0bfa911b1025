"""An AWS account in memory with a service that nobody's convention has named."""

import functools
import json
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws
from moto.ecs.responses import EC2ContainerServiceResponse

from ecs_gate.aws.session import Session
from ecs_gate.parts import stack_secrets
from ecs_gate.text.masking import VALUES

REGION, ACCOUNT = "eu-west-1", "123456789012"
PULLED = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/goods/storefront:7"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
EVERYTHING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)
CHECK = {
    "HealthCheckPath": "/alive",
    "Matcher": {"HttpCode": "204"},
    "HealthCheckIntervalSeconds": 10,
    "HealthyThresholdCount": 2,
}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
    "manifests": [{"digest": "sha256:1", "platform": {"os": "linux", "architecture": "amd64"}}],
}


@functools.cache
def client(service):
    return boto3.client(service, region_name=REGION)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C")
    monkeypatch.setattr(VALUES, "_values", frozenset())
    monkeypatch.setattr(VALUES, "_forms", ())
    monkeypatch.setattr(stack_secrets, "_READ", {})


@pytest.fixture(scope="module")
def account():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        patch.setattr(EC2ContainerServiceResponse, "list_service_deployments", _none, raising=False)
        with mock_aws():
            yield REGION


def _none(_):
    """No service deployments, which moto does not have."""
    return json.dumps({"serviceDeployments": []})


@pytest.fixture(scope="module")
def shop(account):
    """A service `web` of a cluster `goods`, behind a shared load balancer with HTTPS, with a database and a secret."""
    made = SimpleNamespace()
    network(made)
    balancer(made)
    inputs(made)
    service(made)
    return made


def network(made):
    ec2 = client("ec2")
    made.vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=made.vpc)
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [made.vpc]}])
    made.table = table["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=made.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    made.subnets = [
        ec2.create_subnet(
            VpcId=made.vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    named = {"Description": "x", "VpcId": made.vpc}
    made.public, made.tasks = (
        ec2.create_security_group(GroupName=name, **named)["GroupId"] for name in ("edge", "inner")
    )
    for group, port in ((made.public, 443), (made.tasks, 8000), (made.tasks, 5432)):
        everybody = [{"CidrIp": "0.0.0.0/0"}]
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": everybody}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])


def balancer(made):
    elb = client("elbv2")
    created = elb.create_load_balancer(
        Name="shared-edge", Subnets=made.subnets, SecurityGroups=[made.public]
    )["LoadBalancers"][0]
    made.balancer, made.dns = created["LoadBalancerArn"], created["DNSName"]
    made.group, made.other = (
        elb.create_target_group(
            Name=name, Protocol="HTTP", Port=8000, VpcId=made.vpc, TargetType="ip", **CHECK
        )["TargetGroups"][0]["TargetGroupArn"]
        for name in ("k8s-a1b2c3", "somebody-else")
    )
    certificate = client("acm").request_certificate(DomainName="goods.example")
    made.certificate = certificate["CertificateArn"]
    closed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    made.listener = elb.create_listener(
        LoadBalancerArn=made.balancer,
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": made.certificate}],
        DefaultActions=[closed],
    )["Listeners"][0]["ListenerArn"]
    for priority, host, group in (
        (5, "other.example", made.other),
        (9, "shop.example", made.group),
    ):
        made.rule = elb.create_rule(
            ListenerArn=made.listener,
            Priority=priority,
            Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": [host]}}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )["Rules"][0]["RuleArn"]


def inputs(made):
    client("ecr").create_repository(repositoryName="goods/storefront")
    client("ecr").put_image(
        repositoryName="goods/storefront", imageManifest=json.dumps(MANIFEST), imageTag="7"
    )
    client("logs").create_log_group(logGroupName="/apps/storefront")
    iam = client("iam")
    made.role = iam.create_role(RoleName="puller", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    iam.put_role_policy(RoleName="puller", PolicyName="all", PolicyDocument=EVERYTHING)
    made.secret = client("secretsmanager").create_secret(
        Name="pepper", SecretString="a-long-secret-value"
    )["ARN"]
    rds = client("rds")
    rds.create_db_subnet_group(
        DBSubnetGroupName="data", DBSubnetGroupDescription="x", SubnetIds=made.subnets
    )
    made.databases = [
        rds.create_db_instance(
            DBInstanceIdentifier=name,
            Engine="postgres",
            DBInstanceClass="db.t4g.micro",
            AllocatedStorage=20,
            MasterUsername="root",
            MasterUserPassword="throwaway1",
            DBSubnetGroupName="data",
            VpcSecurityGroupIds=[made.tasks],
        )["DBInstance"]["Endpoint"]["Address"]
        for name in ("ledger", "orders")
    ]


def definition(made, **changed):
    """A task definition; its first container is a sidecar that opens a port, too."""
    proxy = {"name": "proxy", "image": "envoy:1", "portMappings": [{"containerPort": 9901}]}
    app = {
        "name": "storefront",
        "image": PULLED,
        "portMappings": [{"containerPort": 8000}],
        "environment": [
            {"name": "ORDERS_URL", "value": f"postgresql://shop@{made.databases[1]}:5432/shop"}
        ],
        "secrets": [{"name": "PEPPER", "valueFrom": made.secret}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                **{"awslogs-group": "/apps/storefront", "awslogs-region": REGION},
                "awslogs-stream-prefix": "web",
            },
        },
    }
    whole = {
        **{"family": "storefront", "requiresCompatibilities": ["FARGATE"], "cpu": "256"},
        **{"networkMode": "awsvpc", "memory": "512", "executionRoleArn": made.role},
        "containerDefinitions": [proxy, {**app, **changed.pop("app", {})}],
        **changed,
    }
    answer = client("ecs").register_task_definition(**whole)
    return answer["taskDefinition"]["taskDefinitionArn"]


def service(made):
    client("ecs").create_cluster(clusterName="goods")
    made.definition = definition(made)
    client("ecs").create_service(
        cluster="goods",
        serviceName="web",
        taskDefinition=made.definition,
        desiredCount=1,
        launchType="FARGATE",
        loadBalancers=[
            {
                "targetGroupArn": made.group,
                "containerName": "storefront",
                "containerPort": 8000,
            }
        ],
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": made.subnets,
                "securityGroups": [made.tasks],
                "assignPublicIp": "ENABLED",
            }
        },
    )


@pytest.fixture
def session(account):
    return Session(account)


@pytest.fixture
def calls(monkeypatch):
    """What is asked of the account; what ``calls.answers`` has is answered in its place, an exception raised."""
    made, call, pages = Calls(), Session.call, Session.pages

    def called(self, service, operation, /, **params):
        made.append((service, operation))
        if (answer := made.answers.get(operation)) is not None:
            return made.answer(answer, call(self, service, operation, **params))
        return call(self, service, operation, **params)

    def paged(self, service, operation, /, **params):
        made.append((service, operation))
        if (answer := made.answers.get(operation)) is not None:
            return iter(
                [made.answer(answer, next(iter(pages(self, service, operation, **params))))]
            )
        return pages(self, service, operation, **params)

    monkeypatch.setattr(Session, "call", called)
    monkeypatch.setattr(Session, "pages", paged)
    return made


class Calls(list):
    """Services and operations."""

    def __init__(self):
        super().__init__()
        self.answers = {}

    @staticmethod
    def answer(answer, real):
        if isinstance(answer, Exception):
            raise answer
        return answer(real)
