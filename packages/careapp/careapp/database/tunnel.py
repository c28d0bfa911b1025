"""Finds a jump host and opens a tunnel through it with AWS Session Manager."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from careapp.settings.names import CONTAINER, StackNames
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.session import Session
from ecs_gate.parts import ecs
from ecs_gate.parts.rds import Database
from ecs_gate.parts.records import Service, read_part
from ecs_gate.text import Refused, Text, t
from local_cloud.machine.signals import interrupts_wait

AGENT = "ExecuteCommandAgent"


@dataclass(frozen=True, kw_only=True)
class JumpHost:
    """The bastion or a task, from which the database is reachable. ``target`` is Session Manager's name for it."""

    target: str
    text: Text
    vpc: str
    groups: tuple[str, ...]
    subnets: tuple[str, ...]


def find(session: Session, names: StackNames) -> JumpHost:
    """Return the bastion if there is one, else a task. Raises Refused and AwsProblem."""
    host = _bastion(session, names)
    if isinstance(host, JumpHost):
        return host
    task = _task(session, names)
    if isinstance(task, JumpHost):
        return task
    raise Refused(
        "The database is not reachable: {why}. Enable the bastion with `pulumi config set "
        "bastionEnabled true -s {stack}` (or execEnabled, once ECS runs) and `pulumi up -s "
        "{stack}`.",
        why=t("{first}, and {second}", first=host, second=task),
        stack=names.stack,
    )


def _bastion(session: Session, names: StackNames) -> JumpHost | Text:
    name = f"{names.prefix}-bastion"
    filters = [
        {"Name": "tag:Name", "Values": [name]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    instances = [
        instance
        for reservation in session.all("ec2", "describe_instances", "Reservations", Filters=filters)
        for instance in reservation["Instances"]
    ]
    if not instances:
        return t("no instance {name} runs", name=name)
    raw = instances[0]
    return JumpHost(
        target=raw["InstanceId"],
        text=t("bastion {id}", id=raw["InstanceId"]),
        vpc=raw["VpcId"],
        groups=tuple(group["GroupId"] for group in raw["SecurityGroups"]),
        subnets=(raw["SubnetId"],),
    )


def _task(session: Session, names: StackNames) -> JumpHost | Text:
    part = read_part(ecs.service, session, names)
    if part.problem:
        raise part.problem
    if part.value is None:
        return t("ECS is off")
    tasks = list(_running(session, names))
    if not tasks:
        return t("no task runs")
    for task in tasks:
        if runtime := _reachable(task):
            return _through(session, names, part.value, task, runtime)
    if any(task.get("enableExecuteCommand") for task in tasks):
        return t("no task's {agent} runs yet", agent=AGENT)
    return t("the tasks run without execEnabled")


def _running(session: Session, names: StackNames) -> Iterator[dict[str, Any]]:
    chosen = {"cluster": names.cluster, "serviceName": names.service, "desiredStatus": "RUNNING"}
    arns = session.all("ecs", "list_tasks", "taskArns", **chosen)
    tasks = ecs.described(session, names.cluster, arns)
    return (task for task in tasks if task["lastStatus"] == "RUNNING")


def _reachable(task: dict[str, Any]) -> str | None:
    """Return the app container's runtime id, if the agent of ECS Exec runs in it."""
    for container in task["containers"]:
        agents = {
            agent["name"]: agent.get("lastStatus") for agent in container.get("managedAgents", ())
        }
        if container["name"] == CONTAINER and agents.get(AGENT) == "RUNNING":
            return str(container["runtimeId"])
    return None


def _through(
    session: Session, names: StackNames, service: Service, task: dict[str, Any], runtime: str
) -> JumpHost:
    id_ = task["taskArn"].rpartition("/")[2]
    subnets = session.call("ec2", "describe_subnets", SubnetIds=list(service.subnets))["Subnets"]
    return JumpHost(
        target=f"ecs:{names.cluster}_{id_}_{runtime}",
        text=t("task {id}", id=id_[:8]),
        vpc=subnets[0]["VpcId"],
        groups=service.groups,
        subnets=service.subnets,
    )


NAME = "session-manager-plugin"

TOO_OLD = (1, 2, 497, 0)
"""The last version that takes the session only as an argument, where its token would stand in the
process list (aws-cli, customizations/sessionmanager.py)."""

VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"

OPENED = re.compile(r"Port (\d+) opened for sessionId")

OPEN_SECONDS = 30

STOP_SECONDS = 5


def find_plugin() -> str:
    """Return the plugin's path. Raises Refused where it is missing or too old."""
    path = shutil.which(NAME)
    if path is None:
        raise Refused(
            "{name} is not on PATH, and the tunnel into the VPC needs it: install AWS's "
            "Session Manager plugin (AWS Systems Manager user guide, or your package "
            "manager).",
            name=NAME,
        )
    output = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=False, timeout=10
    ).stdout.strip()
    if _version(output) <= TOO_OLD:
        raise Refused(
            "{name} is version {said}; update it to one after {old}, which keeps the "
            "session's token out of the process list.",
            name=NAME,
            said=output or "?",
            old=".".join(map(str, TOO_OLD)),
        )
    return path


def _version(output: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", output)[:4])


class Plugin:
    """A running session-manager-plugin, which listens on a port of 127.0.0.1."""

    def __init__(self, path: str, session: Mapping[str, Any], arguments: list[str]) -> None:
        """``session`` is StartSession's answer; ``arguments`` follow the variable's name."""
        response = {key: session[key] for key in ("SessionId", "TokenValue", "StreamUrl")}
        self._output: list[str] = []
        self._port: int | None = None
        self._process = subprocess.Popen(
            [path, VARIABLE, *arguments],
            env={**os.environ, VARIABLE: json.dumps(response)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A Ctrl-C is for psql or for the command that holds the tunnel open, which ends the plugin.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if match := OPENED.search(line):
                self._port = int(match[1])
            if line.strip():
                self._output = [*self._output[-4:], line.strip()]

    def port(self) -> int:
        """Wait until the plugin listens and return its port. Raises Refused with its output."""
        deadline = time.monotonic() + OPEN_SECONDS
        while self._port is None:
            if not self.alive or time.monotonic() > deadline:
                self._reader.join(1)
                raise Refused(
                    "{name} opened no port: {said}", name=NAME, said=" ".join(self._output) or "-"
                )
            time.sleep(0.02)
        return self._port

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Stop the plugin; a second call does nothing."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        if self.alive:
            self._process.kill()
            self._process.wait()
        self._reader.join(1)
        if self._process.stdout:
            self._process.stdout.close()


DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"


@dataclass(frozen=True)
class Tunnel:
    """An open tunnel."""

    jump_host: JumpHost
    port: int
    _plugin: Plugin

    @property
    def alive(self) -> bool:
        """Return whether it is open.

        Session Manager closes a session after 20 idle minutes (Systems Manager user guide).
        """
        return self._plugin.alive


@contextmanager
def open_tunnel(
    session: Session, jump_host: JumpHost, database: Database, port: int = 0
) -> Iterator[Tunnel]:
    """Open a tunnel and close it at the end of the block. Port 0 takes any. Raises Refused and AwsProblem."""
    path = find_plugin()
    request = {
        "Target": jump_host.target,
        "DocumentName": DOCUMENT,
        "Parameters": {
            "host": [database.address],
            "portNumber": [str(database.port)],
            "localPortNumber": [str(port)],
        },
    }
    answer = _started(session, request, jump_host)
    near = None
    try:
        endpoint = session.client("ssm").meta.endpoint_url
        arguments = [session.region, "StartSession", session.profile or "", json.dumps(request)]
        with interrupts_wait():
            near = Plugin(path, answer, [*arguments, endpoint])
        yield Tunnel(jump_host, near.port(), near)
    finally:
        if near is not None:
            near.stop()
        # The plugin may have ended it already.
        with suppress(AwsProblem):
            session.call("ssm", "terminate_session", SessionId=answer["SessionId"])


def _started(session: Session, request: dict[str, Any], jump_host: JumpHost) -> dict[str, Any]:
    try:
        return session.call("ssm", "start_session", **request)
    except AwsProblem as problem:
        if problem.code != "TargetNotConnected":
            raise
        raise Refused(
            "Session Manager is not connected to {host}: its agent connects about a minute "
            "after the start, and needs a route to AWS and the role's ssmmessages "
            "permissions; try again, then check both.",
            host=jump_host.text,
        ) from None
