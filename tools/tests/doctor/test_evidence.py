"""Which events are of this roll-out: older ones are never quoted for it."""

import pytest

from tools.diagnosis.case import Case
from tools.tests import stacks as a
from tools.tests.doctor.situations import CRASHED, EXITED
from tools.tests.doctor.variants import VARIANTS
from tools.tests.doctor.variants.app import FAILED, IMAGE, STEADY, with_events


def test_of_a_roll_back_whose_tasks_are_forgotten_the_events_before_its_end_are_quoted():
    back = a.failing(rolled_back=True)
    events = (
        a.event(FAILED, -100),
        a.event(IMAGE, -200),
        a.event(STEADY, -90000),
        a.event("was unable to place a task. Reason: another day", -90100),
    )
    assert [each.message[30:] for each in Case.of(with_events(back, *events)).events] == [
        each.message[30:] for each in events[:3]
    ]


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


def test_the_completed_deployment_of_a_rollback_is_not_the_one_that_failed():
    done = a.event("(deployment ecs-svc/3) deployment completed.", -50)
    back = with_events(a.failing(rolled_back=True), done, a.event(FAILED, -100))
    assert [each.deployment for each in Case.of(back).events] == ["ecs-svc/2"]


def test_tasks_that_spot_interrupts_have_not_failed():
    assert Case.of(VARIANTS["spot-interrupted: twice"]).failed_tasks == ()
