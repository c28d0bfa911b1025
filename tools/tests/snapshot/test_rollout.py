"""The one record by which the doctor, the gate and the status decide what failed, what serves and what went back."""

from typing import Any

import pytest

from ecs_gate.parts.rollout import Rollout
from tools.tests.rollout.rollout_answers import EXPECTED, NEW, OLD, deployment, target, task, view

BALANCER = {"targetGroupArn": EXPECTED.target_group, "containerName": "app", "containerPort": 3000}
OLDER = deployment(OLD, "COMPLETED", primary=False, id="ecs-svc/0")
FAILED = {
    "lastStatus": "STOPPED",
    "desiredStatus": "STOPPED",
    "stoppedReason": "Essential container in task exited",
}


def state(*deployments: Any, tasks: Any = (), healthy: Any = ()) -> Rollout:
    """A service with a load balancer, of which the targets of the tasks with these numbers are healthy."""
    targets = [target(number) for number in healthy]
    return view(*deployments, tasks=tasks, targets=targets, loadBalancers=[BALANCER])


def both(definition: str = NEW, **changes: Any) -> list[Any]:
    """Two tasks of the deployment ecs-svc/1, the second of them with changes."""
    mine = {"startedBy": "ecs-svc/1"}
    return [task(1, definition, **mine), task(2, definition, **mine | changes)]


@pytest.mark.parametrize(
    ("seen", "holds", "failed", "serving"),
    [
        (Rollout(expected=NEW), [], 0, 0),
        (state(deployment(NEW, "COMPLETED"), tasks=both(), healthy=(1, 2)), ["steady"], 0, 2),
        (state(deployment(NEW, "COMPLETED"), tasks=both(healthStatus="UNHEALTHY"), healthy=(1, 2)),
         [], 0, 1),
        (state(deployment(NEW, "IN_PROGRESS", runningCount=0), OLDER, tasks=both(OLD), healthy=(1, 2)),
         ["unfinished"], 0, 0),
        (state(deployment(NEW, "IN_PROGRESS"), OLDER, tasks=both(), healthy=(1, 2)), [], 0, 2),
        (state(deployment(NEW, "FAILED", runningCount=0), tasks=both(**FAILED)[1:]),
         ["given up"], 1, 0),
        (state(deployment(OLD, "COMPLETED", id="ecs-svc/2"), tasks=both(**FAILED)[1:]),
         ["rolled back", "given up"], 1, 0),
    ],
    ids=["no service", "all serve", "an unhealthy container", "the next version begins", "it serves",
         "given up", "rolled back, and ECS has forgotten the deployment"],
)  # fmt: skip
def test_what_failed_what_serves_and_what_went_back(seen, holds, failed, serving):
    known = {
        "rolled back": seen.rolled_back,
        "given up": seen.given_up,
        "steady": seen.steady,
        "unfinished": seen.unfinished,
    }
    assert [name for name, is_so in known.items() if is_so] == holds
    assert (len(seen.failed_tasks), seen.serving) == (failed, serving)
