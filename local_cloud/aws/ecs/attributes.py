"""The attributes that an instance must have for a task definition (API reference, TaskDefinition, requiresAttributes).

Their names are those of amazon-ecs-agent; when ECS requires which is what AWS's recorded answers show
(``local_cloud/tests/recordings``), and published ones with EFS, checks and an order.
"""

from collections.abc import Callable
from typing import Any

OWN, AWS = "ecs.capability.", "com.amazonaws.ecs.capability."
DOCKER, ENVIRONMENT = f"{AWS}docker-remote-api.", ".environment-variables"


def _logs(container: Any) -> str | None:
    return (container.get("logConfiguration") or {}).get("logDriver")


def _in_ecr(container: Any) -> bool:
    return ".dkr.ecr." in str(container.get("image"))


def _stores(container: Any) -> set[str]:
    values = (each["valueFrom"] for each in container.get("secrets") or ())
    return {"asm" if ":secretsmanager:" in each else "ssm" for each in values}


def _efs(definition: Any) -> list[Any]:
    return [each for v in definition.volumes if (each := v.get("efsVolumeConfiguration"))]


# fmt: off
ATTRIBUTES: tuple[tuple[str, Callable[[Any, Any], object]], ...] = (
    (f"{DOCKER}1.17", lambda _, c: c.get("readonlyRootFilesystem")),
    (f"{DOCKER}1.18", lambda *_: True),
    (f"{DOCKER}1.19", lambda _, c: _logs(c)),
    (f"{DOCKER}1.21", lambda _, c: c.get("memoryReservation")),
    (f"{DOCKER}1.24", lambda _, c: c.get("healthCheck")),
    (f"{DOCKER}1.25", lambda d, _: _efs(d)),
    (f"{DOCKER}1.29", lambda _, c: any(each.get("name") for each in c.get("portMappings") or ())),
    (f"{AWS}ecr-auth", lambda _, c: _in_ecr(c)),
    (f"{AWS}logging-driver.{{}}", lambda _, c: _logs(c)),
    (f"{AWS}task-iam-role", lambda d, _: getattr(d, "task_role_arn", None)),
    (f"{OWN}container-health-check", lambda _, c: c.get("healthCheck")),
    (f"{OWN}container-ordering", lambda _, c: {"dependsOn", "startTimeout", "stopTimeout"} & c.keys()),
    (f"{OWN}efs", lambda d, _: _efs(d)),
    (f"{OWN}efsAuth", lambda d, _: any(each.get("authorizationConfig") for each in _efs(d))),
    (f"{OWN}env-files.s3", lambda _, c: c.get("environmentFiles")),
    (f"{OWN}execution-role-awslogs", lambda d, c: _logs(c) == "awslogs" and hasattr(d, "execution_role_arn")),
    (f"{OWN}execution-role-ecr-pull", lambda d, c: _in_ecr(c) and hasattr(d, "execution_role_arn")),
    (f"{OWN}secrets.asm{ENVIRONMENT}", lambda _, c: "asm" in _stores(c)),
    (f"{OWN}secrets.ssm{ENVIRONMENT}", lambda _, c: "ssm" in _stores(c)),
    (f"{OWN}task-eni", lambda d, _: d.network_mode == "awsvpc"),
)
# fmt: on
"""The attributes, each with whether a definition and one of its containers require it; that may fill a gap in it."""


def required(definition: Any) -> list[dict[str, str]]:
    """Return the attributes of moto's task definition, in the form of the API."""
    containers = definition.container_definitions
    found = {
        n.format(v) for n, rule in ATTRIBUTES for c in containers if (v := rule(definition, c))
    }
    return [{"name": name} for name in sorted(found)]
