"""A stack with a bastion that deploys as a canary: its database, and no user meets a version whose page fails.

The database through the bastion: a query, a tunnel, a restore, a rule that is missing. The canary under load, also
where `pulumi up` is killed before it answers.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local_cloud.calls import Calls
from local_cloud.run.client import require
from tests.dataplane.stack import until
from tests.rehearsal.conftest import UP, Careapp, deployed
from tests.rehearsal.load import broken, definition, failed, load

NAME, OLD = "careapp-poc", "careapp-poc-before-restore"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Careapp]:
    """A local cloud with both stages and a bastion, which deploys as a canary."""
    settings = {"bastionEnabled": "true", "deployStrategy": "canary", "bakeMinutes": "1"}
    settings |= {"ecsEnabled": "true"}
    commands = (*(("pulumi", "config", "set", *item) for item in settings.items()), UP)
    with deployed(tmp_path_factory.mktemp("restores"), *commands) as careapp:
        yield careapp


def databases(running: Careapp) -> list[str]:
    return [database["id"] for database in running.facts()["state"]["databases"]]


SSL_REQUEST = bytes.fromhex("0000000804d2162f")
PASSWORD = """
import boto3, json
[database] = boto3.client("rds").describe_db_instances(DBInstanceIdentifier="careapp-poc")["DBInstances"]
secret = boto3.client("secretsmanager").get_secret_value(
    SecretId=database["MasterUserSecret"]["SecretArn"])
print(json.loads(secret["SecretString"])["password"])
"""


def test_tunnel_leads_to_the_database_until_ctrl_c(running: Careapp) -> None:
    """Neither screen nor process list has the password."""
    held = running.start_inside(sys.executable, "-m", "careapp.cli", "db", "tunnel")
    lines = list(iter(held.stdout.readline, "Ctrl-C closes the tunnel.\n"))
    [port] = [int(line.partition("=")[2]) for line in lines if line.startswith("  port=")]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as near:
        near.sendall(SSL_REQUEST)
        assert near.recv(1) == b"S"
    password = running.python(PASSWORD).strip()
    processes = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True).stdout
    assert "session-manager-plugin" in processes or "session_plugin.py" in processes
    assert len(password) == 28
    assert password not in processes + "".join(lines)
    os.killpg(held.pid, signal.SIGINT)
    assert held.wait(20) == 0
    held.stdout.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_database_is_reached_through_the_bastion(running: Careapp) -> None:
    seen = json.loads(running.tool("db", "check", "--json", "--rounds", "5").stdout)
    assert seen["through"].startswith("bastion i-")
    assert seen["version"].startswith("PostgreSQL 17")
    assert (seen["user"], seen["database"]) == ("postgres", "careapp")
    assert (seen["tls"], seen["verified"]) == ("TLSv1.3", "verify-full")
    assert 0 < seen["p50_ms"] <= seen["slowest_ms"]
    asked = running.tool("db", "psql", "-c", "SELECT count(*) > 0 AS visited FROM visits")
    assert "visited" in asked.stdout
    bare = (
        "env",
        f"PATH={running.home.programs}",
        sys.executable,
        "-m",
        "careapp.cli",
        "db",
        "psql",
    )
    done = running.expect(0, *bare, "-c", "SELECT 1 AS one, NULL AS none")
    assert done.stdout == "one | none\n----+-----\n1   |\n"
    assert "psql is not on PATH" in running.expect(1, *bare).stderr


@pytest.fixture(scope="module")
def moment(running: Careapp) -> str:
    """The time before all greetings are deleted."""
    assert "Hello ECS" in running.page()[1]
    found = running.python(NEWEST)
    time.sleep(0.1)
    running.tool("db", "psql", "-c", "DELETE FROM greetings")
    return found.strip()


def test_restore_that_was_interrupted_goes_on(running: Careapp, moment: str) -> None:
    assert running.page()[0] == 500
    words = ("db", "restore", "--time", moment)
    assert "but there is no terminal; use --yes" in running.tool(*words, code=1).stderr
    said = running.interrupt(f"{NAME} is being renamed to {OLD}", *words, "--yes")
    assert "nothing is lost: `./careapp db restore -s poc` goes on" in said
    said = running.tool("db", "restore", "--yes").stdout
    assert f"Going on with the restore of {moment[:10]}" in said
    assert f"{NAME} is restored." in said
    assert "The tasks have the restored database. A second `pulumi up` sets deployStrategy" in said
    assert f"{OLD} runs on with the data from before, and is billed." in said
    assert "Hello ECS" in running.page()[1]
    assert sorted(databases(running)) == [NAME, OLD]


NEWEST = """
import boto3
[found] = boto3.client("ecs").describe_services(
    cluster="careapp-poc-cluster", services=["careapp-poc-service"])["services"]
print(max(each["createdAt"] for each in found["events"]).isoformat())
"""
"""The time of the newest event, by AWS's clock."""
INSTANCE = f"""
import boto3
[found] = boto3.client("rds").describe_db_instances(DBInstanceIdentifier="{NAME}")["DBInstances"]
print(found["DbiResourceId"], found["MasterUserSecret"]["SecretArn"])
"""
BAKES = """
import boto3
[found] = boto3.client("ecs").describe_services(
    cluster="careapp-poc-cluster", services=["careapp-poc-service"])["services"]
made = found["deploymentConfiguration"]
print(made["canaryConfiguration"]["canaryBakeTimeInMinutes"], made["bakeTimeInMinutes"], made["alarms"]["enable"])
"""


def test_pulumi_owns_the_restored_database(running: Careapp) -> None:
    state = json.loads(running.shell("pulumi", "stack", "export", "-s", "poc").stdout)
    resources = state["deployment"]["resources"]
    [instance] = [each for each in resources if each["type"] == "aws:rds/instance:Instance"]
    resource, secret = running.python(INSTANCE).split()
    assert (instance["id"], instance["outputs"]["resourceId"]) == (resource, resource)
    assert instance["outputs"]["masterUserSecrets"][0]["secretArn"] == secret
    assert running.python(BAKES).split() == ["1", "1", "True"]
    running.expect(0, "pulumi", "preview", "--refresh", "--expect-no-changes", "-s", "poc")


def deployment(running) -> dict:
    calls = Calls(require(running.home).access)
    where = {"cluster": "careapp-poc-cluster", "service": "careapp-poc-service"}
    [newest, *_] = calls("ecs", "list_service_deployments", where)["serviceDeployments"]
    asked = {"serviceDeploymentArns": [newest["serviceDeploymentArn"]]}
    [found] = calls("ecs", "describe_service_deployments", asked)["serviceDeployments"]
    return dict(found)


def waits(running) -> bool:
    return "AWAITING_ACTION" in {
        detail["status"] for detail in deployment(running)["lifecycleHookDetails"]
    }


@contextmanager
def killed_up(running, until_when, seconds: float):
    """A `pulumi up` that is killed at a moment; the lock that stays is taken away afterwards."""
    child = running.start_inside(*UP)
    until(until_when, seconds, "the moment of the kill")
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    try:
        yield
    finally:
        running.shell("pulumi", "cancel", "-s", "poc", "--yes")


@contextmanager
def unnoticed(running):
    """No user's request fails, and the version before serves in the end."""
    before = definition(running)
    with load(running) as visitors:
        yield visitors
    until(lambda: deployment(running)["status"] == "ROLLBACK_SUCCESSFUL", 60, "the rollback")
    assert definition(running) == before
    assert failed(visitors) == {}


def status(running) -> str:
    return running.shell("./careapp", "status", "-s", "poc").stdout


def test_version_whose_page_hangs_is_rolled_back_unnoticed(running):
    with broken(running, "update-hangs"), unnoticed(running) as visitors:
        done = running.up()
    assert done.returncode != 0
    assert "The page / does not answer" in done.stdout, done.stdout
    assert "ECS was told to roll" in done.stdout
    assert {len(visitor.versions) for visitor in visitors} == {1}


def test_killed_up_leaves_the_users_alone_and_the_next_goes_on(running):
    before = deployment(running)["serviceDeploymentArn"]

    def has_asked():
        """On a busy machine ECS may have its answer before this sees that it waits."""
        newest = deployment(running)
        return newest["serviceDeploymentArn"] != before and newest["lifecycleHookDetails"]

    with broken(running, "update-moves-page"), unnoticed(running) as visitors:
        with killed_up(running, has_asked, 120):
            time.sleep(2)
            if waits(running):
                words = "gets no requests of users yet: ECS waits for an answer until"
                assert words in status(running)
        again = running.up()
    assert again.returncode != 0
    assert "The page / answers 404, and smokeMatcher expects 200-299" in again.stdout, again.stdout
    assert {len(visitor.versions) for visitor in visitors} == {1}


def test_version_that_raises_is_ended_by_the_up_after_a_killed_one(running):
    """ECS's circuit breaker does not watch a canary: ECS starts tasks without end."""

    def a_task_failed():
        return deployment(running)["deploymentCircuitBreaker"]["failureCount"]

    with broken(running, "canary-raises-at-import"), unnoticed(running):
        with killed_up(running, a_task_failed, 180):
            endless = "ECS's circuit breaker does not end such a deployment: ./careapp rollback"
            assert endless in status(running)
        again = running.up()
    assert again.returncode != 0
    assert "ECS was told to roll" in again.stdout, again.stdout
    assert "nobody tried this" in again.stdout
