"""Which events are of this roll-out: older ones are never quoted for it."""

import pytest

from ecs_gate.diagnosis.case import Case
from tests import stacks as a
from tests.doctor.situations import CRASHED, EXITED
from tests.doctor.variants.app import IMAGE, with_events

CHECK = "(port 3000) is unhealthy in (target-group x) due to (reason Health checks failed)."


@pytest.mark.parametrize(
    ("message", "quoted_here"),
    [
        ("(deployment ecs-svc/2) deployment failed: alarm detected.", True),
        ("(deployment ecs-svc/1) deployment failed: alarm detected.", False),
        (f"(task {'b' * 32}) {CHECK}", True),
        (f"(task {'c' * 32}) {CHECK}", False),
        ("rolling back to deployment ecs-svc/1.", True),
        (IMAGE, True),
    ],
    ids=["its end", "the end of the one that it replaced", "its task", "a task of that one",
         "back to which one", "names none"],
)  # fmt: skip
@pytest.mark.parametrize("forgotten", [False, True])
def test_an_event_that_names_another_deployment_or_its_task_is_of_that_one(
    message, quoted_here, forgotten
):
    mine = () if forgotten else (a.ended(CRASHED, code=1, stop=EXITED),)
    older = a.task("c" * 32, definition=a.OLD, started_by="ecs-svc/1")
    going = a.failing(*mine, older)
    assert bool(Case.of(with_events(going, a.event(message))).events) is quoted_here
