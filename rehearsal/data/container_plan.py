"""What a container is started with: command and environment, from image and task definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.images import LocalImage

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STOP_SECONDS = 30.0
"""Fargate's stop timeout when a container declares none."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One container, ready to start. ``memory`` in MiB (None: the task's), ``stop_timeout`` in AWS seconds."""

    name: str
    image: LocalImage
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    cwd: Path
    user: str | None
    read_only: bool
    essential: bool
    memory: int | None
    stop_timeout: float
    log_group: str | None
    log_stream: str | None


def plan(
    definition: Mapping[str, Any],
    image: LocalImage,
    secrets: Mapping[str, str],
    platform: Mapping[str, str],
    log: tuple[str, str] | None,
) -> Plan:
    """Put a container together.

    The environment is exactly: the image's, the task definition's, its secrets, and what the platform
    supplies; nothing of the local cloud's own.
    """
    declared = {str(each["name"]): str(each["value"]) for each in definition["environment"]}
    told = {name: image.outside(value) for name, value in {**image.environment, **declared}.items()}
    environment = {**told, **secrets, **platform}
    if not image.docker:
        path = environment.get("PATH", SYSTEM_PATH)
        environment["PATH"] = f"{image.python}:{path}" if image.python else path
    folder = definition.get("workingDirectory")
    return Plan(
        name=str(definition["name"]),
        image=image,
        argv=tuple(map(image.outside, _command(definition, image))),
        environment=environment,
        cwd=image.folder if not folder or not image.docker else Path(folder),
        user=definition.get("user") or image.user,
        read_only=bool(definition.get("readonlyRootFilesystem")),
        essential=bool(definition.get("essential", True)),
        memory=definition.get("memory"),
        stop_timeout=float(definition.get("stopTimeout") or STOP_SECONDS),
        log_group=log[0] if log else None,
        log_stream=log[1] if log else None,
    )


def _command(definition: Mapping[str, Any], image: LocalImage) -> Sequence[str]:
    """An entry point in the task definition drops the image's command (Docker's own rule)."""
    entry = [str(each) for each in definition.get("entryPoint") or ()]
    command = [str(each) for each in definition.get("command") or ()]
    if entry:
        return entry + command
    return command or image.command
