"""Security groups, routes and network ACLs, applied to real connections."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
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


CONNECT = """
import psycopg, sys
try:
    with psycopg.connect(sys.argv[1]) as made:
        print(made.execute("SELECT 1").fetchone()[0])
except psycopg.Error as error:
    print(type(error).__name__)
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as raw:
    raw.settimeout(1)
    raw.sendall(b"GET /moto-api/ HTTP/1.0\\r\\n\\r\\n")
    try:
        print(raw.recv(15).decode())
    except TimeoutError:
        print("TimeoutError")
"""


def select(stack: Any) -> str:
    """Connect as the app does, to the RDS name at the platform's address; return "1" or the error's name."""
    secret = stack.ids["db"]["MasterUserSecret"]["SecretArn"]
    word = json.loads(stack.sm.get_secret_value(SecretId=secret)["SecretString"])["password"]
    told = json.loads(fetch(f"{stack.url()}/env"))
    environment = told["env"]
    described = psycopg.conninfo.make_conninfo(
        host=stack.ids["db"]["Endpoint"]["Address"],
        hostaddr=environment["PGHOSTADDR"],
        port=5432,
        user="postgres",
        dbname="careapp",
        password=word,
        sslmode="verify-full",
        sslrootcert=f"{told['cwd']}/webapp/rds-ca.pem",
        connect_timeout=2,
    )
    return str(stack.inside(CONNECT, described))


def test_a_task_reaches_the_database_where_the_rules_allow_it(stack: Any) -> None:
    assert select(stack) == "1"


def test_without_the_databases_ingress_rule_the_connection_times_out(stack: Any) -> None:
    stack.forbid("db-sg", 5432, group="task-sg")
    try:
        assert select(stack) == "ConnectionTimeout"
    finally:
        stack.allow("db-sg", 5432, group="task-sg")
    assert select(stack) == "1"


def test_without_the_tasks_egress_rule_the_connection_times_out(stack: Any) -> None:
    every = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    group = stack.ids["task-sg"]
    stack.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=every)
    try:
        assert select(stack) == "ConnectionTimeout"
    finally:
        stack.ec2.authorize_security_group_egress(GroupId=group, IpPermissions=every)
    assert select(stack) == "1"


def test_a_stopped_database_times_out_rather_than_refuses(stack: Any) -> None:
    stack.rds.stop_db_instance(DBInstanceIdentifier="careapp-poc")
    stack.until_database("stopped")
    try:
        assert select(stack) == "ConnectionTimeout"
    finally:
        stack.rds.start_db_instance(DBInstanceIdentifier="careapp-poc")
        stack.until_database("available")
    assert select(stack) == "1"


def api(stack: Any) -> Callable[[], str]:
    """Call the AWS API from a task, at the address that the task gets."""
    endpoint = json.loads(fetch(f"{stack.url()}/env"))["env"]["AWS_ENDPOINT_URL"]
    host, port = endpoint.removeprefix("http://").split(":")
    return lambda: str(stack.inside(ASK, host, port))


def test_without_a_route_the_aws_api_gives_a_task_no_answer(stack: Any) -> None:
    answer = api(stack)
    assert answer().startswith("HTTP/1.")
    for subnet in stack.ids["private"]:
        table = stack.ids["tables"][subnet]
        stack.ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    try:
        assert answer() == "TimeoutError"
    finally:
        for subnet in stack.ids["private"]:
            stack.ec2.create_route(
                RouteTableId=stack.ids["tables"][subnet],
                DestinationCidrBlock="0.0.0.0/0",
                NatGatewayId=stack.ids["nat"],
            )


def other_acl(stack: Any, subnets: list[str], *closed: tuple[bool, int, int]) -> list[Any]:
    """Give subnets an ACL that denies TCP to these ports, egress or ingress, and allows the rest."""
    acl = stack.ec2.create_network_acl(VpcId=stack.ids["vpc"])["NetworkAcl"]["NetworkAclId"]
    every = {"NetworkAclId": acl, "CidrBlock": "0.0.0.0/0"}
    for egress in (True, False):
        stack.ec2.create_network_acl_entry(
            **every, RuleNumber=100, Protocol="-1", RuleAction="allow", Egress=egress
        )
    for number, (egress, first, last) in enumerate(closed, 50):
        ports = {"From": first, "To": last}
        stack.ec2.create_network_acl_entry(
            **every, RuleNumber=number, Protocol="6", RuleAction="deny", Egress=egress,
            PortRange=ports,
        )  # fmt: skip
    return associate(stack, subnets, acl)


def associate(stack: Any, subnets: list[str], *acls: str) -> list[Any]:
    """Associate subnets with an ACL, one for all or one each; return the previous ones."""
    before = []
    for index, subnet in enumerate(subnets):
        chosen = [{"Name": "association.subnet-id", "Values": [subnet]}]
        (found,) = stack.ec2.describe_network_acls(Filters=chosen)["NetworkAcls"]
        (old,) = [each for each in found["Associations"] if each["SubnetId"] == subnet]
        before.append(found["NetworkAclId"])
        stack.ec2.replace_network_acl_association(
            AssociationId=old["NetworkAclAssociationId"], NetworkAclId=acls[index % len(acls)]
        )
    return before


def test_a_network_acl_of_the_public_subnets_cuts_tasks_off_behind_the_nat_gateway(
    stack: Any,
) -> None:
    answer = api(stack)
    before = other_acl(stack, stack.ids["public"], (False, 443, 443))
    try:
        assert answer() == "TimeoutError"
    finally:
        associate(stack, stack.ids["public"], *before)
    assert answer().startswith("HTTP/1.")


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


@pytest.mark.parametrize(
    ("egress", "first", "last"), [(False, 3000, 3000), (True, 1024, 65535), (True, 1024, 1024)]
)
def test_a_network_acl_that_denies_requests_or_responses_makes_the_target_time_out(
    stack: Any, egress: bool, first: int, last: int
) -> None:
    stack.until(lambda: stack.targets()[0]["TargetHealth"]["State"] == "healthy")
    before = other_acl(stack, stack.ids["private"], (egress, first, last))

    def ask() -> Any:
        health = stack.targets()[0]["TargetHealth"]
        return health if health["State"] == "unhealthy" else None

    try:
        assert stack.until(ask, 10)["Reason"] == "Target.Timeout"
    finally:
        associate(stack, stack.ids["private"], *before)
    stack.until(lambda: stack.targets()[0]["TargetHealth"]["State"] == "healthy")
