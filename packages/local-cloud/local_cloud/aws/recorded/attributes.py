"""The attributes that an instance must have for a task definition (API reference, TaskDefinition, requiresAttributes).

Their names are those of amazon-ecs-agent; when ECS requires which is what AWS's recorded answers show
(``tests/recordings``), and published ones with EFS, checks and an order.
"""

from typing import Any

OWN, AWS = "ecs.capability.", "com.amazonaws.ecs.capability."
DOCKER, VARIABLES = f"{AWS}docker-remote-api.", "environment-variables"


def required(definition: Any) -> list[dict[str, str]]:
    """Return the attributes of moto's task definition, in the form of the API."""
    found = _of_definition(definition)
    for container in definition.container_definitions:
        found |= _of_container(container, hasattr(definition, "execution_role_arn"))
    return [{"name": name} for name in sorted(found) if found[name]]


def _of_definition(definition: Any) -> dict[str, object]:
    """Return which attributes the definition itself requires."""
    volumes = (volume.get("efsVolumeConfiguration") for volume in definition.volumes)
    systems = [volume for volume in volumes if volume]
    return {
        f"{DOCKER}1.18": True,
        f"{DOCKER}1.25": systems,
        f"{AWS}task-iam-role": getattr(definition, "task_role_arn", None),
        f"{OWN}efs": systems,
        f"{OWN}efsAuth": any(system.get("authorizationConfig") for system in systems),
        f"{OWN}task-eni": definition.network_mode == "awsvpc",
    }


def _of_container(given: Any, has_role: bool) -> dict[str, bool]:
    """Return the attributes that a container requires, each with True."""
    driver = (given.get("logConfiguration") or {}).get("logDriver")
    in_ecr = ".dkr.ecr." in str(given.get("image"))
    secrets = [secret["valueFrom"] for secret in given.get("secrets") or ()]
    rules = {
        f"{DOCKER}1.17": given.get("readonlyRootFilesystem") or given.get("linuxParameters"),
        f"{DOCKER}1.19": driver,
        f"{DOCKER}1.21": given.get("memoryReservation"),
        f"{DOCKER}1.24": given.get("healthCheck"),
        f"{DOCKER}1.29": any(mapping.get("name") for mapping in given.get("portMappings") or ()),
        f"{AWS}ecr-auth": in_ecr,
        f"{AWS}logging-driver.{driver}": driver,
        f"{OWN}container-health-check": given.get("healthCheck"),
        f"{OWN}container-ordering": {"dependsOn", "startTimeout", "stopTimeout"} & given.keys(),
        f"{OWN}env-files.s3": given.get("environmentFiles"),
        f"{OWN}execution-role-awslogs": has_role and driver == "awslogs",
        f"{OWN}execution-role-ecr-pull": has_role and in_ecr,
        f"{OWN}secrets.asm.{VARIABLES}": any(":secretsmanager:" in secret for secret in secrets),
        f"{OWN}secrets.ssm.{VARIABLES}": any(":secretsmanager:" not in each for each in secrets),
    }
    return {name: True for name, holds in rules.items() if holds}
