"""What the real engine does to a stack, from its first stage to nothing."""

import pytest


def test_each_step_does_what_is_recorded(journey):
    """A new version of the app replaces the task definition and updates the service alone."""
    journey.check("stages")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("stage 1", "sources of the first version"),
        ("pushed, and killed before its state", "after a kill"),
    ],
)
def test_sources_that_were_built_before_are_built_again(journey, before, after):
    """A version like any other; ECR refuses to push to an existing tag."""
    first, again = (journey.tag(each) for each in (before, after))
    assert first != again
    assert first.partition("-")[0] == again.partition("-")[0]


def test_another_target_group_is_led_to_and_the_rule_goes_before_the_former_one(journey):
    """ELB deletes none to which a rule leads."""
    steps = journey.did["another target group"].steps
    gone = [each.rsplit(" ", 1)[1] for each in steps if each.startswith("delete")]
    assert gone.index("careapp-poc-app") < gone.index("careapp-poc-tg")
    assert len(journey.groups) == 3
    assert len(set(journey.groups)) == 1


def test_bad_settings_are_refused_all_at_once_and_without_a_traceback(journey):
    said = journey.refused["bad settings"]
    assert "taskCpu" in said
    assert "natStrategy" in said
    assert "Traceback" not in said


def test_destroy_leaves_nothing(journey):
    assert journey.left == []


def test_no_secret_stands_in_the_state(journey):
    for name, state in journey.seen.items():
        assert journey.password not in state, name
        assert "auth-token" not in state, f"{name}: the registry's password"
