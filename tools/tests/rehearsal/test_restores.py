"""The database through a bastion: a query, a tunnel, a restore, a rule that is missing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tools.tests.rehearsal.conftest import UP, Careapp, deployed

NAME, OLD = "careapp-poc", "careapp-poc-before-restore"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Careapp]:
    """A local cloud with both stages and a bastion, which deploys as a canary."""
    settings = {"bastionEnabled": "true", "deployStrategy": "canary", "bakeMinutes": "1"}
    settings |= {"ecsEnabled": "true"}
    commands = (*(("pulumi", "config", "set", *each) for each in settings.items()), UP)
    with deployed(tmp_path_factory.mktemp("restores"), *commands) as careapp:
        yield careapp


def databases(running: Careapp) -> list[str]:
    return [each["id"] for each in running.facts()["state"]["databases"]]


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
    held = running.start_inside(sys.executable, "-m", "tools.cli", "db", "tunnel")
    lines = list(iter(held.stdout.readline, "Ctrl-C closes the tunnel.\n"))
    [port] = [int(each.partition("=")[2]) for each in lines if each.startswith("  port=")]
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
    bare = ("env", f"PATH={running.home.programs}", sys.executable, "-m", "tools.cli", "db", "psql")
    done = running.expect(0, *bare, "-c", "SELECT 1 AS one, NULL AS none")
    assert done.stdout == "one | none\n----+-----\n1   |\n"
    assert "psql is not on PATH" in running.expect(1, *bare).stderr


@pytest.fixture(scope="module")
def moment(running: Careapp) -> str:
    """The time before all greetings are deleted."""
    assert "Hello ECS" in running.page()[1]
    question = "SELECT to_char(now(), 'YYYY-MM-DD\"T\"HH24:MI:SS.USOF')"
    found = running.tool("db", "psql", "--", "-Atc", question).stdout
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
