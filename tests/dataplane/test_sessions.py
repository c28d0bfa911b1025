"""Session Manager in the local cloud: its targets, its tokens, and the connections that it allows."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""PostgreSQL's SSLRequest, which it answers with S if it uses TLS (protocol documentation, SSLRequest)."""
CHANNELS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "ssmmessages:*", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def ready(empty: Any) -> Any:
    """Yield a task with ECS Exec and its permissions, and a database whose security group allows tasks."""
    empty.everything()
    empty.ids["database"] = empty.database()
    _let(empty)
    empty.service(empty.task_definition(), enableExecuteCommand=True)
    empty.rolled_out()
    return empty


def _let(stack: Any) -> None:
    document = json.dumps(CHANNELS)
    stack.iam.put_role_policy(RoleName="task", PolicyName="exec", PolicyDocument=document)


def target(stack: Any, service: str = "web") -> str:
    """Return the service's running task as a target of Session Manager."""
    arns = stack.ecs.list_tasks(cluster="main", serviceName=service)["taskArns"]
    [task] = stack.ecs.describe_tasks(cluster="main", tasks=arns)["tasks"]
    [container] = task["containers"]
    return f"ecs:main_{task['taskArn'].rpartition('/')[2]}_{container['runtimeId']}"


def session(stack: Any, place: str, **change: Any) -> dict[str, Any]:
    endpoint = stack.ids["database"]["Endpoint"]
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


def test_only_a_client_with_the_token_reaches_the_database(ready: Any) -> None:
    opened = session(ready, target(ready))
    assert asked(opened) == b"S"
    assert asked(opened, token="guessed") == b""


def test_a_missing_rule_leaves_without_an_answer(ready: Any) -> None:
    opened = session(ready, target(ready))
    ready.forbid("db-sg", 5432, group="task-sg")
    with pytest.raises(TimeoutError):
        asked(opened, seconds=1)
    ready.allow("db-sg", 5432, group="task-sg")
    assert asked(opened) == b"S"


def test_a_name_that_is_no_database_s_leads_nowhere(ready: Any) -> None:
    opened = session(ready, target(ready), host=["elsewhere.example"])
    with pytest.raises(TimeoutError):
        asked(opened, seconds=1)


def test_an_ended_session_accepts_no_connection(ready: Any) -> None:
    opened = session(ready, target(ready))
    ready.client("ssm").terminate_session(SessionId=opened["SessionId"])
    ready.until(lambda: _refuses(opened), what="the door to close")


def _refuses(opened: dict[str, Any]) -> bool:
    try:
        return asked(opened, seconds=1) == b""
    except OSError:
        return True


def test_a_task_without_exec_is_not_connected(ready: Any) -> None:
    ready.service(ready.task_definition(), serviceName="plain", loadBalancers=[])
    ready.until(lambda: _started(ready, "plain"), what="the other task to run")
    try:
        with pytest.raises(ClientError) as refused:
            session(ready, target(ready, "plain"))
    finally:
        ready.ecs.delete_service(cluster="main", service="plain", force=True)
    assert code(refused) == "TargetNotConnected"


def _started(stack: Any, service: str) -> bool:
    arns = stack.ecs.list_tasks(cluster="main", serviceName=service)["taskArns"]
    found = stack.ecs.describe_tasks(cluster="main", tasks=arns)["tasks"] if arns else []
    return bool(found) and found[0]["lastStatus"] == "RUNNING"


def test_a_role_without_the_channels_keeps_the_agent_from_connecting(ready: Any) -> None:
    ready.iam.delete_role_policy(RoleName="task", PolicyName="exec")
    with pytest.raises(ClientError) as refused:
        session(ready, target(ready))
    _let(ready)
    assert code(refused) == "TargetNotConnected"


def test_a_task_that_reaches_no_aws_is_not_connected(ready: Any) -> None:
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    where = {"GroupId": ready.ids["task-sg"], "IpPermissions": everything}
    ready.ec2.revoke_security_group_egress(**where)
    with pytest.raises(ClientError) as refused:
        session(ready, target(ready))
    ready.ec2.authorize_security_group_egress(**where)
    assert code(refused) == "TargetNotConnected"


def test_exec_s_agent_is_shown_only_where_it_runs(ready: Any) -> None:
    [container] = ready.tasks()[0]["containers"]
    assert container["managedAgents"] == [{"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}]


@pytest.mark.parametrize("place", ["i-0123456789abcdef0", "ecs:main_nobody_nothing"])
def test_a_missing_target_is_not_connected(ready: Any, place: str) -> None:
    with pytest.raises(ClientError) as refused:
        session(ready, place)
    assert code(refused) == "TargetNotConnected"


def test_another_document_is_refused(ready: Any) -> None:
    with pytest.raises(ClientError, match="knows no session document but AWS-Start") as refused:
        ready.client("ssm").start_session(Target="i-0123456789abcdef0")
    assert code(refused) == "InvalidDocument"
