"""What `./careapp preflight` ticks off, by the doctor's findings."""

import pytest

from tools.preflight.checklist import BAD, GOOD, LATER, tick
from tools.snapshot.elb import Rule
from tools.tests import stacks as a
from tools.tests.doctor.situations import env
from tools.tests.doctor.variants import VARIANTS
from tools.tests.doctor.variants.app import foreign
from tools.tests.doctor.variants.network import NOT_THE_PAGE, rule
from tools.tests.doctor.variants.other_apps import settings

ENTRANCE = "The load balancer is active and reachable from the internet"
FORWARDS = "A rule forwards to the target group, on the container's port"
NAMES = (
    "The task definition names this database, its secret, and every variable that the app requires"
)


def ticks(snapshot):
    return {str(each.text): each.state for each in tick(snapshot).items}


def beside(other):
    """The listener before ECS, with a rule of another."""
    return a.stage1(balancer=a.entrance(other, Rule(priority="default", action="fixed-response")))


@pytest.mark.parametrize(
    ("snapshot", "state"),
    [
        (VARIANTS["rule-in-the-way: in stage 1"], BAD),
        (VARIANTS["rule-taken: another path"], BAD),
        (VARIANTS["balancer-cut-off: in private subnets"], BAD),
        (beside(rule("101", ("path-pattern", ("/*",)), action="redirect")), GOOD),
        (beside(rule("7", ("path-pattern", ("/other/*",)), action="redirect")), GOOD),
    ],
    ids=["in front", "the app's number", "private subnets", "behind the app's", "other paths"],
)
def test_the_load_balancer_is_ticked_off_before_its_rule_is_there(snapshot, state):
    found = ticks(snapshot)
    assert (found[ENTRANCE], found[FORWARDS]) == (state, LATER)
    assert tick(snapshot).exit_code == int(state == BAD)


@pytest.mark.parametrize("name", NOT_THE_PAGE)
def test_a_rule_that_the_page_does_not_fit_forwards_nothing(name):
    assert ticks(VARIANTS[f"no-rule-forwards: {name}"])[FORWARDS] == BAD


def test_what_the_task_definition_names_wrongly_is_bad():
    assert ticks(a.stack())[NAMES] == GOOD
    assert ticks(foreign())[NAMES] == BAD
    assert ticks(a.stack(main=env(DB_NAME="other")))[NAMES] == BAD


def test_nothing_of_an_image_that_is_not_known_is_ticked_off():
    assert len([text for text in ticks(a.stack()) if "bundle" in text]) == 1
    assert [text for text in ticks(a.stack(settings())) if "bundle" in text] == []
