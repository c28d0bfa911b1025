"""Security groups and routes decide who reaches whom, for real connections."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from typing import Any

import psycopg
import pytest


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def stack(running: Any) -> Any:
    running.ids["db"] = running.database()
    time.sleep(0.3)
    return running


def connect(stack: Any) -> Any:
    """As the app does: the RDS name, led to the task's address."""
    secret = stack.ids["db"]["MasterUserSecret"]["SecretArn"]
    word = json.loads(stack.sm.get_secret_value(SecretId=secret)["SecretString"])["password"]
    (task,) = stack.plane.describe()["tasks"]
    environment = json.loads(fetch(f"{stack.url()}/env"))["env"]
    assert environment["PGHOSTADDR"] == task["address"]
    return psycopg.connect(
        host=stack.ids["db"]["Endpoint"]["Address"],
        hostaddr=environment["PGHOSTADDR"],
        port=5432,
        user="postgres",
        dbname="careapp",
        password=word,
        sslmode="verify-full",
        sslrootcert=environment["DB_SSLROOTCERT"],
        connect_timeout=2,
    )


def test_a_task_reaches_the_database_where_the_rules_allow_it(stack: Any) -> None:
    with connect(stack) as made:
        assert made.execute("SELECT 1").fetchone() == (1,)


def test_without_the_databases_ingress_rule_the_connection_times_out(stack: Any) -> None:
    stack.forbid("db-sg", 5432, group="task-sg")
    try:
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            connect(stack)
    finally:
        stack.allow("db-sg", 5432, group="task-sg")
    connect(stack).close()


def test_without_the_tasks_egress_rule_the_connection_times_out(stack: Any) -> None:
    every = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    group = stack.ids["task-sg"]
    stack.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=every)
    try:
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            connect(stack)
    finally:
        stack.ec2.authorize_security_group_egress(GroupId=group, IpPermissions=every)
    connect(stack).close()


def test_a_stopped_database_times_out_rather_than_refuses(stack: Any) -> None:
    stack.rds.stop_db_instance(DBInstanceIdentifier="careapp-poc")
    stack.until_database("stopped")
    try:
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            connect(stack)
    finally:
        stack.rds.start_db_instance(DBInstanceIdentifier="careapp-poc")
        stack.until_database("available")
    connect(stack).close()


def test_without_a_route_the_aws_api_gives_a_task_no_answer(stack: Any) -> None:
    endpoint = json.loads(fetch(f"{stack.url()}/env"))["env"]["AWS_ENDPOINT_URL"]
    host, port = endpoint.removeprefix("http://").split(":")

    def answer() -> bytes:
        with socket.create_connection((host, int(port)), 5) as raw:
            raw.settimeout(1)
            raw.sendall(b"GET /moto-api/ HTTP/1.0\r\n\r\n")
            return raw.recv(15)

    assert answer().startswith(b"HTTP/1.")
    for subnet in stack.ids["private"]:
        table = stack.ids["tables"][subnet]
        stack.ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    try:
        with pytest.raises(TimeoutError):
            answer()
    finally:
        for subnet in stack.ids["private"]:
            stack.ec2.create_route(
                RouteTableId=stack.ids["tables"][subnet],
                DestinationCidrBlock="0.0.0.0/0",
                NatGatewayId=stack.ids["nat"],
            )


def test_a_load_balancer_that_cannot_reach_its_target_times_out(stack: Any) -> None:
    stack.forbid("task-sg", 3000, group="alb-sg")

    def ask() -> Any:
        (row,) = stack.targets()[:1]
        return row["TargetHealth"] if row["TargetHealth"]["State"] == "unhealthy" else None

    assert stack.until(ask, 10) == {
        "State": "unhealthy",
        "Reason": "Target.Timeout",
        "Description": "Request timed out",
    }
    stack.allow("task-sg", 3000, group="alb-sg")
