"""Gives tasks their network interface and address, and serves the task metadata endpoint (version 4) there."""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from botocore.credentials import Credentials

from local_cloud.aws import hooks, iam
from local_cloud.aws.ec2.network import attach, detach, endpoint_of, reaches, read_map
from local_cloud.aws.ecs.placement import (
    API_PORT,
    METADATA_PORT,
    PLATFORM,
    Addresses,
    ContainerState,
    Placement,
)
from local_cloud.aws.rds import patches
from local_cloud.aws.rds.database import Databases, open_port
from local_cloud.machine.namespaces import Namespace
from local_cloud.machine.sockets import Forwarder, Loop, close_server

CREDENTIALS_LIFE = timedelta(hours=6)
SECRET = secrets.token_bytes(32)
"""Makes the keys of tasks, whose ids anybody may know."""


class Metadata:
    """The task metadata endpoint of one task."""

    def __init__(self, placement: Placement, status: Callable[[], str]) -> None:
        self._place, self._status = placement, status
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken: then another local cloud uses the address."""
        listener = self._place.listener(METADATA_PORT)
        self._server = await asyncio.start_server(self._serve, sock=listener)

    async def stop(self) -> None:
        if self._server is not None:
            await close_server(self._server)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode("latin-1").split("?")[0]
            answer = self._answer(path)
            body = json.dumps(answer if answer is not None else {"error": f"no {path}"}).encode()
            status = "200 OK" if answer is not None else "404 Not Found"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (OSError, TimeoutError, IndexError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, path: str) -> dict[str, Any] | None:
        placement, base = self._place, f"/v4/{self._place.task}"
        if path == f"{base}/task":
            return self._task()
        if path == base and placement.containers:
            return self._container(placement.containers[0])
        if path == f"/credentials/{placement.task}":
            return credentials(placement)
        return None

    def _task(self) -> dict[str, Any]:
        placement = self._place
        definition = placement.definition
        return {
            "Cluster": f"{placement.arn.split(':task/')[0]}:cluster/{placement.cluster}",
            "TaskARN": placement.arn,
            "Family": definition.family,
            "Revision": str(definition.revision),
            "DesiredStatus": "RUNNING",
            "KnownStatus": self._status(),
            "Limits": {"CPU": int(definition.cpu) / 1024, "Memory": int(definition.memory)},
            "AvailabilityZone": placement.zone,
            "LaunchType": "FARGATE",
            **({"ServiceName": placement.service} if placement.service else {}),
            "Containers": [self._container(container) for container in placement.containers],
        }

    def _container(self, container: ContainerState) -> dict[str, Any]:
        placement = self._place
        return {
            "DockerId": f"{placement.task}-{hashlib.sha256(container.name.encode()).hexdigest()[:10]}",
            "Name": container.name,
            "DockerName": container.name,
            "Image": container.image,
            "ImageID": container.digest,
            "Labels": {
                "com.amazonaws.ecs.cluster": placement.cluster,
                "com.amazonaws.ecs.task-arn": placement.arn,
                "com.amazonaws.ecs.container-name": container.name,
                "com.amazonaws.ecs.task-definition-family": placement.definition.family,
                "com.amazonaws.ecs.task-definition-version": str(placement.definition.revision),
            },
            "DesiredStatus": "RUNNING",
            "KnownStatus": container.status,
            "Type": "NORMAL",
            "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": [placement.private_address]}],
        }


def credentials(placement: Placement) -> dict[str, str] | None:
    """Return the task role's temporary credentials; None if the task has no role."""
    role = getattr(placement.definition, "task_role_arn", None)
    if role is None:
        return None
    mark = hmac.digest(SECRET, placement.task.encode(), "sha256").hex()
    key = f"ASIA{mark[:16].upper()}"
    hooks.registry.callers[key] = iam.TaskRole(str(role), placement.task)
    hooks.registry.keys[key] = Credentials(key, mark[16:56], mark)
    return {
        "RoleArn": role,
        "AccessKeyId": key,
        "SecretAccessKey": mark[16:56],
        "Token": mark,
        "Expiration": (datetime.now(UTC) + CREDENTIALS_LIFE).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


API_SERVICES = ("secretsmanager", "logs", "ecr.api", "ecs", "sts")


class TaskNetwork:
    """The placements of all tasks, found by private address.

    Every task has a network namespace, or with ``addresses`` a loopback address. With ``mounts``
    its containers have mount namespaces.
    """

    def __init__(
        self,
        loop: Loop,
        addresses: Addresses | None,
        databases: Databases,
        aws_endpoint: str,
        *,
        mounts: bool,
    ) -> None:
        self._loop, self._addresses, self._databases = loop, addresses, databases
        self._mounts = mounts
        self._api_port = urlsplit(aws_endpoint).port
        self._by_address: dict[str, Placement] = {}
        self._metadata: dict[str, Metadata] = {}
        self._database_ports: set[int] = set()

    def find(self, private_address: str) -> Placement | None:
        return self._by_address.get(private_address)

    def give(
        self,
        task: str,
        service: Any,
        configuration: Mapping[str, Any],
        definition: Any,
        status: Callable[[], str],
    ) -> Placement:
        """Return a placement for a new task, in the subnets of its revision.

        Raises NoAddressLeft, NoLoopback or OSError.
        """
        network = configuration["awsvpcConfiguration"]
        subnet = self._least_used(network["subnets"])
        public = network.get("assignPublicIp") == "ENABLED"
        words = f"{service.cluster_arn}/{task}"
        interface = attach(subnet, network.get("securityGroups") or [], public, words)
        try:
            placement = self._settle(task, service, definition, interface, status)
        except BaseException:
            detach(interface.id)
            raise
        self._by_address[placement.private_address] = placement
        self._open_listeners(placement)
        return placement

    def _settle(
        self, task: str, service: Any, definition: Any, interface: Any, status: Callable[[], str]
    ) -> Placement:
        """Return the task's placement with its metadata endpoint.

        A loopback address belongs to the local cloud that listens on its metadata port.
        """
        while True:
            address, namespace = self._network_of(definition, str(interface.private_ip_address))
            placement = Placement(
                task=task,
                cluster=service.cluster_name,
                service=service.name,
                definition=definition,
                interface=interface,
                address=address,
                namespace=namespace,
                mounts=self._mounts,
            )
            metadata = Metadata(placement, status)
            try:
                self._loop.run(metadata.start())
            except OSError:
                if namespace is None:
                    # Another local cloud took the address first. It stays marked as taken.
                    continue
                namespace.close()
                raise
            self._metadata[task] = metadata
            return placement

    def _network_of(self, definition: Any, private_address: str) -> tuple[str, Namespace | None]:
        if self._addresses is None:
            return private_address, Namespace([private_address, PLATFORM])
        return self._addresses.take([*_ports(definition), METADATA_PORT, API_PORT]), None

    def refresh(self) -> None:
        """Let running tasks reach a database that was declared after they started."""
        ports = _database_ports()
        if ports - self._database_ports:
            self._database_ports = ports
            for placement in list(self._by_address.values()):
                self._open_listeners(placement)

    def _open_listeners(self, placement: Placement) -> None:
        """Listen in the task's network for the AWS API and for every declared database port."""
        if API_PORT not in placement.forwarders:
            self._listen(placement, API_PORT, partial(self._api, placement))
        for port in (
            _database_ports() - set(placement.forwarders) - set(_ports(placement.definition))
        ):
            self._listen(placement, port, partial(self._database, placement, port))

    def release(self, placement: Placement) -> None:
        self._by_address.pop(placement.private_address, None)
        metadata = self._metadata.pop(placement.task, None)
        if metadata is not None:
            self._loop.run(metadata.stop())
        for forwarder in placement.forwarders.values():
            self._loop.run(forwarder.stop())
        detach(placement.interface.id)
        if placement.namespace is not None:
            placement.namespace.close()
        elif self._addresses is not None:
            self._addresses.give_back(placement.address)

    def _listen(self, placement: Placement, port: int, lookup: Callable[[], int | None]) -> None:
        forwarder = placement.forwarders[port] = Forwarder(placement.listener(port), lookup)
        self._loop.run(forwarder.start())

    def _least_used(self, subnets: Sequence[str]) -> str:
        """Return the subnet with the fewest tasks: ECS spreads tasks over the zones."""
        used = [str(placement.interface.subnet.id) for placement in self._by_address.values()]
        return min(subnets, key=lambda subnet: (used.count(subnet), subnets.index(subnet)))

    def _api(self, placement: Placement) -> int | None:
        network, source = read_map(), endpoint_of(placement.interface)
        open_ = any(reaches(network, source, service) for service in API_SERVICES)
        return self._api_port if open_ else None

    def _database(self, placement: Placement, port: int) -> int | None:
        """Return the port of a running database on that port that the task may reach.

        All databases have one address in the task's network, so the task's variables decide between two: the
        database whose endpoint one of them names comes first. Where names do not resolve, nothing answers.
        """
        network, source = read_map(), endpoint_of(placement.interface)
        named = _values(placement.definition)
        if source.subnet in network.without_dns:
            return None
        known = sorted(patches.instances(), key=lambda each: patches.address(each) not in named)
        for instance in known:
            found = open_port(self._databases, instance, source, network)
            if found is not None and int(instance.port) == port:
                return found
        return None


def _database_ports() -> set[int]:
    return {int(instance.port) for instance in patches.instances()}


def _values(definition: Any) -> set[str]:
    return {
        str(variable.get("value"))
        for container in definition.container_definitions
        for variable in container.get("environment") or ()
    }


def _ports(definition: Any) -> list[int]:
    return [
        int(mapping["containerPort"])
        for container in definition.container_definitions
        for mapping in container.get("portMappings") or ()
    ]
