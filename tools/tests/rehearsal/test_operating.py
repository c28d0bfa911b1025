"""What a person does to a running stack, typed in ``./careapp shell``."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from infra.iam import bastion_policy
from tools.tests.rehearsal.conftest import UP

TIMED = """
import json, subprocess, sys, time
def busy():
    wall, own = time.monotonic(), time.process_time()
    while time.process_time() - own < 0.3:
        pass
    return (time.monotonic() - wall) / 0.3
def seconds(*words):
    before, begun = busy(), time.monotonic()
    subprocess.run([sys.executable, "-m", "tools.cli", *words], check=True, capture_output=True)
    wall = time.monotonic() - begun
    return wall / max(1, (before + busy()) / 2), wall
print(json.dumps({each: min(seconds(each) for _ in range(3)) for each in ("doctor", "status")}))
"""
"""Of each the best of three, and what the wall clock said: where other processes take their share of
the processors, a second of the wall is no second of the command's."""
LONGEST = {"doctor": 3.0, "status": 1.5}
"""Seconds from Enter to the screen."""


def test_doctor_and_status_answer_before_a_person_wonders(running):
    took = json.loads(running.python(TIMED).splitlines()[-1])
    late = {name: each for name, each in took.items() if each[0] > LONGEST[name]}
    assert (sorted(took), late) == (["doctor", "status"], {}), took


def test_paused_stack_stays_paused_through_an_up_and_comes_back(running):
    assert running.page("/health/db")[0] == 200
    paused = json.loads(running.tool("pause", "--yes", "--json").stdout)
    assert (paused["paused"], paused["database"], paused["running"]) == (True, "stopped", 0)
    state = running.facts()["state"]
    assert (state["tasks"], [each["pid"] for each in state["databases"]]) == ([], [None])
    assert running.page("/health/db")[0] == 503
    up = running.expect(0, *UP).stdout
    assert "the stack is paused and stays so" in up
    assert "./careapp resume" in up
    assert "update-service" not in up
    refused = running.tool("run", "--", "true", code=125).stderr
    assert "`./careapp resume -s poc` first" in refused
    assert running.tool("doctor").stdout.count("[note] The stack is paused") == 1
    assert "is paused." in running.tool("pause").stdout, "it asks nothing: nothing is to be done"
    assert "runs: 1 of 1 tasks; the database is available" in running.tool("resume").stdout
    assert running.page("/health/db")[0] == 200


ONCE = """
import os, psycopg
from webapp.settings import RDS_BUNDLE
told = {key: os.environ[f"DB_{key.upper()}"] for key in ("host", "port", "user", "password")}
with psycopg.connect(dbname=os.environ["DB_NAME"], sslmode="verify-full",
                     sslrootcert=str(RDS_BUNDLE), **told) as connection:
    print("visits:", connection.execute("SELECT count(*) >= 0 FROM visits").fetchone()[0])
raise SystemExit(5)
"""


TASKS_OF_THE_COMMAND = (
    "import boto3; print(*boto3.client('ecs').list_tasks("
    "cluster='careapp-poc-cluster', startedBy='careapp-run')['taskArns'])"
)


def test_command_runs_beside_the_service_and_reaches_the_database(running):
    done = running.tool("run", "--", "python", "-c", ONCE, code=5)
    assert done.stdout == "visits: True\n"
    assert done.stderr.endswith("The command ended with exit code 5.\n")


def test_ctrl_c_stops_the_command_s_task(running):
    said = running.interrupt(".*: RUNNING$", "run", "--", "sleep", "600")
    assert re.search("^[0-9a-f]{8} of careapp-poc:1: STOPPED$", said, re.MULTILINE), said
    assert running.python(TASKS_OF_THE_COMMAND).split() == []


BASTION = (
    f"""
document = {json.dumps(bastion_policy())!r}
"""
    + """
import boto3, json
ec2, iam, rds = map(boto3.client, ("ec2", "iam", "rds"))
[database] = rds.describe_db_instances(DBInstanceIdentifier="careapp-poc")["DBInstances"]
[group] = database["VpcSecurityGroups"]
vpc = database["DBSubnetGroup"]["VpcId"]
subnets = ec2.describe_subnets(Filters=[{"Name": "tag:Name", "Values": ["careapp-poc-private-1"]}])
trust = {"Version": "2012-10-17", "Statement": []}
iam.create_role(RoleName="bastion", AssumeRolePolicyDocument=json.dumps(trust))
iam.put_role_policy(RoleName="bastion", PolicyName="agent", PolicyDocument=document)
iam.create_instance_profile(InstanceProfileName="bastion")
iam.add_role_to_instance_profile(InstanceProfileName="bastion", RoleName="bastion")
own = ec2.create_security_group(GroupName="bastion", Description="x", VpcId=vpc)["GroupId"]
rule = dict(IpProtocol="tcp", FromPort=5432, ToPort=5432, UserIdGroupPairs=[{"GroupId": own}])
ec2.authorize_security_group_ingress(GroupId=group["VpcSecurityGroupId"], IpPermissions=[rule])
[made] = ec2.run_instances(
    ImageId=ec2.describe_images()["Images"][0]["ImageId"], MinCount=1, MaxCount=1,
    SubnetId=subnets["Subnets"][0]["SubnetId"], SecurityGroupIds=[own],
    IamInstanceProfile={"Name": "bastion"},
    TagSpecifications=[{
        "ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "careapp-poc-bastion"}]}],
)["Instances"]
print(json.dumps([made["InstanceId"], group["VpcSecurityGroupId"], rule]))
"""
)
CLOSE = """
import boto3, json, sys
group, rule = json.loads(sys.argv[1])
boto3.client("ec2").revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
"""
END = "import boto3, sys; boto3.client('ec2').terminate_instances(InstanceIds=sys.argv[1:])"


SSL_REQUEST = bytes.fromhex("0000000804d2162f")
PASSWORD = """
import boto3, json
[database] = boto3.client("rds").describe_db_instances(DBInstanceIdentifier="careapp-poc")["DBInstances"]
secret = boto3.client("secretsmanager").get_secret_value(
    SecretId=database["MasterUserSecret"]["SecretArn"])
print(json.loads(secret["SecretString"])["password"])
"""


def hold_a_tunnel(running):
    """It leads to the database until Ctrl-C, and neither screen nor process list has the password."""
    held = running.start_inside(sys.executable, "-m", "tools.cli", "db", "tunnel")
    lines = list(iter(held.stdout.readline, "Ctrl-C closes the tunnel.\n"))
    [port] = [int(each.partition("=")[2]) for each in lines if each.startswith("  port=")]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as near:
        near.sendall(SSL_REQUEST)
        assert near.recv(1) == b"S"
    password = running.python(PASSWORD).strip()
    processes = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True).stdout
    assert "session-manager-plugin" in processes or "session_plugin.py" in processes
    assert len(password) == 28
    assert password not in processes + "".join(lines)
    os.killpg(held.pid, signal.SIGINT)
    assert held.wait(20) == 0
    held.stdout.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_database_is_reached_through_a_bastion(running):
    instance, group, rule = json.loads(running.python(BASTION).splitlines()[-1])
    seen = json.loads(running.tool("db", "check", "--json", "--rounds", "5").stdout)
    assert seen["through"] == f"bastion {instance}"
    assert seen["version"].startswith("PostgreSQL 17")
    assert (seen["user"], seen["database"]) == ("postgres", "careapp")
    assert (seen["tls"], seen["verified"]) == ("TLSv1.3", "verify-full")
    assert 0 < seen["p50_ms"] <= seen["slowest_ms"]
    asked = running.tool("db", "psql", "-c", "SELECT count(*) > 0 AS visited FROM visits")
    assert "visited" in asked.stdout
    bare = ("env", f"PATH={running.home.programs}", sys.executable, "-m", "tools.cli", "db", "psql")
    done = running.expect(0, *bare, "-c", "SELECT 1 AS one, NULL AS none")
    assert done.stdout == "one | none\n----+-----\n1   |\n"
    assert "psql is not on PATH" in running.expect(1, *bare).stderr
    hold_a_tunnel(running)
    running.python(CLOSE, json.dumps([group, rule]))
    closed = running.tool("db", "check", code=1).stderr
    assert f"Security group {group} (careapp-poc-database" in closed
    assert "has no inbound rule for TCP 5432" in closed
    assert "aws ec2 authorize-security-group-ingress --region ap-northeast-1 --group-id" in closed
    running.python(END, instance)
    none = "no instance careapp-poc-bastion runs, and the tasks run without execEnabled"
    assert none in running.tool("db", "check", code=1).stderr
