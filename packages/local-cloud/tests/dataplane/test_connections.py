"""Security groups, routes, network ACLs and Session Manager, applied to real connections."""

import socket
from contextlib import contextmanager, nullcontext
from urllib.parse import urlsplit

import psycopg
import pytest

from local_cloud.aws.ecs.placement import PLATFORM
from tests.dataplane.declarations import policy, statement
from tests.dataplane.stack import changed, refusal

DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""PostgreSQL's SSLRequest, which it answers with S if it uses TLS (protocol documentation, SSLRequest)."""


@pytest.fixture(scope="module")
def stack(empty):
    """A task with ECS Exec and its permissions, and a database whose security group allows tasks."""
    empty.everything()
    empty.ids["db"] = empty.database()
    let_agent_connect(empty)
    empty.service(empty.task_definition(), enableExecuteCommand=True)
    empty.rolled_out()
    return empty


def let_agent_connect(stack):
    stack.grant("task", policy(statement("ssmmessages:*")), "exec")


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
        **{"host": stack.ids["db"]["Endpoint"]["Address"], "hostaddr": PLATFORM, "port": 5432},
        **{"user": "postgres", "dbname": "careapp", "password": stack.password()},
        # A task has a root of its own; this program runs in its network only.
        **{"sslmode": "verify-full", "sslrootcert": str(image.folder / "webapp" / "rds-ca.pem")},
        connect_timeout=2,
    )
    return str(stack.inside(CONNECT, described))


def api(stack) -> str:
    """Call the AWS API from a task, at the address that the task gets."""
    if "api" not in stack.ids:
        stack.ids["api"] = stack.environment()["AWS_ENDPOINT_URL"].removeprefix("http://")
    return str(stack.inside(ASK, *stack.ids["api"].split(":"))).partition(" ")[0]


def with_acl(stack, subnets, *denied):
    """Give subnets for a while an ACL that denies TCP to these (egress, first, last), and allows the rest."""
    acl = stack.ec2.create_network_acl(VpcId=stack.ids["vpc"])["NetworkAcl"]["NetworkAclId"]
    every = {"NetworkAclId": acl, "CidrBlock": "0.0.0.0/0"}
    create = stack.ec2.create_network_acl_entry
    for egress in (True, False):
        create(**every, RuleNumber=100, Protocol="-1", RuleAction="allow", Egress=egress)
    for number, (egress, first, last) in enumerate(denied, 50):
        rule = {**every, "RuleNumber": number, "PortRange": {"From": first, "To": last}}
        create(**rule, Protocol="6", RuleAction="deny", Egress=egress)
    before = []
    return changed(
        lambda: before.extend(associate(stack, subnets, acl)),
        lambda: associate(stack, subnets, *before),
    )


def associate(stack, subnets, *acls):
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


DATABASE, API = (select, "ConnectionTimeout", "1"), (api, "TimeoutError", "HTTP/1.1")


CLOSED = {
    "the database's ingress": (lambda on: on.closed("db-sg", 5432, group="task-sg"), [DATABASE]),
    "the task's egress": (lambda on: on.without_egress("task-sg"), [DATABASE]),
    "a stopped database": (lambda on: changed(on.stop_database, on.start_database), [DATABASE]),
    "no route": (lambda on: on.without_routes(*on.ids["private"]), [API]),
    "the VPC without DNS": (lambda on: on.without_dns(), [DATABASE, API]),
    "an ACL of the NAT gateway": (lambda on: with_acl(on, on.ids["public"], (False, 443, 443)), [API]),
}  # fmt: skip


@pytest.mark.parametrize("closed", CLOSED)
def test_database_and_aws_answer_a_task_where_rules_allow(stack, closed):
    api(stack)
    closing, asked = CLOSED[closed]
    with closing(stack):
        assert [ask(stack) for ask, _, _ in asked] == [timeout for _, timeout, _ in asked]
    assert [ask(stack) for ask, _, _ in asked] == [answer for _, _, answer in asked]


@pytest.mark.parametrize(
    "closed",
    [
        lambda on: on.closed("task-sg", 3000, group="alb-sg"),
        lambda on: with_acl(on, on.ids["private"], (True, 1024, 1024)),
    ],
    ids=["security group", "ACL for some responses"],
)
def test_target_that_is_not_reached_times_out(stack, closed):
    with closed(stack):
        unhealthy = stack.until_unhealthy()
    assert unhealthy == {"Reason": "Target.Timeout", "Description": "Request timed out"}
    stack.whole()


def target(stack, service: str = "web") -> str:
    """Return the service's running task as a target of Session Manager."""
    [task] = stack.tasks(service=service)
    [container] = task["containers"]
    return f"ecs:main_{task['taskArn'].rpartition('/')[2]}_{container['runtimeId']}"


def start(stack, **change):
    """Call StartSession to the database through the task, or with other parameters."""
    endpoint = stack.ids["db"]["Endpoint"]
    host = change.pop("host", endpoint["Address"])
    where = {"host": [host], "portNumber": [str(endpoint["Port"])]}
    asked = {"DocumentName": DOCUMENT, "Parameters": where, **change}
    return stack.client("ssm").start_session(**({"Target": target(stack)} | asked))


def answer(opened, token: str = "", seconds: float = 5):
    """Return the answer to PostgreSQL's SSLRequest through the session's port, None after so many seconds."""
    far = urlsplit(opened["StreamUrl"])
    with socket.create_connection((far.hostname, far.port), timeout=seconds) as door:
        door.sendall((token or opened["TokenValue"]).encode() + b"\n" + SSL_REQUEST)
        try:
            return door.recv(1)
        except TimeoutError:
            return None


def test_session_leads_a_client_with_its_token_to_the_database(stack):
    opened = start(stack)
    assert answer(opened) == b"S"
    assert answer(opened, token="guessed") == b""
    with stack.closed("db-sg", 5432, group="task-sg"):
        assert answer(opened, seconds=1) is None
    assert answer(opened) == b"S"
    assert answer(start(stack, host="elsewhere.example"), seconds=1) is None


def test_session_that_has_ended_accepts_no_connection(stack):
    opened = start(stack)
    stack.client("ssm").terminate_session(SessionId=opened["SessionId"])

    def refuses() -> bool:
        try:
            return answer(opened, seconds=1) == b""
        except OSError:
            return True

    stack.until(refuses, what="the door to close")


@contextmanager
def without_channels(stack):
    stack.iam.delete_role_policy(RoleName="task", PolicyName="exec")
    try:
        yield target(stack)
    finally:
        let_agent_connect(stack)


@contextmanager
def without_aws(stack):
    with stack.without_egress("task-sg"):
        yield target(stack)


@contextmanager
def without_exec(stack):
    def running() -> bool:
        return [task["lastStatus"] for task in stack.tasks(service="plain")] == ["RUNNING"]

    def listed() -> bool:
        return "service/main/plain" in str(stack.ecs.list_services(cluster="main")["serviceArns"])

    stack.service(stack.task_definition(), serviceName="plain", loadBalancers=[])
    stack.until(running, what="the other task to run")
    try:
        yield target(stack, "plain")
    finally:
        assert listed()
        stack.ecs.delete_service(cluster="main", service="plain", force=True)
        # Its task still runs: a service that drains is not listed, and is described.
        assert not listed()
        [left] = stack.ecs.describe_services(cluster="main", services=["plain"])["services"]
        assert left["status"] == "DRAINING"


@pytest.mark.parametrize(
    "place",
    [
        *(without_channels, without_aws, without_exec),
        *(lambda _: nullcontext("i-0123456789abcdef0"), lambda _: nullcontext("ecs:main_x_y")),
    ],
    ids=["no channels in its role", "no way to AWS", "no exec", "an instance", "no such task"],
)
def test_session_is_refused_where_its_target_is_not_connected(stack, place):
    with place(stack) as missing:
        assert refusal(start, stack=stack, Target=missing).code == "TargetNotConnected"


def test_session_is_refused_with_another_document(stack):
    refused = refusal(stack.client("ssm").start_session, Target="i-0123456789abcdef0")
    assert refused.code == "InvalidDocument"
    assert "knows no session document but AWS-Start" in refused.message


def test_exec_s_agent_is_shown_where_it_runs(stack):
    [container] = stack.tasks()[0]["containers"]
    assert container["managedAgents"] == [{"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}]
