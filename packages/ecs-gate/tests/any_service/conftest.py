"""An AWS account in memory with a service that nobody's convention has named."""

import functools
import json
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws
from moto.ecs.responses import EC2ContainerServiceResponse

from ecs_gate.aws.session import Session
from tests.calls import MANIFEST, calls, make, nothing, without_known_values  # noqa: F401 - fixtures

REGION, ACCOUNT = "eu-west-1", "123456789012"
PULLED = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/goods/storefront:7"
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@functools.cache
def client(service):
    return boto3.client(service, region_name=REGION)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C")


@pytest.fixture(scope="module")
def account():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        patch.setattr(
            EC2ContainerServiceResponse, "list_service_deployments", nothing, raising=False
        )
        with mock_aws():
            yield REGION


@pytest.fixture(scope="module")
def shop(account):
    """A service `web` of a cluster `goods`, behind a shared load balancer with HTTPS, with a database and a secret."""
    trust, everything = (
        json.dumps({"Version": "2012-10-17", "Statement": [each]}) for each in (TRUST, EVERYTHING)
    )
    made = SimpleNamespace(trust=trust, everything=everything, manifest=json.dumps(MANIFEST))
    make(client, Path(__file__).with_name("shop.json"), made)
    made.definition = definition(made)
    service(made)
    return made


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


def changed(**how):
    """An answer of DescribeServices with other fields."""

    def answer(asked):
        real = client("ecs").describe_services(**asked)
        real["services"][0].update(how)
        return real

    return answer
