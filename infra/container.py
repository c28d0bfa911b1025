"""The container of a task: what it is told, where it writes, how ECS sees that it is well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stack.names import CONTAINER
from stack.service import ServiceSettings

USER = "10001:10001"
"""User and group. A user without a primary group would run with root's (Dockerfile reference, USER)."""
STOP_SECONDS = 30
"""Longer than the app's own grace of 25 s, so that it ends by itself and is not killed."""
SCRATCH = "tmp"
LOG_BUFFER = "25m"
"""The least with which AWS measured no loss up to 5 MB/s of log: docs/decisions/18-log-delivery.md."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the container finds around it, once all of it is known."""

    image: str
    version: str
    db_host: str
    db_port: int
    db_name: str
    db_user: str
    db_secret_arn: str
    log_group: str
    region: str


def definition(around: Surroundings, settings: ServiceSettings) -> dict[str, object]:
    """The container definition as ECS takes it (botocore, ContainerDefinition)."""
    variables = {**settings.variables, **environment(around, settings)}
    secrets = {**settings.secrets, "DB_PASSWORD": f"{around.db_secret_arn}:password::"}
    return {
        "name": CONTAINER,
        "image": around.image,
        "essential": True,
        "user": USER,
        # ECS Exec puts its agent into the container's root, so it needs to write there.
        "readonlyRootFilesystem": not settings.exec_enabled,
        "portMappings": [
            {"containerPort": settings.port, "hostPort": settings.port, "protocol": "tcp"}
        ],
        "mountPoints": [{"sourceVolume": SCRATCH, "containerPath": "/tmp", "readOnly": False}],  # noqa: S108
        "environment": _named(variables, "value"),
        "secrets": _named(secrets, "valueFrom"),
        **health_check(settings.health_command),
        "stopTimeout": STOP_SECONDS,
        "linuxParameters": {"initProcessEnabled": True},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": around.log_group,
                "awslogs-region": around.region,
                "awslogs-stream-prefix": CONTAINER,
                "mode": "non-blocking",
                "max-buffer-size": LOG_BUFFER,
            },
        },
    }


def health_check(command: str) -> dict[str, object]:
    """The check that ECS makes inside the container, in seconds; none without a command.

    ECS ignores the image's own HEALTHCHECK (API reference, HealthCheck). The load balancer's check asks
    the app in any case, and a program of the image is known to the app alone: so there is no default.
    """
    if not command:
        return {}
    check = {"command": ["CMD-SHELL", command], "interval": 15, "timeout": 5, "retries": 3}
    return {"healthCheck": {**check, "startPeriod": 30}}


def environment(around: Surroundings, settings: ServiceSettings) -> dict[str, str]:
    """The variables that the app reads. RDS rotates the password, hence the secret's ARN too."""
    return {
        "APP_VERSION": around.version,
        "DB_HOST": around.db_host,
        "DB_NAME": around.db_name,
        "DB_PORT": str(around.db_port),
        "DB_SECRET_ARN": around.db_secret_arn,
        "DB_USER": around.db_user,
        "PORT": str(settings.port),
        "WEB_CONCURRENCY": str(max(1, settings.cpu // 1024)),
    }


def _named(values: Mapping[str, str], field: str) -> list[dict[str, str]]:
    return [{"name": name, field: values[name]} for name in sorted(values)]
