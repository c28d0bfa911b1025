"""The API calls that a task role allows."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from rehearsal.aws.ecs.network import credentials
from tests.dataplane.declarations import REGION

READ = "secretsmanager:GetSecretValue"


@pytest.fixture
def task(running: Any) -> Any:
    """Return clients with the credentials of the running task."""
    (found,) = running.tasks()
    name = found["taskArn"].rpartition("/")[2]
    place, _ = running.plane._scheduler.find(name)
    keys = credentials(place)

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=running.endpoint,
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["Token"],
        )

    client.id = name  # type: ignore[attr-defined]
    return client


@pytest.fixture
def secret(running: Any) -> Any:
    arn = running.sm.create_secret(Name="database", SecretString="{}")["ARN"]
    yield arn
    running.sm.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def allow(running: Any) -> Any:
    def allow(action: str, resource: str) -> None:
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        running.iam.put_role_policy(RoleName="task", PolicyName="test", PolicyDocument=document)

    yield allow
    for name in running.iam.list_role_policies(RoleName="task")["PolicyNames"]:
        running.iam.delete_role_policy(RoleName="task", PolicyName=name)


def refused(call: Any, **params: Any) -> dict[str, str]:
    with pytest.raises(ClientError) as problem:
        call(**params)
    error: dict[str, str] = problem.value.response["Error"]
    return {"Code": error["Code"], "Message": error["Message"]}


def test_a_call_that_the_task_role_does_not_allow_is_refused_with_iam_s_message(
    running: Any, task: Any, secret: str, allow: Any
) -> None:
    allow(READ, f"{secret}-another")
    user = f"arn:aws:sts::123456789012:assumed-role/task/{task.id}"
    assert refused(task("secretsmanager").get_secret_value, SecretId="database") == {
        "Code": "AccessDeniedException",
        "Message": f"User: {user} is not authorized to perform: {READ} on resource: {secret}"
        f" because no identity-based policy allows the {READ} action",
    }
    assert refused(task("rds").describe_db_instances)["Code"] == "AccessDenied"
    assert refused(task("ec2").describe_vpcs)["Code"] == "UnauthorizedOperation"


def test_a_call_that_the_task_role_allows_is_answered(
    running: Any, task: Any, secret: str, allow: Any
) -> None:
    allow(READ, secret)
    assert task("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == "{}"
    allow("cloudwatch:PutMetricData", "*")
    task("cloudwatch").put_metric_data(Namespace="app", MetricData=[{"MetricName": "orders"}])
    assert refused(task("secretsmanager").get_secret_value, SecretId=secret)


def test_the_task_role_does_not_apply_to_other_credentials(
    running: Any, task: Any, secret: str
) -> None:
    assert running.sm.get_secret_value(SecretId=secret)["SecretString"] == "{}"
    assert task("sts").get_caller_identity()["Account"] == "123456789012"
