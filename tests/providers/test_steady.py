"""``waitForSteadyState`` of a service: when `pulumi up` waits for a deployment, and what it says of a failed one.

The statuses are those that terraform-provider-aws waits for (ecs/service.go, statusServiceWaitForStable).
"""

from __future__ import annotations

from threading import Event

import pytest

from rehearsal.providers.aws import ecs
from rehearsal.providers.kind import Subject
from rehearsal.providers.lifecycle import NotReady


class Ecs:
    """Answers the reads of one service; each look at its deployments is the next status."""

    def __init__(self, *statuses, running=1, primary="ecs-svc/2"):
        self.statuses, self.running, self.primary = list(statuses), running, primary

    def model(self, _service, _operation):
        class Nothing:
            input_shape = None

        return Nothing

    def __call__(self, _service, operation, _params):
        if operation == "list_service_deployments":
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            revision = "arn:aws:ecs:x:1:service-revision/c/s/2"
            why = {"statusReason": "the breaker"} if status in ecs.ENDED else {}
            return {
                "serviceDeployments": [
                    {"targetServiceRevisionArn": revision, "status": status, **why},
                    {"targetServiceRevisionArn": revision[:-1] + "1", "status": "SUCCESSFUL"},
                ]
            }
        deployments = [{"id": self.primary, "status": "PRIMARY"}]
        service = {"status": "ACTIVE", "desiredCount": 1, "runningCount": self.running}
        self.running = 1
        return {"services": [{**service, "deployments": deployments}]}


PAST = {"deployments": [{"id": "ecs-svc/1", "status": "PRIMARY"}]}


def wait(answers, past=PAST, **inputs):
    inputs = {"waitForSteadyState": True, **inputs}
    subject = Subject(kind=ecs.SERVICE, calls=answers, identity="service", inputs=inputs)
    ecs._wait_until_steady(subject, past, Event())


@pytest.mark.parametrize("past", [None, PAST], ids=["created", "changed"])
def test_a_new_deployment_is_waited_for_until_it_has_succeeded(past):
    answers = Ecs("PENDING", "IN_PROGRESS", "SUCCESSFUL", running=0)
    wait(answers, past)
    assert answers.statuses == ["SUCCESSFUL"]


@pytest.mark.parametrize("status", ecs.ENDED)
def test_a_deployment_that_ended_otherwise_fails_with_ecs_s_reason(status):
    with pytest.raises(NotReady, match=r"^the breaker$"):
        wait(Ecs("IN_PROGRESS", status))


def test_a_rollback_is_waited_for_before_it_fails():
    answers = Ecs("ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL")
    with pytest.raises(NotReady, match="the breaker"):
        wait(answers)
    assert answers.statuses == ["ROLLBACK_SUCCESSFUL"]


def test_without_a_new_deployment_only_the_tasks_are_counted():
    """An earlier deployment's failure is none of this change."""
    wait(Ecs("ROLLBACK_SUCCESSFUL", running=0, primary="ecs-svc/1"))


def test_without_the_setting_a_failed_deployment_is_none_of_the_provider_s_concern():
    wait(Ecs("ROLLBACK_SUCCESSFUL"), waitForSteadyState=False)


def test_a_service_that_never_gets_there_fails_in_the_end(monkeypatch):
    monkeypatch.setattr(ecs, "STEADY_SECONDS", 0.2)
    with pytest.raises(NotReady, match="service is not steady after"):
        wait(Ecs("IN_PROGRESS"))
