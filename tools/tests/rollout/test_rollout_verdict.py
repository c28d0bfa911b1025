"""The gate's judgement over sequences of what AWS answers."""

from __future__ import annotations

import pytest

from tools.rollout.look import Seen
from tools.rollout.verdict import Outcome, Patience
from tools.snapshot.rollout import Rollout
from tools.tests.rollout.rollout_answers import (
    NEW,
    NEWER,
    OLD,
    ROLLING_BACK,
    all_well,
    deployment,
    judged,
    target,
    task,
    view,
)

BREAKER = "ECS deployment circuit breaker: tasks failed to start."
STARTED = view(
    deployment(NEW, "IN_PROGRESS", runningCount=0, pendingCount=2),
    deployment(OLD, "COMPLETED", primary=False),
)
NOT_SHOWN_YET = view(deployment(OLD, "COMPLETED"))
ROLLED_BACK = view(
    deployment(OLD, "IN_PROGRESS", rolloutStateReason=ROLLING_BACK),
    deployment(NEW, "FAILED", primary=False, runningCount=0, failedTasks=3),
)
ROLLED_BACK_BEFORE = view(deployment(OLD, "COMPLETED", rolloutStateReason=ROLLING_BACK))
NO_SERVICE = Rollout(expected=NEW)
GIVEN_UP = view(deployment(NEW, "FAILED", runningCount=0, failedTasks=3))
TAKEN_OVER = view(
    deployment(NEWER, "IN_PROGRESS", runningCount=0),
    deployment(NEW, "IN_PROGRESS", primary=False),
)


def verdicts(*views, every=3.0, told=None):
    """One verdict for each look, the looks `every` seconds apart."""
    looks = (Seen(view=each, at=number * every, noticed=told) for number, each in enumerate(views))
    return judged(*looks)


def outcomes(*views, every=3.0, told=None):
    return [verdict.outcome.value for verdict in verdicts(*views, every=every, told=told)]


@pytest.mark.parametrize(
    ("views", "last"),
    [
        ([all_well(), all_well()], "runs"),
        ([NOT_SHOWN_YET, STARTED, STARTED, all_well(), all_well()], "runs"),
        ([all_well(), STARTED, all_well()], "going"),
    ],
    ids=["at the second look", "once the new tasks run healthy", "not with a bad one between"],
)
def test_all_well_is_believed_at_the_second_look_in_a_row(views, last):
    assert outcomes(*views) == [*["going"] * (len(views) - 1), last]


@pytest.mark.parametrize(
    ("seen", "outcome", "text"),
    [
        (GIVEN_UP, "gave up", f"ECS gave careapp-poc:7 up: {BREAKER}"),
        (ROLLED_BACK, "rolled back",
         f"ECS gave careapp-poc:7 up and went back to careapp-poc:6: {BREAKER}"),
        (TAKEN_OVER, "replaced",
         "careapp-poc:8 has replaced careapp-poc:7: another update deploys to this service"),
        (ROLLED_BACK_BEFORE, "rolled back",
         f"ECS runs careapp-poc:6 and not careapp-poc:7, which was rolled back: {ROLLING_BACK}"),
        (NO_SERVICE, "deleted",
         "service careapp-poc-service does not exist any more; it was deleted outside of this stack"),
    ],
    ids=["given up", "rolled back", "taken over", "rolled back, failed one not listed", "deleted"],
)  # fmt: skip
def test_a_failure_is_believed_at_the_second_look_once_the_revision_had_appeared(
    seen, outcome, text
):
    given = verdicts(STARTED, seen, seen)
    assert [verdict.outcome.value for verdict in given] == ["going", "going", outcome]
    assert str(given[-1].text) == text


@pytest.mark.parametrize("seen", [GIVEN_UP, ROLLED_BACK], ids=["given up", "rolled back"])
def test_a_failure_that_ecs_names_needs_no_settling(seen):
    assert len(set(outcomes(seen, seen))) == 2


@pytest.mark.parametrize("seen", [NOT_SHOWN_YET, NO_SERVICE], ids=["old revision", "no service"])
def test_what_ecs_may_only_not_show_yet_is_no_failure_before_it_has_settled(seen):
    looks = outcomes(*[seen] * 7)  # at 0, 3, 6, 9, 12, 15 and 18 seconds
    assert looks[:6] == ["going"] * 6
    assert looks[6] in ("rolled back", "deleted")


def test_an_old_answer_fails_nothing_before_the_update_shows_or_after():
    assert outcomes(GIVEN_UP, STARTED, all_well(), all_well()) == [*["going"] * 3, "runs"]
    assert outcomes(STARTED, NOT_SHOWN_YET, STARTED, all_well(), all_well())[-1] == "runs"


def test_a_forced_new_deployment_of_a_failed_revision_counts_and_not_the_failed_one():
    retried = view(
        deployment(NEW, "IN_PROGRESS", runningCount=0, id="ecs-svc/9"),
        deployment(NEW, "FAILED", primary=False, runningCount=0),
        deployment(OLD, "COMPLETED", primary=False),
    )
    assert outcomes(retried, retried, retried) == ["going"] * 3


def test_the_limit_ends_what_does_not_end_by_itself_and_says_what_lacks():
    given = verdicts(STARTED, STARTED, every=900)
    assert given[-1].outcome is Outcome.TOO_LATE
    assert str(given[-1].text) == ("careapp-poc:7 does not run after 15 minutes: 0 of 2 tasks run")


def test_a_limit_in_parts_of_a_minute_is_said_so():
    patience = Patience(limit=90, settle=15)
    [verdict] = judged(Seen(view=STARTED, at=100), patience=patience)
    assert "after 1.5 minutes" in str(verdict.text)


def test_success_in_the_last_moment_is_success():
    assert outcomes(STARTED, all_well(), all_well(), every=900) == ["going", "going", "runs"]


ILL = view(
    deployment(NEW, "COMPLETED"),
    tasks=[task(1), task(2)],
    targets=[target(1), target(2, "unhealthy", "Target.ResponseCodeMismatch")],
)
RETRIED = view(
    deployment(NEW, "COMPLETED", runningCount=1),
    tasks=[task(1), task(3, lastStatus="PENDING")],
    targets=[target(1)],
)


def test_a_changed_way_is_believed_once_the_load_balancer_has_had_time_to_fail_it():
    looks = [all_well()] * 6  # at 0, 3, 6, 9, 12 and 15 seconds
    assert outcomes(*looks, told=10.0) == [*["going"] * 5, "runs"]
    assert str(verdicts(*looks, told=10.0)[2].text) == (
        "careapp-poc:7 runs: 2 of 2 tasks, all healthy in the target group; "
        "the load balancer checks what was changed"
    )


def test_a_change_long_ago_delays_nothing():
    assert outcomes(all_well(), all_well(), told=-5.0) == ["going", "runs"]


def test_tasks_that_a_changed_way_makes_ill_are_a_failure_at_the_second_look():
    given = verdicts(all_well(), ILL, ILL, told=40.0)
    assert [each.outcome.value for each in given] == ["going", "going", "became unhealthy"]
    assert str(given[-1].text) == (
        "careapp-poc:7 ran until this update changed the path to its tasks: "
        "1 of 2 tasks are healthy in the target group"
    )


def test_tasks_that_fall_ill_without_a_change_or_were_so_before_get_time_to_recover():
    assert set(outcomes(all_well(), ILL, ILL, ILL)) == {"going"}
    assert set(outcomes(ILL, ILL, ILL, told=40.0)) == {"going"}


def test_a_task_that_only_is_replaced_meanwhile_is_no_failure_of_a_changed_way():
    assert set(outcomes(all_well(), RETRIED, RETRIED, RETRIED, told=40.0)) == {"going"}


def test_where_no_roll_out_is_on_tasks_get_a_third_of_the_limit_to_recover():
    given = verdicts(*[ILL, RETRIED] * 3, every=75)  # at 0, 75, 150, 225 and 300 seconds
    assert [each.outcome.value for each in given[:5]] == [*["going"] * 4, "became unhealthy"]
    assert str(given[4].text) == (
        "careapp-poc:7 was rolled out, but does not recover within 5 minutes: "
        "1 of 2 tasks are healthy in the target group"
    )


def test_the_time_to_recover_begins_when_the_roll_out_has_ended():
    assert set(outcomes(*[STARTED] * 5, ILL, RETRIED, ILL, every=75)) == {"going"}


def test_no_wanted_task_is_in_place_when_none_runs():
    given = verdicts(all_well(0), all_well(0))
    assert str(given[-1].text) == (
        "careapp-poc:7 is deployed; the desired count is 0, so there is nothing to wait for"
    )


def test_no_wanted_task_still_waits_for_the_old_ones_to_stop():
    leaving = view(
        deployment(NEW, "COMPLETED", desiredCount=0, runningCount=0),
        deployment(OLD, "COMPLETED", primary=False),
        desired=0,
    )
    assert outcomes(leaving, leaving) == ["going", "going"]


def test_the_number_of_wanted_tasks_is_the_service_s_own_and_may_change_meanwhile():
    one, three = all_well(1), all_well(3)
    scaling = view(
        deployment(NEW, "COMPLETED", desiredCount=3, runningCount=1),
        desired=3,
        tasks=[task(1)],
        targets=[target(1)],
    )
    assert outcomes(one, scaling, three, three) == ["going", "going", "going", "runs"]


def lacks(*, primary=None, tasks=None, targets=None, more=()):
    seen = view(
        primary or deployment(NEW, "COMPLETED"),
        *more,
        tasks=[task(1), task(2)] if tasks is None else tasks,
        targets=[target(1), target(2)] if targets is None else targets,
    )
    [verdict] = verdicts(seen)
    return str(verdict.text)


RUN = "1 of 2 tasks run"
HEALTHY = "1 of 2 tasks are healthy in the target group"
NOT_COMPLETED = "ECS has not called the deployment completed yet"
WATCHED = "all tasks serve; ECS watches the deployment before it calls it completed"
ALL_WELL = (
    "reading once more to be sure: "
    "careapp-poc:7 runs: 2 of 2 tasks, all healthy in the target group"
)
OLDER = deployment(OLD, "COMPLETED", primary=False, runningCount=1)
LEAVING = target(9, "draining", "Target.DeregistrationInProgress")
UNCHECKED = [task(number, healthStatus="UNKNOWN") for number in (1, 2)]


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        ({}, ALL_WELL),
        ({"targets": [target(1), target(2), LEAVING]}, ALL_WELL),
        ({"tasks": UNCHECKED}, ALL_WELL),
        ({"primary": deployment(NEW, "COMPLETED", runningCount=1)}, RUN),
        ({"primary": deployment(NEW, "COMPLETED", desiredCount=1, runningCount=1)}, RUN),
        ({"tasks": [task(1), task(2, lastStatus="PENDING")]}, RUN),
        ({"tasks": [task(1), task(2, definition=OLD)]}, RUN),
        ({"targets": [target(1), target(2, "initial", "Elb.InitialHealthChecking")]}, HEALTHY),
        ({"targets": [target(1)]}, HEALTHY),
        ({"targets": [target(1), target(9)]}, HEALTHY),
        ({"tasks": [task(1), task(2, healthStatus="UNHEALTHY")]}, HEALTHY),
        ({"primary": deployment(NEW, "IN_PROGRESS")}, WATCHED),
        ({"primary": deployment(NEW, "IN_PROGRESS"), "more": [OLDER]}, NOT_COMPLETED),
        ({"primary": deployment(NEW, "COMPLETED", pendingCount=1)}, NOT_COMPLETED),
        ({"more": [OLDER]}, NOT_COMPLETED),
    ],
)
def test_what_lacks_is_told(seen, text):
    assert lacks(**seen) == text
