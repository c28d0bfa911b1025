"""How AWS's answers become records."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ops.snapshot import ecs, task_logs
from ops.snapshot.records import Container
from ops.watch.logs import Wanted, previous
from stack.names import StackNames
from tests.ops import stacks as a

NAMES = StackNames.of("poc")


END = {"events": [{"timestamp": 0, "message": "boom"}], "nextBackwardToken": "b/0"}


class Answering:
    """A session that gives prepared answers, by operation."""

    def __init__(self, **answers):
        self.answers = answers

    def call(self, _service, operation, **_params):
        return self.answers[operation]

    def all(self, _service, operation, key, desiredStatus="RUNNING", **_params):
        return self.answers[operation][key] if desiredStatus == "STOPPED" else []


def described(**changes):
    deployment = {
        "id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": a.NEW, "desiredCount": 2,
        "pendingCount": 1, "runningCount": 1, "failedTasks": 3, "rolloutState": "FAILED",
        "rolloutStateReason": "tasks failed to start.", "createdAt": a.NOW, "updatedAt": a.NOW,
    }  # fmt: skip
    return {
        "serviceArn": "arn", "status": "ACTIVE", "desiredCount": 2, "runningCount": 1,
        "pendingCount": 1, "taskDefinition": a.NEW, "deployments": [deployment],
        "events": [{"id": "1", "createdAt": a.NOW, "message": "x"}],
        "healthCheckGracePeriodSeconds": 60,
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"], "securityGroups": ["g"],
                                                         "assignPublicIp": "ENABLED"}},
        "loadBalancers": [{"targetGroupArn": "tg", "containerName": "app", "containerPort": 3000}],
        **changes,
    }  # fmt: skip


def test_a_service_is_read_with_its_grace_period_and_deployments():
    session = Answering(describe_services={"services": [described()]})
    found = ecs.service(session, NAMES)
    assert (found.grace, found.public_ip, found.subnets, found.groups) == (60, True, ("s",), ("g",))
    assert (found.primary.failed, found.primary.rollout) == (3, "FAILED")
    assert found.primary.reason == "tasks failed to start."


def test_a_deleted_service_is_none():
    session = Answering(describe_services={"services": [described(status="INACTIVE")]})
    assert ecs.service(session, NAMES) is None


def test_a_stopped_task_is_read_with_its_reasons_and_exit_codes():
    raw = {
        "taskArn": "arn:aws:ecs:r:1:task/c/abcdef0123456789", "taskDefinitionArn": a.NEW,
        "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited", "createdAt": a.NOW,
        "startedAt": a.NOW + timedelta(seconds=30),
        "attachments": [{"details": [{"name": "privateIPv4Address", "value": "10.0.16.4"}]}],
        "containers": [{"name": "app", "exitCode": 137, "reason": "OutOfMemoryError: x"}],
    }  # fmt: skip
    session = Answering(list_tasks={"taskArns": [raw["taskArn"]]}, describe_tasks={"tasks": [raw]})
    (found,) = ecs.tasks(session, NAMES)
    assert (found.short, found.over, found.address) == ("abcdef01", True, "10.0.16.4")
    assert found.containers == (Container(name="app", exit_code=137, reason="OutOfMemoryError: x"),)
    assert found.reason == "Essential container in task exited"


CRASHED = a.ended(
    "Essential container in task exited", "1" * 32, 1, stop="EssentialContainerExited"
)
PENDING = a.ended("Scaling activity initiated by (deployment ecs-svc/2)", "2" * 32, started=None)


def test_a_rollback_s_pending_tasks_do_not_hide_the_log_of_those_that_crashed():
    pending = [PENDING, a.ended(PENDING.reason, "3" * 32, started=None)]
    scaled = a.ended(PENDING.reason, "4" * 32)
    running = [a.task(name * 32) for name in "567"]
    found = task_logs.choose_tasks([*pending, scaled, CRASHED, *running], a.NEW)
    assert found == [CRASHED, scaled, *running[:2]]
    assert task_logs.choose_tasks([CRASHED], a.OLD) == []


def test_a_task_that_never_started_its_app_is_not_the_previous_one(monkeypatch):
    later = replace(PENDING, stopped=a.at(-10))
    monkeypatch.setattr(ecs, "tasks", lambda *_: (later, CRASHED))
    monkeypatch.setattr(ecs, "definition", lambda *_: a.definition())
    session = Answering(get_log_events=END)
    task, [line] = previous(session, NAMES, Wanted(last=1))
    assert (task, line.task) == (CRASHED, CRASHED.id)


@pytest.mark.parametrize(
    ("strategy", "spot"),
    [
        (None, False),
        ([{"capacityProvider": "FARGATE", "weight": 1}], False),
        ([{"capacityProvider": "FARGATE_SPOT", "weight": 1}], True),
        ([{"capacityProvider": "FARGATE_SPOT", "base": 1}], True),
        (
            [
                {"capacityProvider": "FARGATE_SPOT", "weight": 3},
                {"capacityProvider": "FARGATE", "weight": 0},
            ],
            True,
        ),
        (
            [
                {"capacityProvider": "FARGATE_SPOT", "weight": 3},
                {"capacityProvider": "FARGATE", "base": 1},
            ],
            False,
        ),
    ],
)
def test_a_service_is_on_spot_where_all_of_its_tasks_are(strategy, spot):
    raw = {
        "serviceArn": "arn", "status": "ACTIVE", "desiredCount": 1, "runningCount": 1,
        "pendingCount": 0, "taskDefinition": "careapp-poc:1",
        "deploymentConfiguration": {"maximumPercent": 150},
    }  # fmt: skip
    if strategy:
        raw["capacityProviderStrategy"] = strategy
    found = ecs.service(Answering(describe_services={"services": [raw]}), NAMES)
    assert (found.spot, found.maximum) == (spot, 150)
