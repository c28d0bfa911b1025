"""Containers: their health checks, and the arguments with which the Docker engine runs one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rehearsal.aws.ecs.containers import DockerContainer
from rehearsal.aws.ecs.plans import plan
from rehearsal.aws.ecs.runner import command_of
from rehearsal.machine.guardian import Guardian

FAKE = """#!/bin/sh
printf '%s\\n' "$@" > "$DOCKER_SEEN/argv"
env > "$DOCKER_SEEN/env"
echo from the container
exit 7
"""


@pytest.mark.parametrize(
    ("declared", "argv"),
    [
        (["CMD", "python", "-m", "webapp.healthcheck"], ["python", "-m", "webapp.healthcheck"]),
        (["CMD-SHELL", "test -f x || exit 1"], ["/bin/sh", "-c", "test -f x || exit 1"]),
        (["NONE"], None),
    ],
)
def test_each_form_of_a_health_check_command(declared: list[str], argv: list[str] | None) -> None:
    assert command_of({"command": declared}) == argv


def test_a_container_check_that_passes_makes_the_task_healthy(cloud: Any) -> None:
    cloud.everything()
    check = {"command": ["CMD-SHELL", 'test -n "$PORT"'], "interval": 10, "retries": 2}
    cloud.service(cloud.task_definition(healthCheck=check))
    cloud.rolled_out()
    (task,) = cloud.tasks()
    assert (task["healthStatus"], task["containers"][0]["healthStatus"]) == ("HEALTHY", "HEALTHY")


def test_a_failed_container_check_stops_the_task_though_the_target_is_healthy(
    cloud: Any,
) -> None:
    cloud.everything()
    check = {"command": ["CMD", "false"], "interval": 10, "retries": 2}
    cloud.service(cloud.task_definition(healthCheck=check), healthCheckGracePeriodSeconds=0)
    over = cloud.until(lambda: [t for t in cloud.stopped() if t["lastStatus"] == "STOPPED"])
    assert (over[0]["stopCode"], over[0]["stoppedReason"], over[0]["healthStatus"]) == (
        "ServiceSchedulerInitiated",
        "Task failed container health checks",
        "UNHEALTHY",
    )
    said = f"(service web) (task {over[0]['taskArn'].rsplit('/', 1)[1]}) failed container health checks."
    assert said in cloud.messages()


def test_docker_gets_the_limits_as_arguments_and_the_values_by_its_environment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Any
) -> None:
    program = tmp_path / "docker"
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    definition = {
        "name": "app",
        "environment": [{"name": "DOCKER_SEEN", "value": str(tmp_path)}],
        "readonlyRootFilesystem": True,
        "user": "10001",
        "command": ["serve", "now"],
    }
    made = plan(definition, replace(image, docker=True), {"DB_PASSWORD": "hush"}, {}, None)

    running = DockerContainer(made, Guardian(), "careapp-rehearsal-1", ["--read-only"])

    with running.output:
        assert running.output.read() == b"from the container\n"
    assert running.wait() == 7
    argv = (tmp_path / "argv").read_text().splitlines()
    assert argv == [
        *("run", "--rm", "--name", "careapp-rehearsal-1", "--network", "host", "--read-only"),
        *("--env", "PYTHONUNBUFFERED", "--env", "DOCKER_SEEN", "--env", "DB_PASSWORD"),
        *(image.reference, "serve", "now"),
    ]
    assert "DB_PASSWORD=hush" in (tmp_path / "env").read_text().splitlines()
