"""The container definition of a task."""

from collections.abc import Mapping
from dataclasses import dataclass

from careapp.settings.container import filled
from careapp.settings.load_balancer import KEEP_ALIVE_SECONDS
from careapp.settings.names import CONTAINER
from careapp.settings.service import ServiceSettings

USER = "10001:10001"
"""The container's user and group. Without a group Docker would use root's (Dockerfile reference, USER)."""
STOP_SECONDS = 30
"""Longer than gunicorn's graceful_timeout of 25 s, so that ECS does not send SIGKILL."""
TMP_VOLUME = "tmp"
LOG_BUFFER = "25m"
"""The smallest buffer with which AWS measured no loss up to 5 MB/s: docs/decisions.md, 18."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """A command in place of the image's, without a port: its log streams' prefix, and seconds until SIGKILL."""

    name: str
    command: tuple[str, ...]
    stop_seconds: int = STOP_SECONDS


def container_definition(
    settings: ServiceSettings,
    process: Process | None,
    *,
    image: str,
    log_group: str,
    region: str,
    variables: Mapping[str, str],
) -> dict[str, object]:
    """Return the container definition (botocore, ContainerDefinition), of the web server or another process.

    ``variables`` are those whose values are outputs. They have the secret's ARN besides the password, because RDS
    rotates the password.
    """
    plain = {
        **variables,
        "DB_POOL_SIZE": str(settings.connections),
        "KEEP_ALIVE_SECONDS": str(KEEP_ALIVE_SECONDS),
        "PORT": str(settings.port),
        "WEB_CONCURRENCY": str(settings.workers),
    }
    own = {name: filled(text, plain) for name, text in settings.variables.items()}
    password = f"{plain['DB_SECRET_ARN']}:password::"
    secrets = {**settings.secrets, **dict.fromkeys(("DB_PASSWORD", *settings.passwords), password)}
    port = {"containerPort": settings.port, "hostPort": settings.port, "protocol": "tcp"}
    command = process.command if process else settings.command
    return {
        "name": CONTAINER,
        "image": image,
        "essential": True,
        "user": USER,
        # ECS Exec installs its agent in the container's root file system.
        "readonlyRootFilesystem": not settings.exec_enabled,
        "portMappings": [] if process else [port],
        **({"command": list(command)} if command else {}),
        "mountPoints": [{"sourceVolume": TMP_VOLUME, "containerPath": "/tmp", "readOnly": False}],  # noqa: S108
        "environment": _named(own | plain, "value"),
        "secrets": _named(secrets, "valueFrom"),
        "stopTimeout": process.stop_seconds if process else STOP_SECONDS,
        "linuxParameters": {"initProcessEnabled": True},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": process.name if process else CONTAINER,
                "mode": "non-blocking",
                "max-buffer-size": LOG_BUFFER,
            },
        },
    }


def _named(values: Mapping[str, str], field: str) -> list[dict[str, str]]:
    return [{"name": name, field: values[name]} for name in sorted(values)]
