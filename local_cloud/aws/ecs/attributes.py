"""The attributes that an instance must have for a task definition (API reference, TaskDefinition, requiresAttributes).

Their names are those of amazon-ecs-agent; when ECS requires which is what AWS's recorded answers show
(``local_cloud/tests/recordings``), and published ones with EFS, checks and an order.
"""

from collections.abc import Iterator, Mapping
from typing import Any

OWN, AWS = "ecs.capability.", "com.amazonaws.ecs.capability."
DOCKER = f"{AWS}docker-remote-api."
BY_MEMBER: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("dependsOn", "startTimeout", "stopTimeout"), (f"{OWN}container-ordering",)),
    "environmentFiles": (f"{OWN}env-files.s3",),
    "healthCheck": (f"{DOCKER}1.24", f"{OWN}container-health-check"),
    "logConfiguration": (f"{DOCKER}1.19",),
    "memoryReservation": (f"{DOCKER}1.21",),
    "readonlyRootFilesystem": (f"{DOCKER}1.17",),
}
"""What a container needs for a member that it has."""


def required(definition: Any) -> list[dict[str, str]]:
    """Return the attributes of moto's task definition, in the form of the API."""
    return [{"name": name} for name in sorted({*_required(definition)})]


def _required(definition: Any) -> Iterator[str]:
    yield f"{DOCKER}1.18"
    if definition.network_mode == "awsvpc":
        yield f"{OWN}task-eni"
    if getattr(definition, "task_role_arn", None):
        yield f"{AWS}task-iam-role"
    if systems := [
        each["efsVolumeConfiguration"]
        for each in definition.volumes
        if "efsVolumeConfiguration" in each
    ]:
        yield from (f"{DOCKER}1.25", f"{OWN}efs")
        if any(each.get("authorizationConfig") for each in systems):
            yield f"{OWN}efsAuth"
    for container in definition.container_definitions:
        yield from _of_container(container, bool(getattr(definition, "execution_role_arn", None)))


def _of_container(container: Mapping[str, Any], has_role: bool) -> Iterator[str]:
    yield from (name for key, names in BY_MEMBER.items() if container.get(key) for name in names)
    if driver := (container.get("logConfiguration") or {}).get("logDriver"):
        yield f"{AWS}logging-driver.{driver}"
        if has_role and driver == "awslogs":
            yield f"{OWN}execution-role-awslogs"
    if ".dkr.ecr." in str(container.get("image")):
        yield f"{AWS}ecr-auth"
        if has_role:
            yield f"{OWN}execution-role-ecr-pull"
    if any(each.get("name") for each in container.get("portMappings") or ()):
        yield f"{DOCKER}1.29"
    for secret in container.get("secrets") or ():
        store = "asm" if ":secretsmanager:" in secret["valueFrom"] else "ssm"
        yield f"{OWN}secrets.{store}.environment-variables"
