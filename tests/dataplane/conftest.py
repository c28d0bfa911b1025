"""A data plane over moto, and a small stack that tests declare by boto3 as the provider would."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

os.environ.update(
    MOTO_IAM_LOAD_MANAGED_POLICIES="true",
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
)

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from rehearsal.clock import Clock
from rehearsal.control import hooks
from rehearsal.data.plane import DataPlane
from rehearsal.images import ImageNotFound, LocalImage

logging.getLogger("werkzeug").setLevel(logging.ERROR)
REGION = "ap-northeast-1"
REPOSITORY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/hello"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"

APP = """
import json, os, signal, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
VERSION = os.environ.get("APP_VERSION", "none")
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): print("request", self.path, flush=True)
    def answer(self, status, body, **headers):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for k, v in headers.items(): self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        if self.command != "HEAD": self.wfile.write(body)
    def do_GET(self):
        path = self.path.split("?")[0]
        if path == os.environ.get("HEALTHY_PATH", "/health"): self.answer(200, "ok")
        elif path == "/": self.answer(200, VERSION + " " + os.environ["BIND_HOST"])
        elif path == "/headers": self.answer(200, json.dumps(list(self.headers.items())))
        elif path == "/env": self.answer(200, json.dumps({"env": dict(os.environ), "cwd": os.getcwd()}))
        elif path == "/error": self.answer(500, "no")
        elif path == "/slow": time.sleep(1.5); self.answer(200, "slow")
        elif path == "/moved": self.answer(301, "", Location="/elsewhere")
        elif path == "/crash": os._exit(3)
        elif path == "/hang": time.sleep(60)
        elif path == "/drop": self.connection.shutdown(2); self.close_connection = True
        elif path == "/eat": eaten.append(bytearray(400 << 20)); self.answer(200, "ate")
        elif path == "/stream":
            self.send_response(200); self.send_header("Transfer-Encoding", "chunked"); self.end_headers()
            for i in range(3):
                self.wfile.write(b"2\\r\\n%d\\n\\r\\n" % i); self.wfile.flush(); time.sleep(0.3)
            self.wfile.write(b"0\\r\\n\\r\\n")
        else: self.answer(404, "no")
    do_HEAD = do_GET
    def do_POST(self):
        self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))
active, eaten = [], []
answer = Handler.handle_one_request
def counted(self):
    self.raw_requestline = self.rfile.peek(1)
    active.append(self)
    try: answer(self)
    finally: active.remove(self)
Handler.handle_one_request = counted
def stop(*a):
    print("stopping", flush=True)
    import threading
    threading.Thread(target=finish).start()
def finish():
    while active: time.sleep(0.02)
    os._exit(0)
if os.environ.get("CRASH"): print("Boom", flush=True); sys.exit(3)
if not os.environ.get("PLAIN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("STUBBORN") else stop)
time.sleep(float(os.environ.get("BOOT", "0")))
ThreadingHTTPServer.request_queue_size = 128
server = ThreadingHTTPServer((os.environ["BIND_HOST"], int(os.environ.get("LISTEN", os.environ["PORT"]))), Handler)
print("listening", flush=True)
server.serve_forever()
"""


def until(ask: Callable[[], Any], seconds: float = 20, what: str = "") -> Any:
    """Ask until the answer is true; fail with the last one."""
    end = time.monotonic() + seconds
    while not (found := ask()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s in vain for {what or ask}; last: {found!r}")
        time.sleep(0.05)
    return found


@dataclass
class Stack:
    """What the tests declare, and short ways to it."""

    plane: DataPlane
    clock: Clock
    endpoint: str
    images: dict[str, LocalImage]
    ids: dict[str, Any] = field(default_factory=dict)

    until = staticmethod(until)

    def client(self, name: str) -> Any:
        return boto3.client(
            name,
            endpoint_url=self.endpoint,
            region_name=REGION,
            config=Config(retries={"max_attempts": 0}),
        )

    def __getattr__(self, name: str) -> Any:
        service = {"sm": "secretsmanager", "elb": "elbv2"}.get(name, name)
        if service not in ("acm", "ec2", "ecs", "elbv2", "rds", "logs", "iam", "secretsmanager"):
            raise AttributeError(name)
        self.__dict__[name] = self.client(service)
        return self.__dict__[name]

    def network(self) -> None:
        ec2, ids = self.ec2, self.ids
        vpc = ids["vpc"] = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        ids["public"] = [self._subnet(vpc, number, gateway=gateway) for number in (0, 1)]
        nat = ids["nat"] = ec2.create_nat_gateway(
            SubnetId=ids["public"][0],
            AllocationId=ec2.allocate_address(Domain="vpc")["AllocationId"],
        )["NatGateway"]["NatGatewayId"]
        ids["private"] = [self._subnet(vpc, number, nat=nat) for number in (2, 3)]
        for name in ("alb", "task", "db"):
            group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)
            ids[f"{name}-sg"] = group["GroupId"]
        self.allow("alb-sg", 80, cidr="0.0.0.0/0")
        self.allow("task-sg", 3000, group="alb-sg")
        self.allow("db-sg", 5432, group="task-sg")

    def _subnet(self, vpc: str, number: int, gateway: str = "", nat: str = "") -> str:
        ec2 = self.ec2
        subnet = ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.0.{number}.0/24",
            AvailabilityZone=f"{REGION}{'ac'[number % 2]}",
        )["Subnet"]["SubnetId"]
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        self.ids.setdefault("tables", {})[subnet] = table
        way = {"GatewayId": gateway} if gateway else {"NatGatewayId": nat}
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **way)
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        return subnet

    def _permission(self, port: int, cidr: str, group: str) -> list[dict[str, Any]]:
        rule: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port}
        if cidr:
            rule["IpRanges"] = [{"CidrIp": cidr}]
        else:
            rule["UserIdGroupPairs"] = [{"GroupId": self.ids[group]}]
        return [rule]

    def allow(self, name: str, port: int, cidr: str = "", group: str = "") -> None:
        self.ec2.authorize_security_group_ingress(
            GroupId=self.ids[name], IpPermissions=self._permission(port, cidr, group)
        )

    def forbid(self, name: str, port: int, cidr: str = "", group: str = "") -> None:
        self.ec2.revoke_security_group_ingress(
            GroupId=self.ids[name], IpPermissions=self._permission(port, cidr, group)
        )

    def load_balancer(self, **check: Any) -> None:
        elb, ids = self.elb, self.ids
        ids["alb"] = elb.create_load_balancer(
            Name="alb", Subnets=ids["public"], SecurityGroups=[ids["alb-sg"]]
        )["LoadBalancers"][0]["LoadBalancerArn"]
        ids["tg"] = self.target_group("tg", **check)
        ids["listener"] = elb.create_listener(
            LoadBalancerArn=ids["alb"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[
                {
                    "Type": "fixed-response",
                    "FixedResponseConfig": {
                        "StatusCode": "503",
                        "ContentType": "text/plain",
                        "MessageBody": "ECS is off",
                    },
                }
            ],
        )["Listeners"][0]["ListenerArn"]

    def target_group(self, name: str, **check: Any) -> str:
        declared = {
            "HealthCheckPath": "/health",
            "HealthCheckIntervalSeconds": 10,
            "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": 3,
            **check,
        }
        arn = self.elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=3000,
            VpcId=self.ids["vpc"],
            TargetType="ip",
            **declared,
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.modify_target_group_attributes(
            TargetGroupArn=arn,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "15"}],
        )
        return str(arn)

    def forward(self, **change: Any) -> None:
        self.ids["rule"] = self.elb.create_rule(
            ListenerArn=self.ids["listener"],
            Priority=10,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": self.ids["tg"], **change}],
        )["Rules"][0]["RuleArn"]

    def roles(self) -> None:
        for name in ("execution", "task"):
            role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]
            self.ids[f"{name}-role"] = role["Arn"]
        self.iam.attach_role_policy(RoleName="execution", PolicyArn=EXECUTION)

    def task_definition(self, version: str = "v1", **change: Any) -> str:
        environment = {"PORT": "3000", "APP_VERSION": version, **change.pop("environment", {})}
        whole = change.pop("whole", {})
        container = {
            "name": "app",
            "image": f"{REPOSITORY}:1",
            "essential": True,
            "portMappings": [{"containerPort": 3000}],
            "environment": [{"name": k, "value": v} for k, v in environment.items()],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "/ecs/app",
                    "awslogs-region": REGION,
                    "awslogs-stream-prefix": "ecs",
                },
            },
            **change,
        }
        made = self.ecs.register_task_definition(
            **{
                "family": "app",
                "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "cpu": "256",
                "memory": "512",
                "executionRoleArn": self.ids["execution-role"],
                "taskRoleArn": self.ids["task-role"],
                "containerDefinitions": [container],
                **whole,
            }
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def service(self, definition: str, desired: int = 1, **change: Any) -> None:
        self.ecs.create_service(
            **{
                "cluster": "main",
                "serviceName": "web",
                "taskDefinition": definition,
                "desiredCount": desired,
                "launchType": "FARGATE",
                "healthCheckGracePeriodSeconds": 60,
                "networkConfiguration": {
                    "awsvpcConfiguration": {
                        "subnets": self.ids["private"],
                        "securityGroups": [self.ids["task-sg"]],
                    }
                },
                "loadBalancers": [
                    {
                        "targetGroupArn": self.ids["tg"],
                        "containerName": "app",
                        "containerPort": 3000,
                    }
                ],
                "deploymentConfiguration": {
                    "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                    "minimumHealthyPercent": 100,
                    "maximumPercent": 200,
                },
                **change,
            }
        )

    def database(self, **change: Any) -> dict[str, Any]:
        """An RDS instance; returns it when it is available."""
        rds = self.rds
        rds.create_db_subnet_group(
            DBSubnetGroupName="db", DBSubnetGroupDescription="db", SubnetIds=self.ids["private"]
        )
        rds.create_db_parameter_group(
            DBParameterGroupName="db", DBParameterGroupFamily="postgres17", Description="db"
        )
        rds.create_db_instance(
            **{
                "DBInstanceIdentifier": "careapp-poc",
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

    def until_database(self, status: str) -> dict[str, Any]:
        def ask() -> Any:
            (found,) = self.rds.describe_db_instances()["DBInstances"]
            return found if found["DBInstanceStatus"] == status else None

        found: dict[str, Any] = until(ask, 30, f"the database to be {status}")
        return found

    def everything(self, **check: Any) -> None:
        """Stage 1 without a database, and what stage 2 needs around the service."""
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

    def messages(self) -> list[str]:
        return [each["message"] for each in reversed(self.describe()["events"])]

    def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster="main", serviceName="web", desiredStatus=status)[
            "taskArns"
        ]
        if not arns:
            return []
        found: list[dict[str, Any]] = self.ecs.describe_tasks(cluster="main", tasks=arns)["tasks"]
        return found

    def stopped(self) -> list[dict[str, Any]]:
        return self.tasks("STOPPED")

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.elb.describe_target_health(
            TargetGroupArn=self.ids["tg"]
        )["TargetHealthDescriptions"]
        return found

    def url(self) -> str:
        def ask() -> Any:
            listeners: Any = self.plane.describe()["listeners"]
            return listeners and listeners[0]["url"]

        return str(until(ask)).replace("localhost", "127.0.0.1")


def make_image(folder: Path, name: str = f"{REPOSITORY}:1", **change: Any) -> LocalImage:
    """The test app as an image."""
    (folder / "webapp").mkdir(parents=True, exist_ok=True)
    (folder / "webapp" / "app.py").write_text(APP)
    for each in (folder, folder / "webapp"):
        each.chmod(0o755)
    settings: dict[str, Any] = {
        "reference": name,
        "digest": "sha256:" + "ab" * 32,
        "platform": "linux/amd64",
        "folder": folder,
        "command": ("python3", "webapp/app.py"),
        "environment": {"PYTHONUNBUFFERED": "1"},
        "python": Path(sys.executable).parent,
    }
    return LocalImage(**{**settings, **change})


@pytest.fixture
def image(tmp_path: Path) -> LocalImage:
    """The test app, as an image outside any cloud."""
    return make_image(tmp_path / "image")


@pytest.fixture
def cloud() -> Iterator[Stack]:
    """Moto and a data plane at twenty times AWS's pace."""
    yield from at_speed(20.0)


@pytest.fixture(scope="module")
def empty() -> Iterator[Stack]:
    """A stack in which nothing is declared yet, shared by a file's tests."""
    yield from at_speed(20.0)


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """A stack whose service runs with one healthy task, shared by a file's tests."""
    yield from serving(20.0)


def serving(speed: float) -> Iterator[Stack]:
    """A stack whose service runs with one healthy task."""
    for stack in at_speed(speed):
        stack.everything()
        stack.service(stack.task_definition())
        stack.rolled_out()
        yield stack


def at_speed(speed: float) -> Iterator[Stack]:
    """Moto and a data plane at ``speed`` times AWS's pace."""
    # Not pytest's folder: it is closed to the user as whom the database runs.
    with tempfile.TemporaryDirectory(prefix="careapp-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield from _cloud_in(folder, speed)


def _cloud_in(folder: Path, speed: float) -> Iterator[Stack]:
    from moto.backends import get_backend

    hooks.install()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    images: dict[str, LocalImage] = {}

    def find(reference: str) -> LocalImage:
        if reference not in images:
            raise ImageNotFound(reference)
        return images[reference]

    image = make_image(folder / "image")
    images[image.reference] = image
    clock = Clock(speed)
    plane = DataPlane(
        folder=folder / "plane", clock=clock, images=find, port=0, aws_endpoint=endpoint
    )
    plane.start()
    try:
        yield Stack(plane, clock, endpoint, images)
    finally:
        plane.stop()
        server.stop()
        for name in ("acm", "ec2", "ecs", "elbv2", "events", "rds", "logs", "secretsmanager"):
            get_backend(name).reset()
        # Its managed policies take seconds to load again.
        hooks.backend("iam").roles.clear()
