"""The task metadata endpoint (version 4) and the task role's credentials, on a task's own address."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from rehearsal.control import hooks
from rehearsal.data import task_role
from rehearsal.data.task_place import METADATA_PORT, ContainerState, Place

CREDENTIALS_LIFE = timedelta(hours=6)


class Metadata:
    """Answers one task's questions about itself."""

    def __init__(self, place: Place, status: Callable[[], str]) -> None:
        self._place, self._status = place, status
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken: then the address belongs to another cloud."""
        listener = self._place.listener(METADATA_PORT)
        self._server = await asyncio.start_server(self._serve, sock=listener)

    async def stop(self) -> None:
        """Close the listener."""
        if self._server is not None:
            self._server.close()

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
        place, base = self._place, f"/v4/{self._place.task}"
        if path == f"{base}/task":
            return self._task()
        if path == base and place.containers:
            return self._container(place.containers[0])
        if path == f"/credentials/{place.task}":
            return credentials(place)
        return None

    def _task(self) -> dict[str, Any]:
        place = self._place
        definition = place.definition
        return {
            "Cluster": f"{place.arn.split(':task/')[0]}:cluster/{place.cluster}",
            "TaskARN": place.arn,
            "Family": definition.family,
            "Revision": str(definition.revision),
            "DesiredStatus": "RUNNING",
            "KnownStatus": self._status(),
            "Limits": {"CPU": int(definition.cpu) / 1024, "Memory": int(definition.memory)},
            "AvailabilityZone": place.zone,
            "LaunchType": "FARGATE",
            "ServiceName": place.service,
            "Containers": [self._container(each) for each in place.containers],
        }

    def _container(self, container: ContainerState) -> dict[str, Any]:
        place = self._place
        return {
            "DockerId": f"{place.task}-{hashlib.sha256(container.name.encode()).hexdigest()[:10]}",
            "Name": container.name,
            "DockerName": container.name,
            "Image": container.image,
            "ImageID": container.digest,
            "Labels": {
                "com.amazonaws.ecs.cluster": place.cluster,
                "com.amazonaws.ecs.task-arn": place.arn,
                "com.amazonaws.ecs.container-name": container.name,
                "com.amazonaws.ecs.task-definition-family": place.definition.family,
                "com.amazonaws.ecs.task-definition-version": str(place.definition.revision),
            },
            "DesiredStatus": "RUNNING",
            "KnownStatus": container.status,
            "Type": "NORMAL",
            "Networks": [
                {"NetworkMode": "awsvpc", "IPv4Addresses": [place.private_address]},
            ],
        }


def credentials(place: Place) -> dict[str, str] | None:
    """The task role's temporary credentials; None when the task has no role."""
    role = getattr(place.definition, "task_role_arn", None)
    if role is None:
        return None
    mark = hashlib.sha256(place.task.encode()).hexdigest()
    key = f"ASIA{mark[:16].upper()}"
    hooks.registry.callers[key] = partial(task_role.judge, str(role), place.task)
    return {
        "RoleArn": role,
        "AccessKeyId": key,
        "SecretAccessKey": mark[16:56],
        "Token": mark,
        "Expiration": (datetime.now(UTC) + CREDENTIALS_LIFE).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
