"""The small stack, with functions that return its state."""

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from local_cloud.aws.ecs.placement import Placement
from tests.dataplane.declarations import EVERYWHERE, Declarations

DATABASE = "careapp-poc"


def until(ask: Callable[[], Any], seconds: float = 120, what: str = "") -> Any:
    """Call ``ask`` until its result is true; fail with the last result."""
    end = time.monotonic() + seconds
    while not (found := ask()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s in vain for {what or ask}; last: {found!r}")
        time.sleep(0.05)
    return found


@contextmanager
def changed(change: Callable[[], Any], back: Callable[[], Any]) -> Iterator[None]:
    """Change the stack for a while."""
    change()
    try:
        yield
    finally:
        back()


def refusal(call: Callable[..., Any], /, **params: Any) -> SimpleNamespace:
    """Return the status, code and message of a call that AWS refuses."""
    with pytest.raises(ClientError) as refused:
        call(**params)
    error, metadata = (refused.value.response[part] for part in ("Error", "ResponseMetadata"))
    return SimpleNamespace(
        status=metadata["HTTPStatusCode"], code=error["Code"], message=error["Message"]
    )


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def fetch(url: str, timeout: float = 10, **options: Any) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=timeout, **options) as answer:
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
        while not self._over.wait(0.02):
            try:
                status, body = fetch(self.url)
            except OSError as error:
                status, body = 0, str(error)
            if status == 200:
                self.versions.add(body.split()[0])
            else:
                self.failed.append((status, body))

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)


@contextmanager
def loaded(url: str, *versions: str) -> Iterator[None]:
    """Request the page all the time: no request fails, and these versions answer."""
    load = Load(url)
    try:
        yield
    finally:
        load.stop()
    assert (load.failed, load.versions) == ([], set(versions))


class Stack(Declarations):
    """The stack that tests declare, and short ways to read and change its state."""

    until = staticmethod(until)

    def everything(self, **check: Any) -> None:
        """Declare stage 1 without a database, and what the service of stage 2 needs."""
        self.network()
        self.load_balancer(**check)
        self.forward()
        self.roles()
        self.ecs.create_cluster(clusterName="main")
        self.logs.create_log_group(logGroupName="/ecs/app")

    def database(self, **change: Any) -> dict[str, Any]:
        """Create an RDS instance and return it when it is available."""
        rds, named = self.rds, {"DBSubnetGroupName": "db", "DBSubnetGroupDescription": "db"}
        self.iam.create_service_linked_role(AWSServiceName="rds.amazonaws.com")
        rds.create_db_subnet_group(**named, SubnetIds=self.ids["private"])
        rds.create_db_parameter_group(
            DBParameterGroupName="db", DBParameterGroupFamily="postgres17", Description="db"
        )
        rds.create_db_instance(**self.declared("database", **change))
        return self.until_database("available")

    def instance(self, name: str = DATABASE) -> dict[str, Any]:
        return dict(self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])

    def until_database(self, status: str, name: str = DATABASE) -> dict[str, Any]:
        def ask() -> Any:
            found = self.instance(name)
            now = found["DBInstanceStatus"]
            assert now not in {"failed", "incompatible-restore"} - {status}, self.plane.describe()
            return found if now == status else None

        return dict(until(ask, what=f"{name} to be {status}"))

    def stop_database(self) -> None:
        self.rds.stop_db_instance(DBInstanceIdentifier=DATABASE)
        self.until_database("stopped")

    def start_database(self) -> None:
        self.rds.start_db_instance(DBInstanceIdentifier=DATABASE)
        self.until_database("available")

    def password(self, name: str = DATABASE, stage: str = "AWSCURRENT") -> str:
        """Return the password of the master user's secret, in which nothing else is but the name."""
        arn = self.instance(name)["MasterUserSecret"]["SecretArn"]
        text = self.sm.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"]
        secret = json.loads(text)
        assert set(secret) == {"username", "password"}
        return str(secret["password"])

    def connect(self, name: str = DATABASE, **change: Any) -> Any:
        """Connect to a database as its master user, by its endpoint's name at its port on this machine."""
        [row] = [each for each in self.plane.describe()["databases"] if each["id"] == name]
        host, port = row["listens"].split(":")
        (authority,) = self.plane._given.glob("*/rehearsal-ca.pem")
        settings = {
            "host": self.instance(name)["Endpoint"]["Address"],
            **{"hostaddr": host, "port": port, "user": "postgres", "dbname": "careapp"},
            **{"sslmode": "verify-full", "sslrootcert": str(authority)},
            **{"connect_timeout": 5, "autocommit": True, **change},
        }
        if "password" not in change:
            settings["password"] = self.password(name)
        return psycopg.connect(**settings)

    def closed(self, name: str, port: int, **source: str) -> AbstractContextManager[None]:
        """Remove a rule of ingress from a security group for a while."""
        rule = (name, port)
        return changed(lambda: self.forbid(*rule, **source), lambda: self.allow(*rule, **source))

    def without_egress(self, group: str) -> AbstractContextManager[None]:
        """Remove the rule of egress from a security group for a while."""
        where, ec2 = {"GroupId": self.ids[group], "IpPermissions": EVERYWHERE}, self.ec2
        return changed(
            lambda: ec2.revoke_security_group_egress(**where),
            lambda: ec2.authorize_security_group_egress(**where),
        )

    def without_routes(self, *subnets: str) -> AbstractContextManager[None]:
        """Remove the private subnets' routes to the NAT gateway for a while."""
        routes = [
            {"RouteTableId": self.ids["tables"][subnet], "DestinationCidrBlock": "0.0.0.0/0"}
            for subnet in subnets
        ]
        create, nat = self.ec2.create_route, self.ids["nat"]
        return changed(
            lambda: [self.ec2.delete_route(**route) for route in routes],
            lambda: [create(**route, NatGatewayId=nat) for route in routes],
        )

    def without_dns(self) -> AbstractContextManager[None]:
        def support(value: bool) -> None:
            chosen = {"EnableDnsSupport": {"Value": value}}
            self.ec2.modify_vpc_attribute(VpcId=self.ids["vpc"], **chosen)

        return changed(lambda: support(False), lambda: support(True))

    def describe(self) -> dict[str, Any]:
        return dict(self.ecs.describe_services(cluster="main", services=["web"])["services"][0])

    def primary(self) -> dict[str, Any]:
        return dict(self.describe()["deployments"][0])

    def rolled_out(self, state: str = "COMPLETED") -> dict[str, Any]:
        def ask() -> Any:
            primary = self.primary()
            return primary if primary["rolloutState"] == state else None

        try:
            return dict(until(ask, what=state))
        except BaseException:
            reasons = [task.get("stoppedReason") for task in self.stopped()]
            print(*self.messages(), *reasons, *self.targets(), sep="\n")
            raise

    def whole(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait until the service has so many healthy tasks, and no other task is left; return them."""

        def ask() -> bool:
            healthy = [target["TargetHealth"]["State"] for target in self.targets()]
            steady = self.messages()[-1].endswith("has reached a steady state.")
            return steady and healthy == ["healthy"] * count and len(self.placements()) == count

        until(ask, what="a whole service")
        return self.tasks()

    def only_task(self) -> dict[str, Any]:
        """Wait until the service has one healthy task, and return it."""
        (task,) = self.whole()
        return task

    def messages(self) -> list[str]:
        return [event["message"] for event in reversed(self.describe()["events"])]

    def deployments(self) -> list[dict[str, Any]]:
        """Return the service deployments, the newest first."""
        found = self.ecs.list_service_deployments(cluster="main", service="web")
        return list(found["serviceDeployments"])

    def deployment(self) -> dict[str, Any]:
        """Return the newest service deployment with all its data."""
        arn = self.deployments()[0]["serviceDeploymentArn"]
        found = self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])
        return dict(found["serviceDeployments"][0])

    def roll_back(self) -> dict[str, Any]:
        """Call StopServiceDeployment for the newest service deployment."""
        arn = self.deployments()[0]["serviceDeploymentArn"]
        stop = self.ecs.stop_service_deployment
        return dict(stop(serviceDeploymentArn=arn, stopType="ROLLBACK"))

    def tasks(self, status: str = "RUNNING", service: str = "web") -> list[dict[str, Any]]:
        listed = self.ecs.list_tasks(cluster="main", serviceName=service, desiredStatus=status)
        arns = listed["taskArns"]
        found = self.ecs.describe_tasks(cluster="main", tasks=arns)["tasks"] if arns else []
        return [dict(task) for task in found]

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

    def stop_task(self, arn: str, **reason: str) -> dict[str, Any]:
        return dict(self.ecs.stop_task(cluster="main", task=arn, **reason)["task"])

    def stopped(self) -> list[dict[str, Any]]:
        return self.tasks("STOPPED")

    def lines(self, arn: str) -> list[str]:
        """Return what a task has written, the first line first."""
        place = {"logGroupName": "/ecs/app", "logStreamName": f"ecs/app/{arn.rpartition('/')[2]}"}
        events = self.logs.get_log_events(**place, startFromHead=True)["events"]
        return [event["message"] for event in events]

    def until_line(self, arn: str, line: str) -> None:
        until(lambda: line in self.lines(arn), what=f"the line {line!r}")

    def targets(self) -> list[dict[str, Any]]:
        found = self.elb.describe_target_health(TargetGroupArn=self.ids["tg"])
        return list(found["TargetHealthDescriptions"])

    def until_unhealthy(self) -> dict[str, str]:
        """Wait for an unhealthy target, and return its health without the state."""

        def ask() -> Any:
            found = [target["TargetHealth"] for target in self.targets()]
            return [target for target in found if target["State"] == "unhealthy"]

        health = dict(until(ask, what="an unhealthy target")[0])
        del health["State"]
        return health

    def placements(self) -> list[Placement]:
        services = self.plane._scheduler.services.values()
        return [placement for service in services for placement in service.placements.values()]

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

    def series(self, namespace: str, name: str, stat: str, **dimensions: str) -> list[float]:
        """Return CloudWatch's values of a metric by the minute, the oldest first."""
        metric = {
            **{"Namespace": namespace, "MetricName": name},
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        }
        now, asked = self.clock.now(), {"Metric": metric, "Period": 60, "Stat": stat}
        found = self.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "m", "MetricStat": asked}],
            StartTime=now - timedelta(hours=3),
            EndTime=now,
            ScanBy="TimestampAscending",
        )
        return list(found["MetricDataResults"][0]["Values"])

    def page(self, path: str = "/") -> str:
        return fetch(f"{self.url()}{path}")[1]

    def environment(self) -> dict[str, str]:
        return dict(json.loads(self.page("/env")))

    def listener(self, protocol: str = "HTTP") -> dict[str, Any]:
        """Wait for a listener of a protocol and return how it is shown."""

        def ask() -> Any:
            found = self.plane.describe()["listeners"]
            return [each for each in found if each["declared"].startswith(f"{protocol}:")]

        return dict(until(ask, what=f"a listener for {protocol}")[0])

    def url(self, protocol: str = "HTTP") -> str:
        return str(self.listener(protocol)["url"]).replace("localhost", "127.0.0.1")
