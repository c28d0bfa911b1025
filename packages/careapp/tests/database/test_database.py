"""The way to the database: what it goes through, how the plugin is called, what is said of failures."""

import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from careapp.additions.parts.pauses import Pause
from careapp.database import commands, queries, tunnel
from careapp.database.tunnel import DOCUMENT, JumpHost, open_tunnel
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.parts import vpc
from ecs_gate.text import Refused, t
from tests import stacks as a
from tests.conftest import NAMES, Answering, client

TOKEN = "token-of-the-session"
PLUGIN = """\
#!{python}
import json, os, sys, time
if sys.argv[1:] == ["--version"]:
    print("{version}")
    sys.exit()
told = dict(argv=sys.argv[1:], session=os.environ.get("AWS_SSM_START_SESSION_RESPONSE"))
open("{told}", "w").write(json.dumps(told))
print("Starting session with SessionId: s-1", flush=True)
{act}
"""
OPENS = "print('Port 51234 opened for sessionId s-1.', flush=True); time.sleep(60)"
JUMP_HOST = JumpHost(
    target="i-1", text=t("bastion {id}", id="i-1"), vpc="vpc-1", groups=("sg-b",), subnets=()
)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a plugin on PATH that does the given things; what it was told comes back."""
    told = tmp_path / "told.json"

    def install(act=OPENS, version="1.2.707.0"):
        file = tmp_path / tunnel.NAME
        file.write_text(PLUGIN.format(python=sys.executable, version=version, told=told, act=act))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path))
        return lambda: json.loads(told.read_text())

    return install


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    started = {"SessionId": "s-1", "TokenValue": TOKEN, "StreamUrl": "wss://example"}
    return Answering(start_session=started, terminate_session={})


def test_plugin_is_called_as_the_aws_cli_does_without_the_token_in_arguments(install, aws):
    told = install()
    with open_tunnel(aws, JUMP_HOST, a.database(), 5433) as tunnel:
        assert (tunnel.port, tunnel.alive) == (51234, True)
    argv, session = told()["argv"], json.loads(told()["session"])
    endpoint = f"https://ssm.{a.REGION}.amazonaws.com"
    assert argv[:4] == ["AWS_SSM_START_SESSION_RESPONSE", a.REGION, "StartSession", ""]
    ends = {"host": [a.HOST], "portNumber": ["5432"], "localPortNumber": ["5433"]}
    asked = {"Target": "i-1", "DocumentName": DOCUMENT, "Parameters": ends}
    assert (json.loads(argv[4]), argv[5:]) == (asked, [endpoint])
    assert session == {"SessionId": "s-1", "TokenValue": TOKEN, "StreamUrl": "wss://example"}
    assert TOKEN not in " ".join(argv)
    assert TOKEN not in os.environ.get("AWS_SSM_START_SESSION_RESPONSE", "")


def test_a_tunnel_is_closed_on_both_ends_after_an_exception(install, aws):
    install()
    with pytest.raises(RuntimeError), open_tunnel(aws, JUMP_HOST, a.database()) as tunnel:
        raise RuntimeError
    assert not tunnel.alive
    assert aws.calls[-1] == ("terminate_session", {"SessionId": "s-1"})


def test_a_tunnel_is_closed_if_ctrl_c_comes_while_the_plugin_starts(install, aws, monkeypatch):
    install()
    started = []

    class Start(subprocess.Popen):
        def __init__(self, *arguments, **how):
            super().__init__(*arguments, **how)
            if "--version" not in self.args:
                started.append(self)
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Start)
    with pytest.raises(KeyboardInterrupt):
        open_tunnel(aws, JUMP_HOST, a.database()).__enter__()
    assert [process.poll() for process in started] == [-signal.SIGTERM]
    assert aws.calls[-1][0] == "terminate_session"


def test_the_output_of_a_plugin_that_opens_no_port_is_shown_and_the_session_ended(install, aws):
    install("print('Unable to listen on port 5433'); sys.exit(1)")
    with pytest.raises(Refused, match=r"opened no port: .*Unable to listen on port 5433"):
        open_tunnel(aws, JUMP_HOST, a.database(), 5433).__enter__()
    assert aws.calls[-1][0] == "terminate_session"


def test_a_missing_plugin_is_named_before_a_session_is_started(tmp_path, aws, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="session-manager-plugin is not on PATH"):
        open_tunnel(aws, JUMP_HOST, a.database()).__enter__()
    assert aws.calls == []


@pytest.mark.parametrize("version", ["1.2.497.0", "1.2.30.0", "", "1.2", "1.2.536.0"])
def test_plugin_that_would_show_the_token_is_refused(install, version):
    install(version=version)
    if version == "1.2.536.0":
        assert tunnel.find_plugin().endswith(tunnel.NAME)
        return
    words = r"update it to one after 1\.2\.497\.0, which keeps the session's token out"
    with pytest.raises(Refused, match=words):
        tunnel.find_plugin()


def test_an_agent_that_is_not_connected_is_reported_with_its_requirements(install, aws):
    install()
    aws.calls.answers["start_session"] = AwsProblem("refused", t("x"), t("y"), "TargetNotConnected")
    words = "is not connected to bastion i-1: its agent connects about a minute"
    with pytest.raises(Refused, match=words):
        open_tunnel(aws, JUMP_HOST, a.database()).__enter__()


def test_login_leads_through_the_tunnel_and_checks_the_certificate(aws, monkeypatch):
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    secret = json.dumps({"username": "postgres", "password": "hidden"})
    aws.calls.answers["get_secret_value"] = {"SecretString": secret}
    made = queries.login(aws, a.database())
    assert made.password == "hidden"
    assert "hidden" not in repr(made) + str(made)
    variables = made.variables(5433)
    names = ("HOST", "HOSTADDR", "PORT", "SSLMODE", "PASSWORD", "DATABASE")
    expected = (a.HOST, "127.0.0.1", "5433", "verify-full", "hidden", "careapp")
    assert tuple(variables[f"PG{name}"] for name in names) == expected
    assert sorted(made.parameters(5433).values()) == sorted(variables.values())
    bundle = Path(variables["PGSSLROOTCERT"]).read_text()
    assert "BEGIN CERTIFICATE" in bundle
    monkeypatch.setenv("PGSSLROOTCERT", "/else/where.pem")
    assert queries.login(aws, a.database()).variables(1)["PGSSLROOTCERT"] == "/else/where.pem"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (a.database(status="stopped", tags=Pause(a.NOW).tags), "./careapp resume -s poc` first"),
        (a.database(status="stopped"), "is stopped and accepts no connections; `./careapp doctor"),
        (None, "There is no database careapp-poc in ap-northeast-1"),
    ],
)
def test_database_that_accepts_no_connections_is_reported_first(aws, monkeypatch, found, said):
    monkeypatch.setattr("ecs_gate.parts.rds.database", lambda *_: found)
    with pytest.raises(Refused, match=said):
        queries.database(aws, NAMES)


def test_a_missing_rule_is_the_reason_and_else_the_client_s_message(aws, monkeypatch):
    def said(problem, **rules):
        groups = {**a.groups(**rules), "sg-b": a.groups()["sg-app"]}
        monkeypatch.setattr(vpc, "network", lambda *_: replace(a.network(), groups=groups))
        return str(commands.silent(aws, JUMP_HOST, a.database(), problem).text)

    found = said("connection timed out")
    lacks = "Security group sg-db (careapp-poc-db) has no inbound"
    fix = "aws ec2 authorize-security-group-ingress --region ap-northeast-1 --group-id sg-db"
    assert f"is not reachable from bastion i-1: {lacks}" in found
    assert fix in found
    failed = said("password\n  authentication failed", db_in=(a.permission(5432, ["sg-b"]),))
    assert failed.startswith(
        "The connection to the database through bastion i-1 failed: password authentication failed;"
    )


@pytest.fixture
def bastion(stack):
    ec2 = client("ec2")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "careapp-poc-bastion"}]}]
    [made] = ec2.run_instances(
        ImageId=ec2.register_image(Name="any")["ImageId"],
        MinCount=1, MaxCount=1, SubnetId=stack.private_a, SecurityGroupIds=[stack.app],
        TagSpecifications=tags,
    )["Instances"]  # fmt: skip
    yield made["InstanceId"]
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])


def test_a_running_bastion_is_a_jump_host_and_a_stopped_one_is_not(stack, bastion):
    found = tunnel.find(stack.session, NAMES)
    assert (found.target, found.vpc) == (bastion, stack.vpc)
    assert (found.groups, found.subnets) == ((stack.app,), (stack.private_a,))
    client("ec2").stop_instances(InstanceIds=[bastion])
    with pytest.raises(Refused, match="no instance careapp-poc-bastion runs, and no task runs"):
        tunnel.find(stack.session, NAMES)


RUNNING = {"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}


def running(agents, exec_enabled=True):
    container = {"name": "app", "runtimeId": "f00-1", "managedAgents": agents}
    return {
        "taskArn": f"{a.ECS}:task/careapp-poc-cluster/{'c' * 32}",
        "lastStatus": "RUNNING",
        "enableExecuteCommand": exec_enabled,
        "containers": [{"name": "sidecar", "runtimeId": "f00-0"}, container],
    }


def test_a_task_is_named_as_session_manager_names_it(stack, monkeypatch):
    monkeypatch.setattr(tunnel, "_running", lambda *_: iter([running([]), running([RUNNING])]))
    found = tunnel.find(stack.session, NAMES)
    assert found.target == f"ecs:careapp-poc-cluster_{'c' * 32}_f00-1"
    assert (found.vpc, found.groups) == (stack.vpc, (stack.app,))


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (running([], exec_enabled=False), "the tasks run without execEnabled"),
        (running([{**RUNNING, "lastStatus": "PENDING"}]), "no task's ExecuteCommandAgent runs yet"),
    ],
)
def test_the_reason_why_no_task_is_a_jump_host_is_shown(stack, monkeypatch, task, said):
    monkeypatch.setattr(tunnel, "_running", lambda *_: iter([task]))
    with pytest.raises(Refused) as refused:
        tunnel.find(stack.session, NAMES)
    assert said in str(refused.value)
    assert "pulumi config set bastionEnabled true -s poc` (or execEnabled" in str(refused.value)


def test_a_missing_psql_is_reported_before_a_tunnel_is_opened(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, complaint = run("db", "psql")
    assert code == 1
    assert './careapp db psql -c "SELECT 1"' in complaint
