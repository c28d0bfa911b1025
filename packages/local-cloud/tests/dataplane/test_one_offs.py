"""Single tasks of RunTask: their environment, their end, and the reasons for which a task cannot start."""

import json
import os
import re
import signal
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local_cloud.aws.ecs import launch_rate
from local_cloud.aws.ecs.containers import OUT_OF_MEMORY
from tests.dataplane.conftest import own_mounts
from tests.dataplane.declarations import (
    REGION,
    REPOSITORY,
    TRUST,
    policy,
    statement,
    trust,
)
from tests.dataplane.stack import changed, refusal

SAY = "import os; print('hello from', os.environ['APP_VERSION'], os.environ['ONCE']); raise SystemExit(3)"
ALL = "import json, os; print(json.dumps(dict(os.environ)))"


def run_task(cloud, *command: str, container: str = "app", **change) -> str:
    """Start a task, by default with the service's task definition, and return its ARN."""
    environment = change.pop("environment", {"ONCE": "once"})
    variables = [{"name": name, "value": value} for name, value in environment.items()]
    override = {"name": container, "environment": variables}
    if command:
        override["command"] = list(command)
    asked = cloud.declared("task", overrides={"containerOverrides": [override]}, **change)
    answer = cloud.ecs.run_task(**{key: value for key, value in asked.items() if value})
    assert answer["failures"] == []
    [task] = answer["tasks"]
    assert (task["lastStatus"], task["desiredStatus"]) == ("PROVISIONING", "RUNNING")
    assert (task["group"].split(":")[0], task["startedBy"]) == ("family", "the-test")
    return str(task["taskArn"])


def ended(cloud, *command: str, **change) -> dict[str, Any]:
    return cloud.until_task(run_task(cloud, *command, **change), "STOPPED")


def end(task: dict[str, Any]) -> tuple[str, str, int | None]:
    """Return the stop code, the reason, and the exit code of the only container."""
    [container] = task["containers"]
    return task["stopCode"], task["stoppedReason"], container.get("exitCode")


def define(cloud, family: str, **change) -> str:
    return str(cloud.task_definition("v9", whole={"family": family}, **change))


@pytest.fixture(scope="module")
def secret(running) -> str:
    """Return the ARN of a secret that tasks may read at their start."""
    arn = running.sm.create_secret(Name="db", SecretString='{"password":"p w/+"}')["ARN"]
    running.grant("execution", policy(statement("secretsmanager:GetSecretValue", arn)))
    return str(arn)


OVER = ("EssentialContainerExited", "Essential container in task exited")


def test_command_runs_with_the_task_s_variables_and_keeps_its_exit_code(running):
    before = running.messages()
    task = ended(running, "python3", "-c", SAY)
    assert (task["group"], task["startedBy"]) == ("family:app", "the-test")
    assert end(task) == (*OVER, 3)
    assert task["overrides"]["containerOverrides"][0]["command"][0] == "python3"
    assert running.lines(task["taskArn"]) == ["hello from v1 once"]
    assert running.messages() == before

    # It belongs to no service and is not replaced.
    assert task["taskArn"] not in [each["taskArn"] for each in running.stopped()]
    by = {"cluster": "main", "startedBy": "the-test"}
    assert running.ecs.list_tasks(**by)["taskArns"] == []
    assert task["taskArn"] in running.ecs.list_tasks(**by, desiredStatus="STOPPED")["taskArns"]
    assert len(running.placements()) == 1


def test_environment_is_what_is_declared_and_the_platform_s(running, secret):
    passwords = [{"name": "DB_PASSWORD", "valueFrom": f"{secret}:password::"}]
    definition = define(running, "env", environment={"EXTRA": "x y"}, secrets=passwords)
    arn = ended(running, "python3", "-c", ALL, taskDefinition=definition)["taskArn"]
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
        **{"PYTHONUNBUFFERED": "1", "HOME": "/", "PORT": "3000", "APP_VERSION": "v9"},
        **{"EXTRA": "x y", "ONCE": "once", "DB_PASSWORD": "p w/+"},
        **dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), "ap-northeast-1"),
        "AWS_ENDPOINT_URL": "http://169.254.170.2:51680",
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{base}/credentials/{task}",
        "ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/{task}",
    }


S3 = """
import boto3
s3 = boto3.client("s3")
print(s3.get_object(Bucket="app-uploads", Key="app/one")["Body"].read().decode())
s3.put_object(Bucket="app-uploads", Key="secret/one", Body=b"two")
"""


def test_s3_gives_a_task_what_its_role_allows(running):
    s3 = running.client("s3")
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="app-uploads", CreateBucketConfiguration=place)
    s3.put_object(Bucket="app-uploads", Key="app/one", Body=b"one")
    running.grant("task", policy(statement("s3:*", "arn:aws:s3:::app-uploads/app/*")))
    arn = ended(running, "python3", "-c", S3)["taskArn"]
    first, *_, last = running.lines(arn)
    running.iam.delete_role_policy(RoleName="task", PolicyName="test")
    assert first == "one"
    assert "(AccessDenied) when calling the PutObject operation: User: " in last
    assert f"assumed-role/task/{arn.rpartition('/')[2]} is not authorized" in last
    assert 'on resource: "arn:aws:s3:::app-uploads/secret/one" because no identity-based' in last


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read on Linux")
def test_memory_beyond_the_declared_ends_in_137_with_the_reason(running):
    task = ended(running, "python3", "-c", "import time; held = b'x' * (600 << 20); time.sleep(60)")
    assert end(task) == (*OVER, 137)
    assert task["containers"][0]["reason"] == OUT_OF_MEMORY


def test_task_that_ignores_sigterm_is_killed_with_137(running):
    definition = define(running, "stubborn", environment={"STUBBORN": "1"}, stopTimeout=2)
    arn = run_task(running, taskDefinition=definition)
    running.until_task(arn, "RUNNING")
    running.until_line(arn, "listening")
    running.stop_task(arn)
    assert end(running.until_task(arn, "STOPPED"))[2] == 137


@pytest.mark.parametrize(("number", "code"), [(signal.SIGSEGV, 139), (signal.SIGTERM, 143)])
def test_exit_code_after_a_signal_is_128_and_its_number(running, number, code):
    """ECS did not request the end, so that to ECS the container ended on its own, even after SIGTERM."""
    arn = run_task(running, environment={"PLAIN": "1"})
    task = running.until_task(arn, "RUNNING")
    running.until_line(arn, "listening")
    os.kill(int(task["containers"][0]["runtimeId"].rpartition("-")[2]), number)
    assert end(running.until_task(arn, "STOPPED")) == (*OVER, code)


REASONS = json.loads(Path(__file__).with_name("reasons.json").read_text())
"""What ECS says of tasks that cannot start, by the mistake; ``{…}`` differs from run to run."""


@pytest.fixture(scope="module")
def not_started(running, secret: str) -> dict[str, dict[str, Any]]:
    """Start a task for each reason, all at once, and return them as they have stopped."""
    forbidden = running.sm.create_secret(Name="other", SecretString='{"password":"x"}')["ARN"]
    [image] = running.images.values()
    running.images[f"{REPOSITORY}:arm"] = replace(image, platform="linux/arm64")
    running.ecr.create_repository(repositoryName="closed")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage"}
    closed_to_all = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    running.ecr.set_repository_policy(repositoryName="closed", policyText=closed_to_all)
    running.ids |= {
        "key-missing": f"{secret}:pasword::",
        "secret-denied": f"{forbidden}:password::",
    }
    wrong = running.declared("wrong")
    open_, closed = running.ids["private"]

    def start(change) -> str:
        place = {
            "subnets": [open_ if change else closed],
            "securityGroups": [running.ids["task-sg"]],
        }
        definition = define(running, "wrong", **change)
        network = {"awsvpcConfiguration": place}
        return run_task(running, taskDefinition=definition, networkConfiguration=network)

    with running.without_routes(closed):
        arns = [start(change) for change in wrong]
        tasks = [running.until_task(arn, "STOPPED") for arn in arns]
    for task in tasks:
        text = task["stoppedReason"].replace(forbidden, "{secret}").replace(REPOSITORY, "{image}")
        text = text.replace(task["taskArn"].rpartition("/")[2], "{task}")
        task["stoppedReason"] = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "{id}", text)
    return dict(zip(REASONS, tasks, strict=True))


@pytest.mark.parametrize("name", REASONS)
def test_task_that_cannot_start_stops_in_aws_own_words(not_started, name):
    assert end(not_started[name]) == ("TaskFailedToStart", REASONS[name], None)


LOOKUP = (
    r"Post \"https://(?P<host>api\.ecr\.ap-northeast-1\.amazonaws\.com)/\": dial tcp: lookup (?P=host)"
    r" on 10\.0\.0\.2:53: read udp 10\.0\.\d+\.\d+:\d+->10\.0\.0\.2:53: i/o timeout\. Please check"
)
ASSUME = r"^ECS was unable to assume the role 'arn:aws:iam::123456789012:role/{}' that was provided"


def trusting_lambda(running, role: str):
    """Let Lambda assume a role for a while, and ECS not."""

    def trust_in(document: str) -> None:
        running.iam.update_assume_role_policy(RoleName=role, PolicyDocument=document)

    return changed(lambda: trust_in(trust("lambda.amazonaws.com")), lambda: trust_in(TRUST))


ROLE = "arn:aws:iam::123456789012:role/{}"


@pytest.mark.parametrize("allowed", ["", "by a grant", "by the key", "by the role"])
def test_secret_with_a_key_of_its_own_needs_the_key(running, allowed):
    kms = running.client("kms")
    named = ROLE.format("execution") if allowed == "by the key" else ROLE.format("another")
    named = "arn:aws:iam::123456789012:root" if allowed == "by the role" else named
    trusting = policy(statement("kms:Decrypt", Principal={"AWS": named}))
    # Nobody may change such a policy, so KMS takes it only on request.
    made = kms.create_key(Policy=trusting, BypassPolicyLockoutSafetyCheck=True)
    key = made["KeyMetadata"]["Arn"]
    value = {"SecretString": "x", "KmsKeyId": key}
    arn = running.sm.create_secret(Name=f"own-key-{allowed}".replace(" ", "-"), **value)["ARN"]
    mine = [statement("secretsmanager:GetSecretValue", arn)]
    mine += [statement("kms:Decrypt", key)] if allowed != "by a grant" else []
    running.grant("execution", policy(*mine), "own")
    if allowed == "by a grant":
        kms.create_grant(
            KeyId=key, GranteePrincipal=ROLE.format("execution"), Operations=["Decrypt"]
        )
    definition = define(running, "own-key", secrets=[{"name": "KEY", "valueFrom": arn}])
    task = ended(running, "true", taskDefinition=definition)
    refused = "AccessDeniedException: Access to KMS is not allowed" in task["stoppedReason"]
    assert (refused, end(task)[2]) == ((False, 0) if allowed else (True, None))


@contextmanager
def endpoints(running, *services: str, **where: Any):
    """Make endpoints for a while, in a VPC whose hosts have names."""
    ec2, ids = running.ec2, running.ids
    ec2.modify_vpc_attribute(VpcId=ids["vpc"], EnableDnsHostnames={"Value": True})
    named = {service: f"com.amazonaws.{REGION}.{service}" for service in services}
    made = [
        ec2.create_vpc_endpoint(VpcId=ids["vpc"], ServiceName=name, **where)["VpcEndpoint"]
        for name in named.values()
    ]
    try:
        yield
    finally:
        if made:
            ec2.delete_vpc_endpoints(VpcEndpointIds=[each["VpcEndpointId"] for each in made])


def private_names(running, *services: str):
    """Make interface endpoints with private DNS for a while."""
    ids = running.ids
    where = {"SubnetIds": ids["private"], "SecurityGroupIds": [ids["db-sg"]]}
    return endpoints(running, *services, VpcEndpointType="Interface", **where)


@contextmanager
def only_endpoints(running, *gateways: str):
    """Leave the tasks only endpoints for a while."""
    ids, rule = running.ids, {"group": "task-sg"}
    tables = [ids["tables"][subnet] for subnet in ids["private"]]
    allow, forbid = partial(running.allow, "db-sg", 443), partial(running.forbid, "db-sg", 443)
    with (
        changed(partial(allow, **rule), partial(forbid, **rule)),
        private_names(running, "ecr.api", "ecr.dkr", "logs", "secretsmanager"),
        endpoints(running, *gateways, VpcEndpointType="Gateway", RouteTableIds=tables),
        running.without_routes(*ids["private"]),
    ):
        yield


ENDPOINT = r"Post \"https://api\.ecr\.ap-northeast-1\.amazonaws\.com/\": dial tcp 10\.0\.[23]\.\d+:443: i/o timeout"
REGISTRY = r"Head \"https://\d+\.dkr\.ecr\.\S+/\": dial tcp 10\.0\.[23]\.\d+:443: i/o timeout"
LAYERS = r"open: failed to do request: Get \"https://prod-ap-northeast-1-starport-layer-bucket\.s3\.\S+/\": dial tcp"


def test_task_starts_without_the_internet_by_endpoints(running):
    with only_endpoints(running, "s3"):
        assert end(ended(running, "true"))[2] == 0


BROKEN = {
    "an endpoint that refuses": (lambda on: private_names(on, "ecr.api"), ENDPOINT),
    "another that refuses": (lambda on: private_names(on, "ecr.dkr"), REGISTRY),
    "no way to S3": (only_endpoints, LAYERS),
    "execution role": (lambda on: trusting_lambda(on, "execution"), ASSUME.format("execution")),
    "task role": (lambda on: trusting_lambda(on, "task"), ASSUME.format("task")),
    "the VPC without DNS": (lambda on: on.without_dns(), LOOKUP),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_task_does_not_start_without_roles_for_ecs_and_dns(running, broken):
    wrong, reason = BROKEN[broken]
    with wrong(running):
        task = ended(running, "true")
    assert task["stopCode"] == "TaskFailedToStart"
    assert re.search(reason, task["stoppedReason"])


def test_run_task_above_its_rate_is_refused(running, monkeypatch):
    monkeypatch.setattr(launch_rate.Bucket, "take", lambda *_: 0)
    refused = refusal(lambda: run_task(running, "true"))
    assert (refused.code, refused.message) == ("ThrottlingException", "Rate exceeded")
