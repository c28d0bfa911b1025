"""The life cycle of one task: start, stop, and refusal by Fargate's quota."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from dataclasses import replace
from typing import Any

import pytest

from ops.aws.session import Session
from ops.snapshot import cloudwatch
from ops.snapshot.cloudwatch import Quota
from rehearsal.aws import quotas
from stack.names import StackNames

SECRET_FAILED = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource"
    " retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s)"
)


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def grant(cloud: Any, action: str, resource: str) -> None:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    cloud.iam.put_role_policy(
        RoleName="execution",
        PolicyName="more",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def first_stopped(cloud: Any) -> Any:
    def ask() -> Any:
        over = [task for task in cloud.stopped() if task["lastStatus"] == "STOPPED"]
        return over[0] if over else None

    return cloud.until(ask, what="a stopped task")


def reason_of(cloud: Any, **definition: Any) -> tuple[str, str]:
    cloud.service(cloud.task_definition(**definition))
    task = first_stopped(cloud)
    return task["stopCode"], task["stoppedReason"]


def test_a_task_gets_exactly_its_declared_environment_and_the_platforms(cloud: Any) -> None:
    cloud.everything()
    secret = cloud.sm.create_secret(Name="db", SecretString='{"password":"p w/+"}')["ARN"]
    grant(cloud, "secretsmanager:GetSecretValue", secret)
    cloud.service(
        cloud.task_definition(
            "v9",
            environment={"EXTRA": "x y"},
            secrets=[{"name": "DB_PASSWORD", "valueFrom": f"{secret}:password::"}],
        )
    )
    cloud.rolled_out()

    got = json.loads(fetch(f"{cloud.url()}/env"))["env"]

    (task,) = cloud.plane.describe()["tasks"]
    base = "http://169.254.170.2:51679"
    assert got.pop("PATH").split(":")[0] == str(next(iter(cloud.images.values())).python)
    home = got.pop("HOME")
    assert home == got.pop("TMPDIR")
    assert home.endswith(f"task-{task['id']}")
    got.pop("LC_CTYPE", None)
    assert got == {
        "PYTHONUNBUFFERED": "1",
        "PORT": "3000",
        "APP_VERSION": "v9",
        "EXTRA": "x y",
        "DB_PASSWORD": "p w/+",
        "AWS_REGION": "ap-northeast-1",
        "AWS_DEFAULT_REGION": "ap-northeast-1",
        "AWS_ENDPOINT_URL": "http://169.254.170.2:51680",
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{base}/credentials/{task['id']}",
        "ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/{task['id']}",
        "PGHOSTADDR": "169.254.170.2",
    }


def test_a_task_that_ignores_sigterm_is_killed_with_137(cloud: Any) -> None:
    cloud.everything()
    cloud.service(cloud.task_definition(environment={"STUBBORN": "1"}, stopTimeout=10))
    cloud.rolled_out()
    (task,) = cloud.tasks()
    cloud.ecs.update_service(cluster="main", service="web", desiredCount=0)
    over = first_stopped(cloud)
    assert over["taskArn"] == task["taskArn"]
    assert over["containers"][0]["exitCode"] == 137


@pytest.mark.parametrize(("number", "code"), [(signal.SIGSEGV, 139), (signal.SIGTERM, 143)])
def test_a_signal_that_ends_the_process_ends_in_128_and_its_number(
    cloud: Any, number: int, code: int
) -> None:
    """ECS did not request the end, so that to ECS the container ended on its own, even after SIGTERM."""
    cloud.everything()
    cloud.service(cloud.task_definition(environment={"PLAIN": "1"}))
    cloud.rolled_out()
    (task,) = cloud.tasks()
    os.kill(int(task["containers"][0]["runtimeId"].rpartition("-")[2]), number)
    over = first_stopped(cloud)
    assert (over["taskArn"], over["stopCode"], over["stoppedReason"]) == (
        task["taskArn"],
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert over["containers"][0]["exitCode"] == code


def test_a_secret_without_the_key_stops_the_task_in_aws_words(cloud: Any) -> None:
    cloud.everything()
    secret = cloud.sm.create_secret(Name="db", SecretString='{"password":"x"}')["ARN"]
    grant(cloud, "secretsmanager:GetSecretValue", secret)
    wanted = [{"name": "DB_PASSWORD", "valueFrom": f"{secret}:pasword::"}]
    assert reason_of(cloud, secrets=wanted) == (
        "TaskFailedToStart",
        f"{SECRET_FAILED}: retrieved secret from Secrets Manager did not contain json key pasword",
    )


def test_a_secret_that_the_execution_role_may_not_read_stops_the_task(cloud: Any) -> None:
    cloud.everything()
    secret = cloud.sm.create_secret(Name="db", SecretString='{"password":"x"}')["ARN"]
    wanted = [{"name": "DB_PASSWORD", "valueFrom": f"{secret}:password::"}]
    code, reason = reason_of(cloud, secrets=wanted)
    assert code == "TaskFailedToStart"
    assert reason.startswith(f"{SECRET_FAILED}: failed to fetch secret {secret} from secrets")
    assert reason.endswith(
        f"is not authorized to perform: secretsmanager:GetSecretValue on resource: {secret}"
        " because no identity-based policy allows the secretsmanager:GetSecretValue action"
    )


def test_without_a_route_out_of_the_subnet_the_registry_times_out(cloud: Any) -> None:
    cloud.everything()
    for subnet in cloud.ids["private"]:
        cloud.ec2.delete_route(
            RouteTableId=cloud.ids["tables"][subnet], DestinationCidrBlock="0.0.0.0/0"
        )
    assert reason_of(cloud) == (
        "TaskFailedToStart",
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource"
        " retrieval failed: unable to retrieve ecr registry auth: service call has been retried"
        " 3 time(s): RequestError: send request failed caused by: Post"
        ' "https://api.ecr.ap-northeast-1.amazonaws.com/": dial tcp 198.18.0.1:443: i/o timeout.'
        " Please check your task network configuration.",
    )


def test_an_image_that_was_never_pushed_cannot_be_pulled(cloud: Any) -> None:
    cloud.everything()
    reference = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/hello:none"
    assert reason_of(cloud, image=reference) == (
        "TaskFailedToStart",
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to"
        f" resolve ref {reference}: {reference}: not found",
    )


def test_an_image_for_another_architecture_cannot_be_pulled(cloud: Any) -> None:
    cloud.everything()
    for name, image in list(cloud.images.items()):
        cloud.images[name] = replace(image, platform="linux/arm64")
    assert reason_of(cloud) == (
        "TaskFailedToStart",
        "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest"
        " does not contain descriptor matching platform 'linux/amd64'",
    )


def test_a_missing_log_group_stops_the_task_in_aws_words(cloud: Any) -> None:
    cloud.everything()
    cloud.logs.delete_log_group(logGroupName="/ecs/app")
    assert reason_of(cloud) == (
        "TaskFailedToStart",
        "ResourceInitializationError: failed to validate logger args: create stream has been"
        " retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The"
        " specified log group does not exist. : exit status 1",
    )


OTHER = StackNames.of("poc")


class Own(StackNames):
    """Return the names in the fixture's stack."""

    cluster, service = "main", "web"


class Namesake(StackNames):
    """A service of the same name in another cluster."""

    cluster, service = "another", "web"


OWN, NAMESAKE = Own.of("poc"), Namesake.of("poc")


@pytest.fixture
def session(running: Any, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
    quotas.install()
    return Session("ap-northeast-1")


def test_tasks_of_other_services_count_and_the_service_s_own_do_not(session: Session) -> None:
    assert cloudwatch.quota(session, OTHER, spot=False) == Quota(limit=6.0, elsewhere=0.25)
    assert cloudwatch.quota(session, OWN, spot=False) == Quota(limit=6.0, elsewhere=0)
    assert cloudwatch.quota(session, NAMESAKE, spot=False).elsewhere == 0.25


def test_spot_has_a_quota_of_its_own(session: Session) -> None:
    assert cloudwatch.quota(session, OTHER, spot=True) == Quota(
        limit=6.0, elsewhere=0, code="L-36FBB829"
    )
