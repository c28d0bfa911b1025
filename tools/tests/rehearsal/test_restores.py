"""A damaged database: a drill shows what a backup has, a restore brings it back, typed in ``./careapp shell``."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tools.tests.rehearsal.conftest import UP, Careapp, deployed

NAME, DRILL, OLD = "careapp-poc", "careapp-poc-drill", "careapp-poc-before-restore"
SHELL = ("shell", "--tasks", "process", "--port", "0", "--", sys.executable, "-m", "tools.cli")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Careapp]:
    """A local cloud with both stages and a bastion, which deploys as a canary."""
    settings = {"bastionEnabled": "true", "deployStrategy": "canary"}
    settings |= {"rolloutTimeoutMinutes": "20", "ecsEnabled": "true"}
    commands = (*(("pulumi", "config", "set", *each) for each in settings.items()), UP)
    with deployed(tmp_path_factory.mktemp("restores"), *commands) as careapp:
        yield careapp


def ops(running: Careapp, *words: str, code: int = 0) -> str:
    done = running.shell(sys.executable, "-m", "tools.cli", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def databases(running: Careapp) -> list[str]:
    return [each["id"] for each in running.facts()["state"]["databases"]]


def page(running: Careapp) -> str:
    [listener] = running.facts()["state"]["listeners"]
    try:
        with urllib.request.urlopen(listener["url"], timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as refused:
        return str(refused.code)


@pytest.fixture(scope="module")
def moment(running: Careapp) -> str:
    """The time before all greetings are deleted."""
    assert "Hello ECS" in page(running)
    found = ops(
        running,
        "db",
        "psql",
        "--",
        "-Atc",
        "SELECT to_char(now(), 'YYYY-MM-DD\"T\"HH24:MI:SS.USOF')",
    )
    time.sleep(0.1)
    ops(running, "db", "psql", "-c", "DELETE FROM greetings")
    return found.strip()


def test_a_drill_counts_the_rows_of_the_backup_and_of_the_database(
    running: Careapp, moment: str
) -> None:
    question = "SELECT count(*) FROM greetings"
    words = ("db", "drill", "--time", moment, "--query", question, "--json")
    found = json.loads(ops(running, *words))
    assert {each: found["tables"]["greetings"][each]["rows"] for each in ("restored", "now")} == {
        "restored": 2,
        "now": 0,
    }
    assert found["answers"] == [[[2]], [[0]]]
    assert found["tables"]["visits"]["restored"]["newest"] is not None
    assert databases(running) == [NAME]


def test_a_drill_changes_nothing_even_when_it_is_asked_to(running: Careapp) -> None:
    words = ("db", "drill", "--query", "CREATE TABLE mine (id int)")
    done = running.shell(sys.executable, "-m", "tools.cli", *words)
    assert done.returncode == 1
    assert "cannot execute CREATE TABLE in a read-only transaction" in done.stderr
    assert databases(running) == [NAME]


def test_ctrl_c_in_a_drill_leaves_no_instance(running: Careapp) -> None:
    said = interrupted(running, f"{DRILL} is ", "db", "drill")
    assert f"interrupted; deleting {DRILL}" in said
    assert databases(running) == [NAME]


def interrupted(running: Careapp, beginning: str, *words: str) -> str:
    """What a command says that gets a Ctrl-C at the first line that begins so."""
    with running.start(*SHELL, *words) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith(beginning):
                break
        os.killpg(child.pid, signal.SIGINT)
        said = child.communicate(timeout=60)[0]
    assert child.returncode == 130, said
    return str(said)


def test_a_restore_that_was_interrupted_goes_on_and_the_app_has_its_rows_again(
    running: Careapp, moment: str
) -> None:
    assert page(running) == "500"
    words = ("db", "restore", "--time", moment)
    done = running.shell(sys.executable, "-m", "tools.cli", *words)
    assert (done.returncode, "but there is no terminal; use --yes" in done.stderr) == (1, True)
    said = interrupted(running, f"{NAME} is being renamed to {OLD}", *words, "--yes")
    assert "nothing is lost: `./careapp db restore -s poc` goes on" in said
    said = ops(running, "db", "restore", "--yes")
    assert f"Going on with the restore of {moment[:10]}" in said
    assert f"{NAME} is restored." in said
    assert "The tasks have the restored database. A second `pulumi up` sets deployStrategy" in said
    assert f"{OLD} runs on with the data from before, and is billed." in said
    assert "Hello ECS" in page(running)
    assert sorted(databases(running)) == [NAME, OLD]


def test_pulumi_owns_the_restored_database(running: Careapp) -> None:
    state = json.loads(running.shell("pulumi", "stack", "export", "-s", "poc").stdout)
    resources = state["deployment"]["resources"]
    [instance] = [each for each in resources if each["type"] == "aws:rds/instance:Instance"]
    code = f"""
import boto3
[found] = boto3.client("rds").describe_db_instances(DBInstanceIdentifier="{NAME}")["DBInstances"]
print(found["DbiResourceId"], found["MasterUserSecret"]["SecretArn"], len(found["TagList"]))
"""
    done = running.shell(sys.executable, "-c", code)
    resource, secret, _ = done.stdout.split()
    assert (instance["id"], instance["outputs"]["resourceId"]) == (resource, resource)
    assert instance["outputs"]["masterUserSecrets"][0]["secretArn"] == secret
    code = """
import boto3
[found] = boto3.client("ecs").describe_services(
    cluster="careapp-poc-cluster", services=["careapp-poc-service"])["services"]
made = found["deploymentConfiguration"]
print(made["canaryConfiguration"]["canaryBakeTimeInMinutes"], made["bakeTimeInMinutes"], made["alarms"]["enable"])
"""
    done = running.shell(sys.executable, "-c", code)
    assert done.stdout.split() == ["5", "5", "True"], done.stderr
    preview = running.shell("pulumi", "preview", "--refresh", "--expect-no-changes", "-s", "poc")
    assert preview.returncode == 0, preview.stdout + preview.stderr


def test_the_old_instance_is_deleted_before_another_restore(running: Careapp, moment: str) -> None:
    done = running.shell(
        sys.executable, "-m", "tools.cli", "db", "restore", "--time", moment, "--yes"
    )
    assert done.returncode == 1
    command = f"aws rds delete-db-instance --region ap-northeast-1 --db-instance-identifier {OLD}"
    assert (
        f"{OLD} is still there from an earlier restore; delete it first: {command}" in done.stderr
    )
