"""Controls of Amazon ECS and Amazon ECR."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.controls.control import Control, Service, Wrong, lacking, said, unless
from tests.controls.graph import Graph, Resource

SERVICE = "aws:ecs/service:Service"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
CLUSTER = "aws:ecs/cluster:Cluster"
REPOSITORY = "aws:ecr/repository:Repository"
KEYS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ECS_ENGINE_AUTH_DATA"}


def any_container(bad: Callable[[dict[str, Any]], bool]) -> Wrong:
    def wrong(task: Resource, _: Graph) -> bool:
        return any(bad(one) for one in json.loads(task.inputs["containerDefinitions"]))

    return wrong


def is_linux(task: Resource) -> bool:
    return said(task, "runtimePlatform.operatingSystemFamily", "LINUX") == "LINUX"


def is_root(container: dict[str, Any]) -> bool:
    """A user may be a name or a number, with or without a group."""
    return str(container.get("user", "")).partition(":")[0] in {"", "0", "root"}


def no_insights(cluster: Resource, _: Graph) -> bool:
    settings = {one["name"]: one["value"] for one in cluster.inputs.get("settings", [])}
    return settings.get("containerInsights") not in {"enabled", "enhanced"}


def plain_efs(task: Resource, _: Graph) -> bool:
    volumes = [one.get("efsVolumeConfiguration") for one in task.inputs.get("volumes", [])]
    return any(one and one.get("transitEncryption") != "ENABLED" for one in volumes)


ECS = Service(
    "ECS",
    "ecs",
    (
        Control(
            "ECS.2",
            "Services do not give tasks public IP addresses",
            "ECS service",
            (SERVICE,),
            unless("networkConfiguration.assignPublicIp", False, default=False),
        ),
        Control(
            "ECS.3",
            "Task definitions do not share the host's process namespace",
            "task definition",
            (TASK,),
            lambda task, _: said(task, "pidMode") == "host",
        ),
        Control(
            "ECS.4",
            "Containers run as non-privileged",
            "task definition",
            (TASK,),
            any_container(lambda one: one.get("privileged") is True),
        ),
        Control(
            "ECS.5",
            "Containers have a read-only root file system",
            "task definition",
            (TASK,),
            any_container(lambda one: one.get("readonlyRootFilesystem") is not True),
        ),
        Control(
            "ECS.8",
            "No secrets in environment variables",
            "task definition",
            (TASK,),
            any_container(
                lambda one: bool(KEYS & {each["name"] for each in one.get("environment", [])})
            ),
        ),
        Control(
            "ECS.9",
            "Task definitions have a logging configuration",
            "task definition",
            (TASK,),
            any_container(lambda one: not one.get("logConfiguration", {}).get("logDriver")),
        ),
        Control(
            "ECS.10",
            "Fargate services run on the latest platform version",
            "ECS service",
            (SERVICE,),
            unless("platformVersion", "LATEST", "1.4.0", default="LATEST"),
        ),
        Control(
            "ECS.12", "Clusters use Container Insights", "ECS cluster", (CLUSTER,), no_insights
        ),
        Control(
            "ECS.16",
            "Task sets do not assign public IP addresses",
            "task set",
            ("aws:ecs/taskSet:TaskSet",),
        ),
        Control(
            "ECS.17",
            "Task definitions do not use host network mode",
            "task definition",
            (TASK,),
            lambda task, _: said(task, "networkMode") == "host",
        ),
        Control(
            "ECS.18",
            "EFS volumes are encrypted in transit",
            "task definition with an EFS volume",
            (TASK,),
            plain_efs,
            lambda task: bool(said(task, "volumes.efsVolumeConfiguration")),
        ),
        Control(
            "ECS.19",
            "Capacity providers have managed termination protection",
            "capacity provider of its own",
            ("aws:ecs/capacityProvider:CapacityProvider",),
        ),
        Control(
            "ECS.20",
            "Linux containers run as a non-root user",
            "task definition",
            (TASK,),
            any_container(is_root),
            is_linux,
        ),
        Control(
            "ECS.21",
            "Windows containers run as a non-administrator",
            "Windows task definition",
            (TASK,),
            any_container(
                lambda one: one.get("user", "").lower() in {"", "containeradministrator"}
            ),
            lambda task: not is_linux(task),
        ),
    ),
    ("ecs", "appautoscaling"),
    "ECS.1 was retired in March 2026.",
)

ECR = Service(
    "ECR",
    "ecr",
    (
        Control(
            "ECR.1",
            "Private repositories scan images",
            "ECR repository",
            (REPOSITORY,),
            unless("imageScanningConfiguration.scanOnPush", True),
        ),
        Control(
            "ECR.2",
            "Tags are immutable",
            "ECR repository",
            (REPOSITORY,),
            unless("imageTagMutability", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION"),
        ),
        Control(
            "ECR.3",
            "Repositories have a lifecycle policy",
            "ECR repository",
            (REPOSITORY,),
            lacking("aws:ecr/lifecyclePolicy:LifecyclePolicy", "repository"),
        ),
    ),
    ("ecr", "docker"),
)
