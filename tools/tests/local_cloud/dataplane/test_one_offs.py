"""Single tasks of RunTask: their environment, their end, and the reasons for which a task cannot start."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tools.local_cloud.aws.s3 import rules
from tools.tests.local_cloud.dataplane.conftest import own_mounts
from tools.tests.local_cloud.dataplane.declarations import REGION, REPOSITORY, TRUST

SAY = "import os; print('hello from', os.environ['APP_VERSION'], os.environ['ONCE']); raise SystemExit(3)"
ALL = "import json, os; print(json.dumps(dict(os.environ)))"
SLEEP = "import time; print('sleeping', flush=True); time.sleep(600)"
READ = "secretsmanager:GetSecretValue"


def run_task(
    cloud,
    *command: str,
    container: str = "app",
    environment: Mapping[str, str] = {"ONCE": "once"},
    **change,
) -> str:
    """Start a task, by default with the service's task definition, and return its ARN."""
    variables = [{"name": name, "value": value} for name, value in environment.items()]
    override = {"name": container, "environment": variables}
    if command:
        override["command"] = list(command)
    network = {"subnets": cloud.ids["private"], "securityGroups": [cloud.ids["task-sg"]]}
    asked = {
        "cluster": "main",
        "taskDefinition": "app",
        "launchType": "FARGATE",
        "startedBy": "the-test",
        "networkConfiguration": {"awsvpcConfiguration": network},
        "overrides": {"containerOverrides": [override]},
        **change,
    }
    answer = cloud.ecs.run_task(**{key: value for key, value in asked.items() if value})
    assert answer["failures"] == []
    [task] = answer["tasks"]
    assert (task["lastStatus"], task["desiredStatus"]) == ("PROVISIONING", "RUNNING")
    assert (task["group"].split(":")[0], task["startedBy"]) == ("family", "the-test")
    return str(task["taskArn"])


def define(cloud, family: str, **change) -> str:
    """Register a task definition of its own family."""
    return str(cloud.task_definition("v9", whole={"family": family}, **change))


@pytest.fixture(scope="module")
def secret(running) -> str:
    """Return the ARN of a secret that tasks may read at their start."""
    arn = running.sm.create_secret(Name="db", SecretString='{"password":"p w/+"}')["ARN"]
    statement = {"Effect": "Allow", "Action": READ, "Resource": arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    running.iam.put_role_policy(RoleName="execution", PolicyName="more", PolicyDocument=document)
    return str(arn)


def test_a_command_runs_with_the_tasks_variables_and_its_exit_code_is_kept(running):
    before = running.messages()
    ended = running.until_task(run_task(running, "python3", "-c", SAY), "STOPPED")
    assert (ended["group"], ended["startedBy"]) == ("family:app", "the-test")
    assert ended["stopCode"] == "EssentialContainerExited"
    assert ended["stoppedReason"] == "Essential container in task exited"
    assert [each["exitCode"] for each in ended["containers"]] == [3]
    assert ended["overrides"]["containerOverrides"][0]["command"][0] == "python3"
    assert running.lines(ended["taskArn"]) == ["hello from v1 once"]
    assert running.messages() == before

    # It belongs to no service and is not replaced.
    assert ended["taskArn"] not in [each["taskArn"] for each in running.stopped()]
    by = {"cluster": "main", "startedBy": "the-test"}
    assert running.ecs.list_tasks(**by)["taskArns"] == []
    assert ended["taskArn"] in running.ecs.list_tasks(**by, desiredStatus="STOPPED")["taskArns"]
    assert len(running.placements()) == 1


def test_a_task_gets_exactly_its_declared_environment_and_the_platforms(running, secret):
    passwords = [{"name": "DB_PASSWORD", "valueFrom": f"{secret}:password::"}]
    definition = define(running, "env", environment={"EXTRA": "x y"}, secrets=passwords)
    arn = run_task(running, "python3", "-c", ALL, taskDefinition=definition)
    running.until_task(arn, "STOPPED")
    got, task = json.loads(running.lines(arn)[0]), arn.rpartition("/")[2]

    base = "http://169.254.170.2:51679"
    python = "/usr/local/bin" if own_mounts() else str(next(iter(running.images.values())).python)
    assert got.pop("PATH").split(":")[0] == python
    if not own_mounts():
        assert got.pop("PGHOSTADDR") == "169.254.170.2"
        assert got.pop("TMPDIR").endswith(f"task-{task}")
        got["HOME"] = "/"
    got.pop("LC_CTYPE", None)
    assert got == {
        "PYTHONUNBUFFERED": "1",
        "HOME": "/",
        "PORT": "3000",
        "APP_VERSION": "v9",
        "EXTRA": "x y",
        "ONCE": "once",
        "DB_PASSWORD": "p w/+",
        "AWS_REGION": "ap-northeast-1",
        "AWS_DEFAULT_REGION": "ap-northeast-1",
        "AWS_ENDPOINT_URL": "http://169.254.170.2:51680",
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{base}/credentials/{task}",
        "ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/{task}",
    }


ENTRY = "import sys, time; print('entry', *sys.argv[1:], flush=True); time.sleep(600)"


def test_a_command_keeps_the_image_s_entry_point_and_a_health_check_runs_without_it(running):
    [image] = running.images.values()
    entry_point = ("python3", "-c", ENTRY)
    running.images[f"{REPOSITORY}:entry"] = replace(image, entry_point=entry_point)
    check = {"command": ["CMD", "true"], "interval": 5}
    definition = define(running, "entry", image=f"{REPOSITORY}:entry", healthCheck=check)
    arn = run_task(running, "report", "all", taskDefinition=definition)
    running.until(lambda: running.task(arn)["healthStatus"] == "HEALTHY", what="its check")
    assert running.lines(arn) == ["entry report all"]
    running.ecs.stop_task(cluster="main", task=arn)
    running.until_task(arn, "STOPPED")
    del running.images[f"{REPOSITORY}:entry"]


S3 = """
import boto3
s3 = boto3.client("s3")
print(s3.get_object(Bucket="app-uploads", Key="app/one")["Body"].read().decode())
s3.put_object(Bucket="app-uploads", Key="secret/one", Body=b"two")
"""


def test_a_task_reads_what_its_role_allows_in_s3_and_is_refused_the_rest(running):
    rules.install()
    s3 = running.client("s3")
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="app-uploads", CreateBucketConfiguration=place)
    s3.put_object(Bucket="app-uploads", Key="app/one", Body=b"one")
    own = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::app-uploads/app/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [own]})
    running.iam.put_role_policy(RoleName="task", PolicyName="s3", PolicyDocument=document)
    arn = run_task(running, "python3", "-c", S3)
    running.until_task(arn, "STOPPED")
    first, *_, last = running.lines(arn)
    running.iam.delete_role_policy(RoleName="task", PolicyName="s3")
    user = f"arn:aws:sts::123456789012:assumed-role/task/{arn.rpartition('/')[2]}"
    assert (first, last.partition(": ")[2]) == (
        "one",
        "An error occurred (AccessDenied) when calling the PutObject"
        f" operation: User: {user} is not authorized to perform: s3:PutObject on resource:"
        ' "arn:aws:s3:::app-uploads/secret/one" because no identity-based policy allows the'
        " s3:PutObject action",
    )


def test_it_is_stopped_by_stop_task_with_the_reason_that_was_given(running):
    arn = run_task(running, "python3", "-c", SLEEP)
    running.until_task(arn, "RUNNING")
    running.until(lambda: running.lines(arn) == ["sleeping"], what="the command to begin")
    running.ecs.stop_task(cluster="main", task=arn, reason="Ctrl-C")
    ended = running.until_task(arn, "STOPPED")
    assert (ended["stopCode"], ended["stoppedReason"]) == ("UserInitiated", "Ctrl-C")
    assert [each["exitCode"] for each in ended["containers"]] == [143]


def test_a_task_that_ignores_sigterm_is_killed_with_137(running):
    definition = define(running, "stubborn", environment={"STUBBORN": "1"}, stopTimeout=10)
    arn = run_task(running, taskDefinition=definition)
    running.until_task(arn, "RUNNING")
    running.until(lambda: running.lines(arn) == ["listening"], what="the app")
    running.ecs.stop_task(cluster="main", task=arn)
    assert running.until_task(arn, "STOPPED")["containers"][0]["exitCode"] == 137


@pytest.mark.parametrize(("number", "code"), [(signal.SIGSEGV, 139), (signal.SIGTERM, 143)])
def test_a_signal_that_ends_the_process_ends_in_128_and_its_number(running, number, code):
    """ECS did not request the end, so that to ECS the container ended on its own, even after SIGTERM."""
    arn = run_task(running, environment={"PLAIN": "1"})
    task = running.until_task(arn, "RUNNING")
    running.until(lambda: running.lines(arn) == ["listening"], what="the app")
    os.kill(int(task["containers"][0]["runtimeId"].rpartition("-")[2]), number)
    over = running.until_task(arn, "STOPPED")
    assert (over["stopCode"], over["stoppedReason"], over["containers"][0]["exitCode"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
        code,
    )


RETRIEVAL = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource"
    " retrieval failed: "
)
SECRET_FAILED = (
    f"{RETRIEVAL}unable to retrieve secret from asm: service call has been retried 1 time(s)"
)
REASONS = {
    "a secret without the key": f"{SECRET_FAILED}: retrieved secret from Secrets Manager did not"
    " contain json key pasword",
    "a secret that the execution role may not read": f"{SECRET_FAILED}: failed to fetch secret"
    " FORBIDDEN from secrets manager: operation error Secrets Manager: GetSecretValue, https"
    " response error StatusCode: 400, RequestID: UUID, api error AccessDeniedException: User:"
    " arn:aws:sts::123456789012:assumed-role/execution/TASK is not authorized to perform:"
    " secretsmanager:GetSecretValue on resource: FORBIDDEN because no identity-based policy allows"
    " the secretsmanager:GetSecretValue action",
    "no route out of the subnet": f"{RETRIEVAL}unable to retrieve ecr registry auth: service call"
    " has been retried 3 time(s): RequestError: send request failed caused by: Post"
    ' "https://api.ecr.ap-northeast-1.amazonaws.com/": dial tcp 198.18.0.1:443: i/o timeout.'
    " Please check your task network configuration.",
    "an image that was never pushed": "CannotPullContainerError: pull image manifest has been"
    f" retried 1 time(s): failed to resolve ref {REPOSITORY}:none: {REPOSITORY}:none: not found",
    "an image for another architecture": "CannotPullContainerError: pull image manifest has been"
    " retried 7 time(s): image Manifest does not contain descriptor matching platform"
    " 'linux/amd64'",
    "no log group": "ResourceInitializationError: failed to validate logger args: create stream has"
    " been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The"
    " specified log group does not exist. : exit status 1",
    "no such program": "CannotStartContainerError: failed to create containerd task: failed to"
    " create shim task: OCI runtime create failed: runc create failed: unable to start container"
    ' process: exec: "no-such-program": executable file not found in $PATH: unknown',
}


@pytest.fixture(scope="module")
def not_started(running, secret: str) -> dict[str, dict[str, Any]]:
    """Start a task for each reason, all at once, and return them as they have stopped."""
    forbidden = running.sm.create_secret(Name="other", SecretString='{"password":"x"}')["ARN"]
    [image] = running.images.values()
    running.images[f"{REPOSITORY}:arm"] = replace(image, platform="linux/arm64")
    log = {"awslogs-group": "/none", "awslogs-region": REGION, "awslogs-stream-prefix": "x"}
    wrong: list[dict[str, Any]] = [
        {"secrets": [{"name": "DB_PASSWORD", "valueFrom": f"{secret}:pasword::"}]},
        {"secrets": [{"name": "DB_PASSWORD", "valueFrom": f"{forbidden}:password::"}]},
        {},
        {"image": f"{REPOSITORY}:none"},
        {"image": f"{REPOSITORY}:arm"},
        {"logConfiguration": {"logDriver": "awslogs", "options": log}},
        {"command": ["no-such-program"]},
    ]
    subnet = running.ids["private"][1]
    route = {"RouteTableId": running.ids["tables"][subnet], "DestinationCidrBlock": "0.0.0.0/0"}
    running.ec2.delete_route(**route)
    arns = {}
    for (name, _), change in zip(REASONS.items(), wrong, strict=True):
        subnets = [running.ids["private"][0 if change else 1]]
        network = {"subnets": subnets, "securityGroups": [running.ids["task-sg"]]}
        arns[name] = run_task(
            running,
            taskDefinition=define(running, "wrong", **change),
            networkConfiguration={"awsvpcConfiguration": network},
        )
    found = {name: running.until_task(arn, "STOPPED") for name, arn in arns.items()}
    running.ec2.create_route(**route, NatGatewayId=running.ids["nat"])
    for task in found.values():
        said = task["stoppedReason"].replace(forbidden, "FORBIDDEN")
        said = said.replace(task["taskArn"].rpartition("/")[2], "TASK")
        task["stoppedReason"] = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", said)
    return found


@pytest.mark.parametrize("name", REASONS)
def test_a_task_that_cannot_start_stops_in_aws_own_words(not_started, name):
    task = not_started[name]
    assert (task["stopCode"], task["stoppedReason"]) == ("TaskFailedToStart", REASONS[name])
    assert "exitCode" not in task["containers"][0]


@pytest.mark.parametrize("name", ["execution", "task"])
def test_a_task_starts_only_with_roles_that_ecs_may_assume(running, name):
    lambdas = TRUST.replace("ecs-tasks.amazonaws.com", "lambda.amazonaws.com")
    assert lambdas != TRUST
    running.iam.update_assume_role_policy(RoleName=name, PolicyDocument=lambdas)
    try:
        task = running.until_task(run_task(running, "true"), "STOPPED")
    finally:
        running.iam.update_assume_role_policy(RoleName=name, PolicyDocument=TRUST)
    begin = f"ECS was unable to assume the role '{running.ids[f'{name}-role']}' that was provided"
    assert (task["stopCode"], task["stoppedReason"][: len(begin)]) == ("TaskFailedToStart", begin)


def test_without_the_vpcs_dns_a_task_does_not_find_the_registry(running):
    vpc = {"VpcId": running.ids["vpc"]}
    running.ec2.modify_vpc_attribute(**vpc, EnableDnsSupport={"Value": False})
    try:
        task = running.until_task(run_task(running, "true"), "STOPPED")
    finally:
        running.ec2.modify_vpc_attribute(**vpc, EnableDnsSupport={"Value": True})
    asked = (
        r"Post \"https://(?P<host>api\.ecr\.ap-northeast-1\.amazonaws\.com)/\": dial tcp: lookup (?P=host)"
        r" on 10\.0\.0\.2:53: read udp 10\.0\.\d+\.\d+:\d+->10\.0\.0\.2:53: i/o timeout\. Please check"
    )
    assert re.search(asked, task["stoppedReason"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"container": "web"}, "Override for container named web is not a container in the"),
        ({"networkConfiguration": None}, "Network Configuration must be provided when"),
    ],
    ids=["another container", "no network"],
)
def test_run_task_refuses_the_same_as_ecs(running, change, words):
    with pytest.raises(ClientError, match=f"InvalidParameterException.*{words}"):
        run_task(running, "true", **change)
