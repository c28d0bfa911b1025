"""RunTask: a command in a task that belongs to no service."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

SAY = "import os; print('hello from', os.environ['APP_VERSION'], os.environ['ONCE']); raise SystemExit(3)"
SLEEP = "import time; print('sleeping', flush=True); time.sleep(600)"


def run_task(cloud: Any, *command: str, container: str = "app", **change: Any) -> dict[str, Any]:
    """Start a command with the service's task definition and return RunTask's task."""
    override = {"name": container, "command": list(command)}
    override["environment"] = [{"name": "ONCE", "value": "once"}]
    network = {"subnets": cloud.ids["private"], "securityGroups": [cloud.ids["task-sg"]]}
    asked = {
        "cluster": "main",
        "taskDefinition": "app",
        "launchType": "FARGATE",
        "startedBy": "the-test",
        "networkConfiguration": {"awsvpcConfiguration": network},
        "overrides": {"containerOverrides": [override]},
        **change,
    }
    answer = cloud.ecs.run_task(**{key: value for key, value in asked.items() if value})
    assert answer["failures"] == []
    [task] = answer["tasks"]
    return dict(task)


def described(cloud: Any, task: dict[str, Any]) -> dict[str, Any]:
    [found] = cloud.ecs.describe_tasks(cluster="main", tasks=[task["taskArn"]])["tasks"]
    return dict(found)


def until(cloud: Any, task: dict[str, Any], status: str) -> dict[str, Any]:
    def ask() -> Any:
        found = described(cloud, task)
        return found if found["lastStatus"] == status else None

    found: dict[str, Any] = cloud.until(ask, 30, f"the task to be {status}")
    return found


def said(cloud: Any, task: dict[str, Any]) -> list[str]:
    stream = f"ecs/app/{task['taskArn'].rsplit('/', 1)[1]}"
    events = cloud.logs.get_log_events(logGroupName="/ecs/app", logStreamName=stream)["events"]
    return [each["message"] for each in events]


def test_a_command_runs_with_the_tasks_variables_and_its_exit_code_is_kept(running: Any) -> None:
    before = running.messages()
    task = run_task(running, "python3", "-c", SAY)
    assert (task["lastStatus"], task["desiredStatus"]) == ("PROVISIONING", "RUNNING")
    assert (task["group"], task["startedBy"]) == ("family:app", "the-test")
    ended = until(running, task, "STOPPED")
    assert (ended["group"], ended["startedBy"]) == ("family:app", "the-test")
    assert ended["stopCode"] == "EssentialContainerExited"
    assert ended["stoppedReason"] == "Essential container in task exited"
    assert [each["exitCode"] for each in ended["containers"]] == [3]
    assert ended["overrides"]["containerOverrides"][0]["command"][0] == "python3"
    assert said(running, task) == ["hello from v1 once"]
    assert running.messages() == before


def test_it_belongs_to_no_service_and_is_not_replaced(running: Any) -> None:
    task = run_task(running, "python3", "-c", SAY)
    until(running, task, "STOPPED")
    assert task["taskArn"] not in [each["taskArn"] for each in running.tasks("STOPPED")]
    by = {"cluster": "main", "startedBy": "the-test"}
    assert running.ecs.list_tasks(**by)["taskArns"] == []
    stopped = running.ecs.list_tasks(**by, desiredStatus="STOPPED")["taskArns"]
    assert task["taskArn"] in stopped
    assert len(running.places()) == 1


def test_it_is_stopped_by_stop_task_with_the_reason_that_was_given(running: Any) -> None:
    task = run_task(running, "python3", "-c", SLEEP)
    until(running, task, "RUNNING")
    running.until(lambda: said(running, task) == ["sleeping"], what="the command to begin")
    running.ecs.stop_task(cluster="main", task=task["taskArn"], reason="Ctrl-C")
    ended = until(running, task, "STOPPED")
    assert (ended["stopCode"], ended["stoppedReason"]) == ("UserInitiated", "Ctrl-C")
    assert [each["exitCode"] for each in ended["containers"]] == [143]


def test_a_command_that_the_image_does_not_have_never_runs(running: Any) -> None:
    ended = until(running, run_task(running, "no-such-program"), "STOPPED")
    assert ended["stopCode"] == "TaskFailedToStart"
    assert "no-such-program" in ended["stoppedReason"]
    assert "exitCode" not in ended["containers"][0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"container": "web"}, "Override for container named web is not a container in the"),
        ({"networkConfiguration": None}, "Network Configuration must be provided when"),
    ],
)
def test_run_task_refuses_the_same_as_ecs(running: Any, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match=f"InvalidParameterException.*{words}"):
        run_task(running, "true", **change)
