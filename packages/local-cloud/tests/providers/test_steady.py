"""``waitForSteadyState`` of a service: when `pulumi up` waits for a deployment, and what it says of a failed one.

The statuses are those that terraform-provider-aws waits for (ecs/service.go, statusServiceWaitForStable).
"""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from local_cloud.providers.aws import ecs
from local_cloud.providers.kind import Subject
from local_cloud.providers.lifecycle import NotReady

REVISION = "arn:aws:ecs:x:1:service-revision/c/s/"


class Ecs:
    """Answers the reads of one service; each look at its deployments is the next status."""

    def __init__(self, *statuses, running=1, primary="ecs-svc/2"):
        self.statuses, self.running, self.primary = list(statuses), running, primary

    def model(self, _service, _operation):
        return SimpleNamespace(input_shape=None)

    def __call__(self, _service, operation, _params):
        if operation == "list_service_deployments":
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            last = {"targetServiceRevisionArn": f"{REVISION}2", "status": status}
            last |= {"statusReason": "the breaker"} if status in ecs.ENDED else {}
            first = {"targetServiceRevisionArn": f"{REVISION}1", "status": "SUCCESSFUL"}
            return {"serviceDeployments": [last, first]}
        deployments = [{"id": self.primary, "status": "PRIMARY"}]
        service = {"status": "ACTIVE", "desiredCount": 1, "runningCount": self.running}
        self.running = 1
        return {"services": [{**service, "deployments": deployments}]}


PAST = {"deployments": [{"id": "ecs-svc/1", "status": "PRIMARY"}]}


def wait(answers, past=PAST, steady=True):
    inputs = {"waitForSteadyState": steady}
    subject = Subject(kind=ecs.SERVICE, calls=answers, identity="service", inputs=inputs)
    ecs._wait_until_steady(subject, past)


@pytest.mark.parametrize("past", [None, PAST], ids=["created", "changed"])
def test_a_new_deployment_is_waited_for_until_it_has_succeeded(past):
    answers = Ecs("PENDING", "IN_PROGRESS", "SUCCESSFUL", running=0)
    wait(answers, past)
    assert answers.statuses == ["SUCCESSFUL"]


@pytest.mark.parametrize("status", ecs.ENDED)
def test_a_deployment_that_ended_otherwise_fails_with_the_reason(status):
    """Also a rollback is waited for before it fails."""
    answers = Ecs("IN_PROGRESS", "ROLLBACK_IN_PROGRESS", status)
    with pytest.raises(NotReady, match=r"^the breaker$"):
        wait(answers)
    assert answers.statuses == [status]


def test_without_a_new_deployment_only_the_tasks_are_counted():
    """An earlier deployment's failure is none of this change, nor of a program that does not wait."""
    wait(Ecs("ROLLBACK_SUCCESSFUL", running=0, primary="ecs-svc/1"))
    wait(Ecs("ROLLBACK_SUCCESSFUL"), steady=False)


def test_a_service_that_never_gets_there_fails_in_the_end(monkeypatch):
    monkeypatch.setattr(ecs, "STEADY_SECONDS", 0.2)
    with pytest.raises(NotReady, match="service is not steady after"):
        wait(Ecs("IN_PROGRESS"))


def test_service_whose_requests_shift_is_deleted_once_they_have():
    answers = ["The service cannot be stopped while deployments are active."] * 2 + [""]

    class Shifting(Ecs):
        def __call__(self, _service, operation, _params):
            if operation == "delete_service" and (words := answers.pop(0)):
                error = {"Code": "InvalidParameterException", "Message": words}
                raise ClientError({"Error": error}, "DeleteService")
            return {"services": []}

    subject = Subject(kind=ecs.SERVICE, calls=Shifting(), identity="service", inputs={})
    ecs._remove_service(subject)
    assert answers == []
