"""Security groups, routes, network ACLs and Session Manager, applied to real connections."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from botocore.exceptions import ClientError

from tools.local_cloud.aws.ecs.placement import PLATFORM
from tools.tests.local_cloud.dataplane.stack import DATABASE

DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""PostgreSQL's SSLRequest, which it answers with S if it uses TLS (protocol documentation, SSLRequest)."""
CHANNELS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "ssmmessages:*", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def stack(empty):
    """Yield a task with ECS Exec and its permissions, and a database whose security group allows tasks."""
    empty.everything()
    empty.ids["db"] = empty.database()
    let_agent_connect(empty)
    empty.service(empty.task_definition(), enableExecuteCommand=True)
    empty.rolled_out()
    return empty


def let_agent_connect(stack):
    document = json.dumps(CHANNELS)
    stack.iam.put_role_policy(RoleName="task", PolicyName="exec", PolicyDocument=document)


@contextmanager
def without(stack, group: str, port: int, source: str) -> Iterator[None]:
    """Remove a rule of ingress from a security group for a while."""
    stack.forbid(group, port, group=source)
    try:
        yield
    finally:
        stack.allow(group, port, group=source)


@contextmanager
def without_egress(stack) -> Iterator[None]:
    """Remove the rule of egress from the task's security group for a while."""
    every = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    where = {"GroupId": stack.ids["task-sg"], "IpPermissions": every}
    stack.ec2.revoke_security_group_egress(**where)
    try:
        yield
    finally:
        stack.ec2.authorize_security_group_egress(**where)


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


def select(stack) -> str:
    """Connect as the app does, to the RDS name at the platform's address; return "1" or the error's name."""
    image = next(iter(stack.images.values()))
    described = psycopg.conninfo.make_conninfo(
        host=stack.ids["db"]["Endpoint"]["Address"],
        hostaddr=PLATFORM,
        port=5432,
        user="postgres",
        dbname="careapp",
        password=stack.password(),
        sslmode="verify-full",
        # A task has a root of its own; this program runs in its network alone.
        sslrootcert=str(image.folder / "webapp" / "rds-ca.pem"),
        connect_timeout=2,
    )
    return str(stack.inside(CONNECT, described))


@contextmanager
def stopped_database(stack) -> Iterator[None]:
    stack.rds.stop_db_instance(DBInstanceIdentifier=DATABASE)
    stack.until_database("stopped")
    try:
        yield
    finally:
        stack.rds.start_db_instance(DBInstanceIdentifier=DATABASE)
        stack.until_database("available")


@pytest.mark.parametrize(
    "closed",
    [lambda stack: without(stack, "db-sg", 5432, "task-sg"), without_egress, stopped_database],
    ids=["the database's ingress", "the task's egress", "a stopped database"],
)
def test_a_task_reaches_the_database_where_the_rules_allow_it_and_else_times_out(stack, closed):
    with closed(stack):
        assert select(stack) == "ConnectionTimeout"
    assert select(stack) == "1"


def api(stack) -> Callable[[], str]:
    """Call the AWS API from a task, at the address that the task gets."""
    endpoint = stack.environment()["AWS_ENDPOINT_URL"]
    host, port = endpoint.removeprefix("http://").split(":")
    return lambda: str(stack.inside(ASK, host, port))


def test_without_a_route_the_aws_api_gives_a_task_no_answer(stack):
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


def test_without_the_vpcs_dns_a_task_finds_neither_the_database_nor_an_aws_api(stack):
    answer = api(stack)
    vpc = {"VpcId": stack.ids["vpc"]}
    stack.ec2.modify_vpc_attribute(**vpc, EnableDnsSupport={"Value": False})
    try:
        assert (select(stack), answer()) == ("ConnectionTimeout", "TimeoutError")
    finally:
        stack.ec2.modify_vpc_attribute(**vpc, EnableDnsSupport={"Value": True})
    assert (select(stack), answer()[:9]) == ("1", "HTTP/1.1 ")


def other_acl(stack, subnets: list[str], *closed: tuple[bool, int, int]) -> list[Any]:
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


def associate(stack, subnets: list[str], *acls: str) -> list[Any]:
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


def test_a_network_acl_of_the_public_subnets_cuts_tasks_off_behind_the_nat_gateway(stack):
    answer = api(stack)
    before = other_acl(stack, stack.ids["public"], (False, 443, 443))
    try:
        assert answer() == "TimeoutError"
    finally:
        associate(stack, stack.ids["public"], *before)
    assert answer().startswith("HTTP/1.")


def unhealthy(stack) -> dict[str, str]:
    """Wait until the target is unhealthy, and return its health."""

    def ask():
        health = stack.targets()[0]["TargetHealth"]
        return health if health["State"] == "unhealthy" else None

    return dict(stack.until(ask, 10))


def test_a_load_balancer_that_cannot_reach_its_target_times_out(stack):
    with without(stack, "task-sg", 3000, "alb-sg"):
        assert unhealthy(stack) == {
            "State": "unhealthy",
            "Reason": "Target.Timeout",
            "Description": "Request timed out",
        }
    stack.whole()


@pytest.mark.parametrize(
    ("egress", "first", "last"), [(False, 3000, 3000), (True, 1024, 65535), (True, 1024, 1024)]
)
def test_a_network_acl_that_denies_requests_or_responses_makes_the_target_time_out(
    stack, egress, first, last
):
    before = other_acl(stack, stack.ids["private"], (egress, first, last))
    try:
        assert unhealthy(stack)["Reason"] == "Target.Timeout"
    finally:
        associate(stack, stack.ids["private"], *before)
    stack.whole()


def target(stack, service: str = "web") -> str:
    """Return the service's running task as a target of Session Manager."""
    [task] = stack.tasks(service=service)
    [container] = task["containers"]
    return f"ecs:main_{task['taskArn'].rpartition('/')[2]}_{container['runtimeId']}"


def session(stack, place: str, **change) -> dict[str, Any]:
    endpoint = stack.ids["db"]["Endpoint"]
    where = {"host": [endpoint["Address"]], "portNumber": [str(endpoint["Port"])], **change}
    found: dict[str, Any] = stack.client("ssm").start_session(
        Target=place, DocumentName=DOCUMENT, Parameters=where
    )
    return found


def asked(opened: dict[str, Any], token: str = "", seconds: float = 5) -> bytes:
    """Return the answer to PostgreSQL's SSLRequest through the session's port."""
    far = urlsplit(opened["StreamUrl"])
    with socket.create_connection((far.hostname, far.port), timeout=seconds) as door:
        door.sendall((token or opened["TokenValue"]).encode() + b"\n" + SSL_REQUEST)
        return door.recv(1)


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


def test_only_a_client_with_the_token_reaches_the_database(stack):
    opened = session(stack, target(stack))
    assert asked(opened) == b"S"
    assert asked(opened, token="guessed") == b""


def test_a_missing_rule_leaves_without_an_answer(stack):
    opened = session(stack, target(stack))
    with without(stack, "db-sg", 5432, "task-sg"), pytest.raises(TimeoutError):
        asked(opened, seconds=1)
    assert asked(opened) == b"S"


def test_a_name_that_is_no_database_s_leads_nowhere(stack):
    opened = session(stack, target(stack), host=["elsewhere.example"])
    with pytest.raises(TimeoutError):
        asked(opened, seconds=1)


def test_an_ended_session_accepts_no_connection(stack):
    opened = session(stack, target(stack))
    stack.client("ssm").terminate_session(SessionId=opened["SessionId"])
    stack.until(lambda: _refuses(opened), what="the door to close")


def _refuses(opened: dict[str, Any]) -> bool:
    try:
        return asked(opened, seconds=1) == b""
    except OSError:
        return True


@contextmanager
def without_channels(stack) -> Iterator[str]:
    stack.iam.delete_role_policy(RoleName="task", PolicyName="exec")
    try:
        yield target(stack)
    finally:
        let_agent_connect(stack)


@contextmanager
def without_aws(stack) -> Iterator[str]:
    with without_egress(stack):
        yield target(stack)


@contextmanager
def without_exec(stack) -> Iterator[str]:
    stack.service(stack.task_definition(), serviceName="plain", loadBalancers=[])
    stack.until(
        lambda: [each["lastStatus"] for each in stack.tasks(service="plain")] == ["RUNNING"],
        what="the other task to run",
    )
    try:
        yield target(stack, "plain")
    finally:
        assert "plain" in listed(stack)
        stack.ecs.delete_service(cluster="main", service="plain", force=True)
        # Its task still runs: a service that drains is not listed, and is described.
        assert "plain" not in listed(stack)
        [left] = stack.ecs.describe_services(cluster="main", services=["plain"])["services"]
        assert left["status"] == "DRAINING"


def listed(stack):
    return {
        each.rpartition("/")[2] for each in stack.ecs.list_services(cluster="main")["serviceArns"]
    }


@pytest.mark.parametrize(
    "place",
    [
        *(without_channels, without_aws, without_exec),
        *(lambda _: nullcontext("i-0123456789abcdef0"), lambda _: nullcontext("ecs:main_x_y")),
    ],
    ids=["no channels in its role", "no way to AWS", "no exec", "an instance", "no such task"],
)
def test_a_target_that_is_not_connected(stack, place):
    with place(stack) as missing, pytest.raises(ClientError) as refused:
        session(stack, missing)
    assert code(refused) == "TargetNotConnected"


def test_exec_s_agent_is_shown_only_where_it_runs(stack):
    [container] = stack.tasks()[0]["containers"]
    assert container["managedAgents"] == [{"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}]


def test_another_document_is_refused(stack):
    with pytest.raises(ClientError, match="knows no session document but AWS-Start") as refused:
        stack.client("ssm").start_session(Target="i-0123456789abcdef0")
    assert code(refused) == "InvalidDocument"
