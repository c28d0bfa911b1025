"""A version that was healthy and was rolled back: by an alarm, or by a stop of its deployment."""

import pytest

from ops.doctor.diagnose import judge
from ops.snapshot import ecs
from ops.snapshot.records import Part
from tests.ops import stacks as a
from tests.ops.conftest import NAMES
from tests.ops.situations import trace

STOPPED = "(deployment ecs-svc/2) deployment failed: stopped by StopServiceDeployment."
ALARMED = "(deployment ecs-svc/2) deployment failed: alarm detected."
TRIPPED = "(deployment ecs-svc/2) deployment failed: tasks failed to start."


def rolled_back(*messages, **changes):
    """The finding about a version whose task was healthy, with these events, the newest first."""
    ended = a.ended("Scaling activity initiated by (deployment ecs-svc/3)", code=0)
    undone = a.failing(ended, rolled_back=True)
    events = tuple(a.event(each) for each in messages)
    service = a.service(
        deployments=undone.service.value.deployments, definition=a.OLD, events=events
    )
    logs = a.logs(b=[a.LISTENS, *trace("AttributeError: no visit")])
    stack = a.failing(ended, rolled_back=True, **{"service": service, "logs": logs, **changes})
    return next(each for each in judge(stack).findings if each.id == "rolled-back")


def test_the_alarm_that_ended_the_deployment_is_named_with_the_app_s_own_error():
    found = rolled_back(ALARMED, TRIPPED, ended_by=("careapp-poc-deployment-errors",))
    assert "set the alarm careapp-poc-deployment-errors to ALARM" in str(found.why)
    assert "AttributeError" in str(found.seen[1])
    assert found.fixes[0].commands == ("pulumi up -s poc",)
    assert any(ALARMED in each for each in found.evidence)


def test_a_stopped_deployment_says_who_may_have_stopped_it():
    found = rolled_back(STOPPED)
    assert "The deployment was stopped: by the end of `pulumi up`" in str(found.why)
    assert found.fixes[0].commands == ("pulumi up -s poc",)


@pytest.mark.parametrize("messages", [(TRIPPED, ALARMED), ()])
def test_failed_tasks_are_the_circuit_breaker_s_and_are_tried_again(messages):
    found = rolled_back(*messages)
    assert "The deployment circuit breaker ends a roll-out" in str(found.why)
    assert found.fixes[0].commands == ("./careapp retry -s poc",)


class Asked:
    """Answers about service deployments, of which the newest was ended by an alarm."""

    def call(self, _service, operation, **params):
        if operation == "list_service_deployments":
            assert params == {"cluster": NAMES.cluster, "service": NAMES.service}
            rows = [{"serviceDeploymentArn": f"arn:{day}", "createdAt": day} for day in (1, 3, 2)]
            return {"serviceDeployments": rows}
        assert (operation, params) == (
            "describe_service_deployments",
            {"serviceDeploymentArns": ["arn:3"]},
        )
        return {"serviceDeployments": [{"alarms": {"triggeredAlarmNames": ["one", "two"]}}]}


def test_the_alarms_are_those_of_the_newest_deployment():
    where = {"cluster": NAMES.cluster, "service": NAMES.service}
    assert ecs.alarms_that_ended(Asked(), where) == ("one", "two")


def test_a_part_of_the_snapshot_without_an_alarm_is_empty():
    assert a.stack().ended_by == Part()
