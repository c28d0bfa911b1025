"""The words of a roll-out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tools.aws.session import Place
from tools.i18n import in_language, verbatim
from tools.rollout import say as words
from tools.rollout.verdict import End, Outcome, Verdict
from tools.snapshot.rollout import Rollout
from tools.tests.rollout.rollout_answers import (
    EXPECTED,
    NEW,
    OLD,
    ROLLING_BACK,
    all_well,
    deployment,
    judged,
    target,
    view,
)
from tools.waiting import timed

PLACE = Place(region="ap-northeast-1")
RETRY = "./careapp retry -s poc"
NO_SERVICE = Rollout(expected=NEW)
BACK = view(
    deployment(OLD, "COMPLETED", rolloutStateReason=ROLLING_BACK),
    deployment(NEW, "FAILED", primary=False, runningCount=0),
)


def end(seen):
    return End(judged(seen, seen)[-1], seen)


def ended(outcome, seen=NO_SERVICE):
    return End(Verdict(outcome=outcome, text=verbatim("It failed.")), seen)


def block(ending, diagnosis="", *, deregistered=False):
    return words.failed(ending, EXPECTED, diagnosis, deregistered=deregistered)


def test_targets_are_counted_in_elb_s_own_words():
    seen = view(
        targets=[
            target(1),
            target(2, "unhealthy", "Target.Timeout"),
            target(3, "unhealthy", "Target.Timeout"),
            target(4, "draining", "Target.DeregistrationInProgress"),
        ]
    )
    assert words.targets(seen) == (
        "1 draining (Target.DeregistrationInProgress), 1 healthy, 2 unhealthy (Target.Timeout)"
    )
    assert words.targets(view()) == "0"


def test_progress_of_a_revision_that_ecs_does_not_show_counts_none_of_its_tasks():
    verdict = Verdict(outcome=Outcome.GOING, text=verbatim("Wait."))
    assert str(words.progress(view(deployment(OLD, "COMPLETED")), verdict)) == (
        "careapp-poc:7: tasks 0 of 2 running, 0 starting, 0 failed; targets 0; Wait."
    )
    assert str(words.progress(NO_SERVICE, verdict)) == "Wait."


@pytest.mark.parametrize(
    ("counts", "spelled"),
    [({1}, "1"), (range(2, 5), "2-4"), ({0, 2, 3, 4}, "0, 2-4"), ({0, 1}, "0, 1"), ({0}, "0")],
)
def test_counts_are_spelled_as_a_person_would(counts, spelled):
    assert words.spelled(counts) == spelled


@pytest.mark.parametrize(("desired", "nearest"), [(7, 4), (1, 2)])
def test_another_count_than_the_stack_file_s_is_told_with_the_command_that_changes_it(
    desired, nearest
):
    assert str(words.another_count(desired, range(2, 5), EXPECTED, PLACE)) == (
        f"the desired count of the service is {desired}, the stack file says 2-4; to change it: "
        "aws ecs update-service --region ap-northeast-1 --cluster careapp-poc-cluster "
        f"--service careapp-poc-service --desired-count {nearest}"
    )


@pytest.mark.parametrize("desired", [0, 3])
def test_no_command_is_told_for_a_count_of_the_stack_file_nor_for_none_as_in_a_paused_stack(
    desired,
):
    assert words.another_count(desired, range(2, 5), EXPECTED, PLACE) is None


def test_a_time_is_minutes_and_seconds_beside_the_limit():
    assert str(timed(verbatim("Going."), 65.9, 900)) == "Going. [1:05 of 15:00]"


def test_a_rolled_back_roll_out_says_what_happened_what_runs_why_and_what_to_do():
    assert block(end(BACK), "THE DIAGNOSIS\n  in lines\n") == (
        "the roll-out failed: ECS gave careapp-poc:7 up and went back to careapp-poc:6: "
        "ECS deployment circuit breaker: tasks failed to start.\n"
        "Still running: careapp-poc:6 (running tasks: 2, desired: 2).\n"
        "\n"
        "THE DIAGNOSIS\n"
        "  in lines\n"
        "\n"
        "What to do: remove the cause above, then `pulumi up`. Where that makes no new task "
        "definition, and ECS has given up by then, start a new deployment first:\n"
        f"  {RETRY}\n"
        "Each `pulumi up` fails until careapp-poc:7 runs."
    )


def test_what_is_replaced_still_runs_and_is_counted_by_the_service_s_own_count():
    replaced = deployment(OLD, "COMPLETED", primary=False, desiredCount=0, runningCount=1)
    seen = view(deployment(NEW, "IN_PROGRESS", runningCount=0), replaced)
    assert "Still running: careapp-poc:6 (running tasks: 1, desired: 2)." in block(
        ended(Outcome.CERTAIN, seen)
    )


def test_a_first_roll_out_that_failed_leaves_nothing_running_but_its_own_remains():
    remains = view(deployment(NEW, "FAILED", runningCount=1))
    assert block(end(remains), "WHY").splitlines()[:3] == [
        "the roll-out failed: ECS gave careapp-poc:7 up: "
        "ECS deployment circuit breaker: tasks failed to start.",
        "",
        "WHY",
    ]


def test_the_command_names_the_profile_that_the_stack_uses():
    text = words.another_count(1, {2}, EXPECTED, Place(region="eu-west-1", profile="work"))
    assert "--region eu-west-1 --profile work" in str(text)


@pytest.mark.parametrize(
    ("outcome", "way_on"),
    [
        (Outcome.DELETED, "`pulumi up --refresh` creates what is missing."),
        (Outcome.REPLACED,
         "wait for the other deployment, agree on one version, then "
         "`pulumi up --refresh` rolls this program's version out."),
        (Outcome.BECAME_UNHEALTHY,
         "remove the cause above, then `pulumi up`. Each one fails until careapp-poc:7 runs."),
        (Outcome.TOO_LATE,
         "remove the cause above, or, if the app only needs longer, "
         "`pulumi config set rolloutTimeoutMinutes MINUTES`. ECS goes on trying; the next "
         "`pulumi up` waits again, and fails until careapp-poc:7 runs."),
    ],
    ids=lambda value: value.value if isinstance(value, Outcome) else "",
)  # fmt: skip
def test_each_failure_has_its_own_way_on(outcome, way_on):
    said = f"the roll-out failed: It failed.\n\nWhat to do: {way_on}"
    assert block(ended(outcome)) == said


def test_a_rollback_to_the_same_revision_is_compared_with_what_the_stack_declares():
    end = replace(ended(Outcome.ROLLED_BACK), view=replace(all_well(), rollback_reason="Tripped."))
    assert block(end).endswith(
        "What to do: remove the cause above, let ECS try again, and have Pulumi compare the service "
        f"with what this stack declares:\n  {RETRY}\n  pulumi up --refresh\n"
        "Each `pulumi up` fails until that has worked."
    )


def test_a_deregistered_revision_is_registered_anew():
    assert block(ended(Outcome.ROLLED_BACK), deregistered=True).endswith(
        "What to do: careapp-poc:7 was deregistered, so ECS does not deploy it any more. "
        "`pulumi up --refresh` registers a new revision and rolls it out."
    )


def test_an_app_that_runs_but_cannot_do_its_work_is_told_apart_from_one_that_does_not_run():
    assert words.running_with_a_cause(
        ended(Outcome.RUNS, all_well()), EXPECTED, "THE DIAGNOSIS\n"
    ) == (
        "careapp-poc:7 runs and its targets are healthy, but the doctor finds a cause that must be removed\n"
        "\n"
        "THE DIAGNOSIS\n"
        "\n"
        "The changes are recorded. Each `pulumi up` fails until the cause is removed."
    )


def test_a_page_that_worked_before_and_was_not_rolled_back_is_told_so():
    end = ended(Outcome.RUNS, all_well())
    assert words.running_with_a_cause(end, EXPECTED, "THE DIAGNOSIS", page_worked=True).endswith(
        "THE DIAGNOSIS\n\n"
        "ECS has completed the deployment, so it was not rolled back. Correct it, or put the earlier version "
        "back in the program, as docs/repair.md#go-back says; then `pulumi up`.\n\n"
        "The changes are recorded. Each `pulumi up` fails until the cause is removed."
    )


def test_a_cause_outside_of_a_version_that_was_rolled_back_takes_a_new_deployment():
    text = block(ended(Outcome.WRONG))
    assert text.endswith(
        "Where the cause lies outside of the app, remove it, and start a new deployment:\n"
        "  ./careapp retry -s poc"
    )


def test_what_nobody_could_see_is_neither_success_nor_failure_of_the_app():
    assert words.unconfirmed(EXPECTED, "No credentials. Log in.") == (
        "it is not known whether careapp-poc:7 runs: its roll-out could not be read from AWS\n"
        "\n"
        "No credentials. Log in.\n"
        "\n"
        "The changes are recorded. The next `pulumi up` checks again, with or without changes."
    )


def test_a_failure_is_told_in_japanese_but_for_aws_s_own_words_and_the_commands():
    with in_language("ja"):
        text = words.failed(end(BACK), EXPECTED, "", deregistered=False)
    assert text.splitlines()[1] == "現在動いている版: careapp-poc:6（実行中のタスク 2、必要数 2）。"  # noqa: RUF001
    assert RETRY in text
    assert "ECS deployment circuit breaker: tasks failed to start." in text
    assert "What to do" not in text


def test_no_task_where_some_are_asked_for_is_said_so():
    end = replace(ended(Outcome.RUNS), view=all_well(0))
    assert words.running_with_a_cause(end, EXPECTED, "THE DIAGNOSIS").startswith(
        "careapp-poc:7 is deployed, but the desired count is 0, and the stack file says more\n"
    )
