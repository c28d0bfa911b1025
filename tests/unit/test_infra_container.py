"""The container: the contract between the task definition and the app."""

import re
from pathlib import Path

import pytest

from infra.container import ContainerInputs, container_definition, environment

ROOT = Path(__file__).parents[2]
AROUND = ContainerInputs(
    image="repository@sha256:0123",
    version="abc",
    db_host="db.example",
    db_port=5432,
    db_name="careapp",
    db_user="postgres",
    db_secret_arn="arn:secret",
    log_group="/ecs/careapp-poc",
    region="ap-northeast-1",
)


def test_the_whole_definition(configured):
    assert container_definition(AROUND, configured().service) == {
        "name": "app",
        "image": "repository@sha256:0123",
        "essential": True,
        "user": "10001:10001",
        "readonlyRootFilesystem": True,
        "portMappings": [{"containerPort": 3000, "hostPort": 3000, "protocol": "tcp"}],
        "mountPoints": [{"sourceVolume": "tmp", "containerPath": "/tmp", "readOnly": False}],  # noqa: S108
        "environment": [
            {"name": "APP_VERSION", "value": "abc"},
            {"name": "DB_HOST", "value": "db.example"},
            {"name": "DB_NAME", "value": "careapp"},
            {"name": "DB_PORT", "value": "5432"},
            {"name": "DB_SECRET_ARN", "value": "arn:secret"},
            {"name": "DB_USER", "value": "postgres"},
            {"name": "PORT", "value": "3000"},
            {"name": "WEB_CONCURRENCY", "value": "1"},
        ],
        "secrets": [{"name": "DB_PASSWORD", "valueFrom": "arn:secret:password::"}],
        "stopTimeout": 30,
        "linuxParameters": {"initProcessEnabled": True},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/ecs/careapp-poc",
                "awslogs-region": "ap-northeast-1",
                "awslogs-stream-prefix": "app",
                "mode": "non-blocking",
                "max-buffer-size": "25m",
            },
        },
    }


def test_the_port_is_told_to_the_app_and_to_ecs_alike(configured):
    made = container_definition(AROUND, configured(containerPort="8080").service)
    assert made["portMappings"] == [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]
    assert {"name": "PORT", "value": "8080"} in made["environment"]


def test_a_shell_needs_a_root_file_system_that_can_be_written(configured):
    made = container_definition(AROUND, configured(execEnabled="true").service)
    assert made["readonlyRootFilesystem"] is False


@pytest.mark.parametrize(
    ("cpu", "memory", "workers"),
    [("256", "512", "1"), ("1024", "2048", "1"), ("2048", "4096", "2"), ("4096", "8192", "4")],
)
def test_there_is_a_worker_for_each_virtual_cpu_and_at_least_one(configured, cpu, memory, workers):
    settings = configured(taskCpu=cpu, taskMemory=memory).service
    assert environment(AROUND, settings)["WEB_CONCURRENCY"] == workers


def test_user_and_group_are_those_of_the_image_and_neither_is_root(configured):
    dockerfile = (ROOT / "webapp" / "Dockerfile").read_text()
    [user] = re.findall(r"^USER (\S+)$", dockerfile, re.MULTILINE)
    assert container_definition(AROUND, configured().service)["user"] == user
    assert "0" not in user.split(":")
    assert len(user.split(":")) == 2


def test_where_the_container_may_write_the_image_declares_a_volume(configured):
    """On Fargate a bind mount belongs to root, mode 0755, unless the image says VOLUME.

    Then it takes the folder's own mode (ECS Developer Guide, "Use bind mounts with Amazon ECS").
    """
    mounts = container_definition(AROUND, configured().service)["mountPoints"]
    dockerfile = (ROOT / "webapp" / "Dockerfile").read_text()
    declared = re.findall(r'^VOLUME \["([^"]+)"\]', dockerfile, re.MULTILINE)
    assert declared == [mount["containerPath"] for mount in mounts]
