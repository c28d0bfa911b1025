"""The small stack, with functions that return its state."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tools.local_cloud.aws.ecs.placement import Placement
from tools.tests.local_cloud.dataplane.declarations import Declarations

DATABASE = "careapp-poc"


def until(ask: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """Call ``ask`` until its result is true; fail with the last result."""
    end = time.monotonic() + seconds
    while not (found := ask()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s in vain for {what or ask}; last: {found!r}")
        time.sleep(0.05)
    return found


def alive(pid: int) -> bool:
    """Return whether a process has not ended."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def fetch(url: str, timeout: float = 10) -> tuple[int, str]:
    """Return the status and text of a page."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class Load:
    """Requests the page in a loop and records every response other than 200."""

    def __init__(self, url: str) -> None:
        self.url, self.failed, self.versions = url, [], set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                status, body = fetch(self.url)
            except OSError as error:
                status, body = 0, str(error)
            if status == 200:
                self.versions.add(body.split()[0])
            else:
                self.failed.append((status, body))
            time.sleep(0.02)

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)


class Stack(Declarations):
    """The stack that tests declare, and short ways to read its state."""

    until = staticmethod(until)

    def database(self, **change: Any) -> dict[str, Any]:
        """Create an RDS instance and return it when it is available."""
        rds = self.rds
        self.iam.create_service_linked_role(AWSServiceName="rds.amazonaws.com")
        rds.create_db_subnet_group(
            DBSubnetGroupName="db", DBSubnetGroupDescription="db", SubnetIds=self.ids["private"]
        )
        rds.create_db_parameter_group(
            DBParameterGroupName="db", DBParameterGroupFamily="postgres17", Description="db"
        )
        rds.create_db_instance(
            **{
                "DBInstanceIdentifier": DATABASE,
                "Engine": "postgres",
                "EngineVersion": "17.4",
                "DBInstanceClass": "db.t4g.micro",
                "AllocatedStorage": 20,
                "MasterUsername": "postgres",
                "ManageMasterUserPassword": True,
                "DBName": "careapp",
                "DBSubnetGroupName": "db",
                "DBParameterGroupName": "db",
                "VpcSecurityGroupIds": [self.ids["db-sg"]],
                **change,
            }
        )
        return self.until_database("available")

    def until_database(self, status: str, name: str = DATABASE) -> dict[str, Any]:
        def ask() -> Any:
            found = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
            now = found["DBInstanceStatus"]
            ended = {"failed", "incompatible-restore"} - {status}
            assert now not in ended, self.plane.describe()
            return found if now == status else None

        return dict(until(ask, 30, f"{name} to be {status}"))

    def password(self, name: str = DATABASE, stage: str = "AWSCURRENT") -> str:
        """Return the password of the master user's secret, in which nothing else is but the name."""
        [found] = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        arn = found["MasterUserSecret"]["SecretArn"]
        text = self.sm.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"]
        secret = json.loads(text)
        assert set(secret) == {"username", "password"}
        return str(secret["password"])

    def connect(self, name: str = DATABASE, **change: Any) -> Any:
        """Connect to a database as its master user, by its endpoint's name at its port on this machine."""
        [found] = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        [row] = [each for each in self.plane.describe()["databases"] if each["id"] == name]
        host, port = row["listens"].split(":")
        (authority,) = self.plane._given.glob("*/rehearsal-ca.pem")
        settings = {
            "host": found["Endpoint"]["Address"],
            "hostaddr": host,
            "port": port,
            "user": "postgres",
            "dbname": "careapp",
            "sslmode": "verify-full",
            "sslrootcert": str(authority),
            "connect_timeout": 5,
            "autocommit": True,
            **change,
        }
        return psycopg.connect(**{"password": self.password(name), **settings})

    def everything(self, **check: Any) -> None:
        """Declare stage 1 without a database, and what the service of stage 2 needs."""
        self.network()
        self.load_balancer(**check)
        self.forward()
        self.roles()
        self.ecs.create_cluster(clusterName="main")
        self.logs.create_log_group(logGroupName="/ecs/app")

    def describe(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ecs.describe_services(cluster="main", services=["web"])[
            "services"
        ][0]
        return found

    def primary(self) -> dict[str, Any]:
        found: dict[str, Any] = self.describe()["deployments"][0]
        return found

    def rolled_out(self, state: str = "COMPLETED", seconds: float = 30) -> dict[str, Any]:
        def ask() -> Any:
            primary = self.primary()
            return primary if primary["rolloutState"] == state else None

        try:
            found: dict[str, Any] = until(ask, seconds, state)
        except BaseException:
            reasons = [task.get("stoppedReason") for task in self.stopped()]
            print(*self.messages(), *reasons, *self.targets(), sep="\n")
            raise
        return found

    def whole(self, count: int = 1) -> None:
        """Wait until the service has so many healthy tasks, and no other task is left."""

        def ask() -> bool:
            healthy = [each["TargetHealth"]["State"] for each in self.targets()]
            steady = self.messages()[-1].endswith("has reached a steady state.")
            return steady and healthy == ["healthy"] * count and len(self.placements()) == count

        until(ask, what="a whole service")

    def messages(self) -> list[str]:
        return [each["message"] for each in reversed(self.describe()["events"])]

    def deployments(self) -> list[dict[str, Any]]:
        """Return the service deployments, the newest first."""
        found = self.ecs.list_service_deployments(cluster="main", service="web")
        return list(found["serviceDeployments"])

    def deployment(self) -> dict[str, Any]:
        """Return the newest service deployment with all its data."""
        arn = self.deployments()[0]["serviceDeploymentArn"]
        found = self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])
        return dict(found["serviceDeployments"][0])

    def tasks(self, status: str = "RUNNING", service: str = "web") -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster="main", serviceName=service, desiredStatus=status)
        found = [self.task(arn) for arn in arns["taskArns"]]
        return [each for each in found if each]

    def task(self, arn: str) -> dict[str, Any]:
        """Return a task, or nothing if it is no longer listed."""
        found = self.ecs.describe_tasks(cluster="main", tasks=[arn])["tasks"]
        return dict(found[0]) if found else {}

    def until_task(self, arn: str, status: str) -> dict[str, Any]:
        """Wait for a task's status and return the task."""

        def ask() -> Any:
            found = self.task(arn)
            return found if found["lastStatus"] == status else None

        return dict(until(ask, what=f"the task to be {status}"))

    def stopped(self) -> list[dict[str, Any]]:
        return self.tasks("STOPPED")

    def lines(self, arn: str) -> list[str]:
        """Return what a task has written, the first line first."""
        stream = f"ecs/app/{arn.rpartition('/')[2]}"
        events = self.logs.get_log_events(
            logGroupName="/ecs/app", logStreamName=stream, startFromHead=True
        )["events"]
        return [each["message"] for each in events]

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.elb.describe_target_health(
            TargetGroupArn=self.ids["tg"]
        )["TargetHealthDescriptions"]
        return found

    def placements(self) -> list[Placement]:
        """Return the placements of the tasks."""
        scheduler = self.plane._scheduler
        return [
            placement
            for each in scheduler.services.values()
            for placement in each.placements.values()
        ]

    def inside(self, program: str, *arguments: str) -> str:
        """Return the output of a Python program that runs in the network of the only task."""
        (placement,) = self.placements()
        before = placement.namespace.command_prefix(None) if placement.namespace else []
        done = subprocess.run(
            [*before, sys.executable, "-c", program, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def page(self, path: str = "/") -> str:
        """Return the text of one of the app's pages."""
        return fetch(f"{self.url()}{path}")[1]

    def environment(self) -> dict[str, str]:
        """Return the environment of the app's process."""
        return dict(json.loads(self.page("/env"))["env"])

    def url(self) -> str:
        def ask() -> Any:
            listeners: Any = self.plane.describe()["listeners"]
            return listeners and listeners[0]["url"]

        return str(until(ask)).replace("localhost", "127.0.0.1")
