"""One running task: its environment, its role, its output, its end and its replacement."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from threading import Thread

import boto3
import pytest
from botocore.exceptions import ClientError

from stack.names import StackNames
from tools.aws.session import Session
from tools.local_cloud.aws import quotas
from tools.local_cloud.aws.ecs.network import credentials
from tools.snapshot import cloudwatch
from tools.snapshot.cloudwatch import Quota
from tools.tests.local_cloud.dataplane.conftest import own_networks
from tools.tests.local_cloud.dataplane.declarations import REGION

FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"

ADDRESSES = """
import re
text = open("/proc/self/net/fib_trie").read()
print(*sorted(set(re.findall(r"-- (\\S+)\\n *\\S*/32 host LOCAL", text))))
"""
REACH = """
import socket, sys
for host, port in (each.rsplit(":", 1) for each in sys.argv[1:]):
    with socket.socket() as probe:
        print(host, probe.connect_ex((host, int(port))))
"""
REFUSED, UNREACHABLE = 111, 101


def needs_own_networks():
    if not own_networks():
        pytest.skip("this machine refuses network namespaces")


def leaving(cloud, address: str):
    """Return the state of a deregistered target, after the scheduler has processed the call."""
    deadline = time.monotonic() + 5
    while True:
        (state,) = [t["TargetHealth"] for t in cloud.targets() if t["Target"]["Id"] == address]
        if state["State"] != "healthy" or time.monotonic() > deadline:
            return state
        time.sleep(0.02)


def test_the_metadata_endpoint_says_who_the_task_is(running):
    got = running.environment()
    said = json.loads(running.inside(FETCH, got["ECS_CONTAINER_METADATA_URI_V4"] + "/task"))
    role = json.loads(running.inside(FETCH, got["AWS_CONTAINER_CREDENTIALS_FULL_URI"]))
    running.whole()
    (task,) = running.tasks()
    assert (said["TaskARN"], said["Family"], said["KnownStatus"]) == (
        task["taskArn"],
        "app",
        "RUNNING",
    )
    assert [each["Name"] for each in said["Containers"]] == ["app"]
    assert role["RoleArn"] == running.ids["task-role"]


def test_output_goes_line_by_line_into_the_declared_stream(running):
    running.whole()
    (task,) = running.tasks()
    running.page("/?mark=1")
    running.until(lambda: "request /?mark=1" in running.lines(task["taskArn"]), what="the line")
    assert running.lines(task["taskArn"])[0] == "listening"
    running.page("/source")
    told = 'File "/app/webapp/app.py", line 1'
    running.until(
        lambda: told in running.lines(task["taskArn"]), what="the file as the image has it"
    )


def test_two_tasks_run_at_once_on_addresses_of_their_own(running):
    running.ecs.update_service(cluster="main", service="web", desiredCount=2)
    running.whole(2)

    pages = {running.page() for _ in range(8)}

    rows = running.plane.describe()["tasks"]
    assert pages == {f"v1 {row['address']}" for row in rows}
    assert len({row["private_address"] for row in rows}) == 2
    subnets = {
        detail["value"]
        for task in running.tasks()
        for detail in task["attachments"][0]["details"]
        if detail["name"] == "subnetId"
    }
    assert subnets == set(running.ids["private"])
    running.ecs.update_service(cluster="main", service="web", desiredCount=1)
    running.until(lambda: running.describe()["runningCount"] == 1)


def test_a_task_has_loopback_its_private_address_and_that_of_the_metadata_alone(running):
    needs_own_networks()
    running.whole()
    (place,) = running.placements()
    assert running.inside(ADDRESSES) == f"{place.private_address} 127.0.0.1 169.254.170.2"


def test_a_task_reaches_neither_this_machine_s_servers_nor_another_task_s_address(running):
    needs_own_networks()
    running.whole()
    port = running.url().rsplit(":", 1)[1]
    elsewhere = running.inside(REACH, f"127.0.0.1:{port}", "10.0.16.200:3000", "192.0.2.1:80")
    assert elsewhere.splitlines() == [
        f"127.0.0.1 {REFUSED}",
        f"10.0.16.200 {UNREACHABLE}",
        f"192.0.2.1 {UNREACHABLE}",
    ]


def test_a_stopped_task_has_its_reason_and_exit_code(running):
    running.whole()
    (task,) = running.tasks()
    answer = running.ecs.stop_task(cluster="main", task=task["taskArn"], reason="because")["task"]
    assert (answer["desiredStatus"], answer["lastStatus"]) == ("STOPPED", "DEACTIVATING")

    over = running.until_task(task["taskArn"], "STOPPED")
    assert (over["stopCode"], over["stoppedReason"], over["containers"][0]["exitCode"]) == (
        "UserInitiated",
        "because",
        0,
    )
    assert "stopping" in running.lines(task["taskArn"])
    running.whole()
    assert running.describe()["runningCount"] == 1


def test_a_crash_is_replaced_and_keeps_its_exit_code(running):
    running.whole()
    (task,) = running.tasks()
    with suppress(OSError):
        running.page("/crash")

    over = running.until_task(task["taskArn"], "STOPPED")
    assert (over["stopCode"], over["stoppedReason"], over["containers"][0]["exitCode"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
        3,
    )
    running.whole()


def test_more_memory_than_declared_ends_in_137_with_the_reason(running):
    running.whole()
    (task,) = running.tasks()
    with suppress(OSError):
        running.page("/eat")
        running.page("/eat?again")

    container = running.until_task(task["taskArn"], "STOPPED")["containers"][0]
    assert (container["exitCode"], container["reason"]) == (
        137,
        "OutOfMemoryError: Container killed due to memory usage",
    )


def test_a_request_in_flight_is_finished_while_its_target_drains(running):
    running.whole()
    got: list[str] = []
    asking = Thread(target=lambda: got.append(running.page("/slow")))
    asking.start()
    time.sleep(0.3)
    running.whole()
    (task,) = running.tasks()
    running.ecs.stop_task(cluster="main", task=task["taskArn"])
    address = task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    state = leaving(running, address)
    asking.join(10)
    assert got == ["slow"]
    assert state == {
        "State": "draining",
        "Reason": "Target.DeregistrationInProgress",
        "Description": "Target deregistration is in progress",
    }
    running.whole()


READ = "secretsmanager:GetSecretValue"


@pytest.fixture
def task(running):
    """Return clients with the credentials of the running task."""
    running.whole()
    (found,) = running.tasks()
    name = found["taskArn"].rpartition("/")[2]
    place, _ = running.plane._scheduler.find(name)
    keys = credentials(place)

    def client(service: str):
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
def secret(running):
    arn = running.sm.create_secret(Name="database", SecretString="{}")["ARN"]
    yield arn
    running.sm.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def allow(running):
    def allow(action: str, resource: str):
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        running.iam.put_role_policy(RoleName="task", PolicyName="test", PolicyDocument=document)

    yield allow
    for name in running.iam.list_role_policies(RoleName="task")["PolicyNames"]:
        running.iam.delete_role_policy(RoleName="task", PolicyName=name)


def refused(call, **params) -> dict[str, str]:
    with pytest.raises(ClientError) as problem:
        call(**params)
    error: dict[str, str] = problem.value.response["Error"]
    return {"Code": error["Code"], "Message": error["Message"]}


def test_a_call_that_the_task_role_does_not_allow_is_refused_with_iam_s_message(
    running, task, secret, allow
):
    allow(READ, f"{secret}-another")
    user = f"arn:aws:sts::123456789012:assumed-role/task/{task.id}"
    assert refused(task("secretsmanager").get_secret_value, SecretId="database") == {
        "Code": "AccessDeniedException",
        "Message": f"User: {user} is not authorized to perform: {READ} on resource: {secret}"
        f" because no identity-based policy allows the {READ} action",
    }
    assert refused(task("rds").describe_db_instances)["Code"] == "AccessDenied"
    assert refused(task("ec2").describe_vpcs)["Code"] == "UnauthorizedOperation"


def test_a_call_that_the_task_role_allows_is_answered(running, task, secret, allow):
    allow(READ, secret)
    assert task("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == "{}"
    allow("cloudwatch:PutMetricData", "*")
    task("cloudwatch").put_metric_data(Namespace="app", MetricData=[{"MetricName": "orders"}])
    assert refused(task("secretsmanager").get_secret_value, SecretId=secret)


def test_the_task_role_does_not_apply_to_other_credentials(running, task, secret):
    assert running.sm.get_secret_value(SecretId=secret)["SecretString"] == "{}"
    assert task("sts").get_caller_identity()["Account"] == "123456789012"


OTHER = StackNames("poc", "careapp")


class Own(StackNames):
    """Return the names in the fixture's stack."""

    cluster, service = "main", "web"


class Namesake(StackNames):
    """A service of the same name in another cluster."""

    cluster, service = "another", "web"


OWN, NAMESAKE = Own("poc", "careapp"), Namesake("poc", "careapp")


@pytest.fixture
def session(running, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
    quotas.install()
    return Session("ap-northeast-1")


def test_tasks_of_other_services_count_and_the_service_s_own_do_not(session):
    assert cloudwatch.quota(session, OTHER, spot=False) == Quota(limit=6.0, elsewhere=0.25)
    assert cloudwatch.quota(session, OWN, spot=False) == Quota(limit=6.0, elsewhere=0)
    assert cloudwatch.quota(session, NAMESAKE, spot=False).elsewhere == 0.25


def test_spot_has_a_quota_of_its_own(session):
    assert cloudwatch.quota(session, OTHER, spot=True) == Quota(
        limit=6.0, elsewhere=0, code="L-36FBB829"
    )
