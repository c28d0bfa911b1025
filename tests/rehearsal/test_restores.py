"""A damaged database: a drill shows what a backup has, typed in ``./careapp shell``."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

from tests.rehearsal.conftest import Careapp

NAME, DRILL = "careapp-poc", "careapp-poc-drill"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Careapp]:
    """A local cloud with both stages and a bastion."""
    careapp = Careapp(tmp_path_factory.mktemp("restores"))
    try:
        for words in (
            ("pulumi", "stack", "init", "poc"),
            ("pulumi", "config", "set", "bastionEnabled", "true"),
            ("pulumi", "config", "set", "ecsEnabled", "true"),
            ("pulumi", "up", "-s", "poc", "--yes", "--skip-preview"),
        ):
            done = careapp.shell(*words)
            assert done.returncode == 0, done.stdout + done.stderr
        yield careapp
    finally:
        careapp.run("cloud", "stop")


def ops(running: Careapp, *words: str, code: int = 0) -> str:
    done = running.shell(sys.executable, "-m", "cli", *words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def databases(running: Careapp) -> list[str]:
    return [each["id"] for each in running.facts()["state"]["databases"]]


def page(running: Careapp) -> str:
    [listener] = running.facts()["state"]["listeners"]
    with urllib.request.urlopen(listener["url"], timeout=10) as answer:
        return answer.read().decode()


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
    done = running.shell(sys.executable, "-m", "cli", *words)
    assert done.returncode == 1
    assert "cannot execute CREATE TABLE in a read-only transaction" in done.stderr
    assert databases(running) == [NAME]


def test_ctrl_c_in_a_drill_leaves_no_instance(running: Careapp) -> None:
    words = ("shell", "--tasks", "process", "--port", "0", "--", sys.executable, "-m", "cli")
    with running.start(*words, "db", "drill") as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith(f"{DRILL} is "):
                break
        assert DRILL in databases(running)
        os.killpg(child.pid, signal.SIGINT)
        said = child.communicate(timeout=60)[0]
    assert child.returncode == 130, said
    assert f"interrupted; deleting {DRILL}" in said
    assert databases(running) == [NAME]
