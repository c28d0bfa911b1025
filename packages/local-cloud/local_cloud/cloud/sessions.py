"""SSM Session Manager's port forwarding: its targets, and a loopback port that security groups apply to."""

import secrets
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from local_cloud.aws import hooks
from local_cloud.aws.ec2.firewall import Endpoint
from local_cloud.aws.ec2.network import endpoint_of, reaches, read_map
from local_cloud.aws.ecs.scheduler import Found
from local_cloud.aws.hooks import Hooking
from local_cloud.aws.iam import documents_of
from local_cloud.aws.policy_evaluation import ALLOWED, decide
from local_cloud.aws.rds import patches
from local_cloud.aws.rds.database import Databases, open_port
from local_cloud.machine.sockets import LOOPBACK, Forwarder, Loop

CHANNELS = ("ssmmessages:CreateControlChannel", "ssmmessages:OpenDataChannel")

FindTask = Callable[[str], Found | None]
Interface = Callable[[], Endpoint | None]
"""Return the target's current network interface; None if it was deleted."""


def find(target: str, find_task: FindTask) -> Interface:
    """Return the interface of an instance ``i-…`` or a container ``ecs:CLUSTER_TASK_RUNTIME``.

    Raises Refused if the target is not connected to Session Manager.
    """
    interface, role = _task(target, find_task) if target.startswith("ecs:") else _instance(target)
    source = interface()
    documents = documents_of(role) if role else None
    needs = [documents is not None and decide(documents, channel, "*") for channel in CHANNELS]
    if source is None or {*needs} != {ALLOWED} or not reaches(read_map(), source, "ssmmessages"):
        raise hooks.Refused("TargetNotConnected", f"{target} is not connected.")
    return interface


def _instance(target: str) -> tuple[Interface, str | None]:
    def running() -> Any:
        return next((each for each in _running() if each.id == target), None)

    def interface() -> Endpoint | None:
        found = running()
        return endpoint_of(found.nics[0]) if found is not None else None

    found = running()
    return interface, _instance_role(found) if found is not None else None


def _running() -> list[Any]:
    with hooks.LOCK:
        return list(hooks.backend("ec2").all_running_instances())


def _instance_role(instance: Any) -> str | None:
    with hooks.LOCK:
        found = hooks.backend("ec2").iam_instance_profile_associations.get(instance.id)
    roles = list(found.iam_instance_profile.roles) if found is not None else []
    return str(roles[0].arn) if roles else None


def _task(target: str, find_task: FindTask) -> tuple[Interface, str | None]:
    """Return the interface and role of a task that was started with ECS Exec, which has the agent."""
    _, _, rest = target.partition(":")
    task, _, runtime = rest.rpartition("_")
    task = task.rpartition("_")[2]

    def interface() -> Endpoint | None:
        found = find_task(task)
        if found is None or not found[1].enable_execute_command:
            return None
        place, shown = found
        if runtime not in [container.get("runtimeId") for container in shown.containers]:
            return None
        return endpoint_of(place.interface)

    found = find_task(task)
    role = getattr(found[0].definition, "task_role_arn", None) if found else None
    return interface, role


DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"


class Sessions:
    """StartSession and TerminateSession for the document that forwards to a remote host."""

    def __init__(self, loop: Loop, databases: Databases, find_task: FindTask) -> None:
        self._loop, self._databases, self._find_task = loop, databases, find_task
        self._ports: dict[str, Forwarder] = {}
        self._targets: dict[str, str] = {}

    def start(self, hooking: Hooking) -> None:
        hooking.instead("ssm", "StartSession", self._start)
        hooking.instead("ssm", "TerminateSession", self._terminate)
        hooking.instead("ssm", "DescribeSessions", self._describe)
        hooking.instead("ssm", "DescribeInstanceInformation", self._instances)

    def stop(self) -> None:
        for session in list(self._ports):
            self._loop.run(self._ports.pop(session).stop())

    def _describe(self, params: hooks.Params) -> hooks.Params:
        """Return the sessions that were not terminated; the others are not kept."""
        rows = [
            {"SessionId": name, "Target": self._targets[name], "Status": "Connected"}
            for name in self._ports
        ]
        return {"Sessions": rows if params["State"] == "Active" else []}

    def _instances(self, params: hooks.Params) -> hooks.Params:
        """Return the running instances that Session Manager reaches; of the filters only InstanceIds is known."""
        filters = params.get("Filters") or ()
        if any(condition["Key"] != "InstanceIds" for condition in filters):
            raise NotImplementedError
        rows = []
        for name in (instance.id for instance in _running()):
            with suppress(hooks.Refused):
                find(name, self._find_task)
                same = {"PlatformType": "Linux", "ResourceType": "EC2Instance"}
                rows.append({"InstanceId": name, "PingStatus": "Online", **same})
        chosen = [
            row for row in rows if all(row["InstanceId"] in each["Values"] for each in filters)
        ]
        return {"InstanceInformationList": chosen}

    def _start(self, params: hooks.Params) -> hooks.Params:
        if params.get("DocumentName") != DOCUMENT:
            words = f"the rehearsal knows no session document but {DOCUMENT}"
            raise hooks.Refused("InvalidDocument", words)
        interface = find(str(params["Target"]), self._find_task)
        given = params["Parameters"]
        host, port = str(given["host"][0]), int(given["portNumber"][0])
        session, token = f"rehearsal-{uuid.uuid4().hex[:17]}", secrets.token_urlsafe(32)
        # Bound at once and not on the loop, which may be waiting for the lock that the API call holds.
        listener = socket.create_server((LOOPBACK, 0))
        url = f"tcp://{LOOPBACK}:{listener.getsockname()[1]}"
        forwarder = Forwarder(listener, lambda: self._local_port(interface, host, port), token)
        self._ports[session], self._targets[session] = forwarder, str(params["Target"])
        self._loop.begin(forwarder.start())
        return {"SessionId": session, "TokenValue": token, "StreamUrl": url}

    def _terminate(self, params: hooks.Params) -> hooks.Params:
        session = str(params["SessionId"])
        if forwarder := self._ports.pop(session, None):
            self._loop.begin(forwarder.stop())
        return {"SessionId": session}

    def _local_port(self, interface: Interface, host: str, port: int) -> int | None:
        """Return the local port of the database with that name if security groups let the target reach it now."""
        source = interface()
        for instance in patches.instances():
            if patches.address(instance) == host and int(instance.port) == port and source:
                return open_port(self._databases, instance, source, read_map())
        return None
