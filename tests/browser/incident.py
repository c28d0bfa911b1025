"""A bad hour on the local cloud, to have something to see on the dashboard.

People ask for the page all the time. The database is stopped and started again; the only task is killed; then a
version is rolled out that listens on a port where nobody asks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import boto3

from tests.rehearsal.conftest import Careapp

REGION = "ap-northeast-1"
CLUSTER, SERVICE, DATABASE = "careapp-poc-cluster", "careapp-poc-service", "careapp-poc"
PEOPLE, PAUSE = 3, 0.12
"""How many ask for the page, and seconds of the wall that each waits between two requests."""
QUIET = 15.0
"""Seconds of the wall between two troubles: five minutes of AWS."""


class Incident:
    """The local cloud's AWS API, and what is done to it."""

    def __init__(self, careapp: Careapp) -> None:
        """Waits until the page can be asked for."""
        self._careapp = careapp
        until(lambda: bool(self._tasks()), 240)
        self._endpoint = careapp.facts()["endpoint"]

    def client(self, service: str) -> Any:
        """boto3's, for the local cloud."""
        return boto3.client(
            service,
            endpoint_url=self._endpoint,
            region_name=REGION,
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",
        )

    def happen(self) -> None:
        """All of it, while people ask."""
        [listener] = self._careapp.facts()["state"]["listeners"]
        with asked(listener["url"]):
            for trouble in (self._no_database, self._task_killed, self._bad_version):
                time.sleep(QUIET)
                trouble()
            time.sleep(QUIET)

    def _no_database(self) -> None:
        rds = self.client("rds")
        rds.stop_db_instance(DBInstanceIdentifier=DATABASE)
        time.sleep(QUIET)
        rds.start_db_instance(DBInstanceIdentifier=DATABASE)

    def _task_killed(self) -> None:
        [task] = self._tasks()
        for pid in task["pid"]:
            os.killpg(pid, signal.SIGKILL)

    def _tasks(self) -> list[dict[str, Any]]:
        tasks = self._careapp.facts().get("state", {}).get("tasks", ())
        return [each for each in tasks if each["state"] == "RUNNING"]

    def _bad_version(self) -> None:
        ecs = self.client("ecs")
        service = self._service(ecs)
        good = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
        definition = good["taskDefinition"]
        kept = ("family", "networkMode", "cpu", "memory", "executionRoleArn", "taskRoleArn")
        more = ("requiresCompatibilities", "runtimePlatform", "volumes", "containerDefinitions")
        changed = {name: definition[name] for name in (*kept, *more) if name in definition}
        for each in changed["containerDefinitions"]:
            for variable in each["environment"]:
                if variable["name"] == "PORT":
                    variable["value"] = str(int(variable["value"]) + 1)
        made = ecs.register_task_definition(**changed)["taskDefinition"]["taskDefinitionArn"]
        ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=made)
        until(lambda: self._service(ecs)["deployments"][0]["rolloutState"] == "COMPLETED")

    def _service(self, ecs: Any) -> dict[str, Any]:
        found: dict[str, Any] = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])[
            "services"
        ][0]
        return found


def until(ask: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.3)


@contextlib.contextmanager
def asked(url: str) -> Iterator[None]:
    """People ask for the page meanwhile; what they get is for the dashboard to tell."""
    over = threading.Event()

    def person() -> None:
        while not over.wait(PAUSE):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(url, timeout=10).read()

    people = [threading.Thread(target=person, daemon=True) for _ in range(PEOPLE)]
    for each in people:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in people:
            each.join()
