"""The rules of the gate, a row each: what was seen, look by look, and the verdict at the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tools.rollout.look import Question, Seen
from tools.rollout.verdict import Outcome, judge_view
from tools.snapshot.records import Alarmed, Traffic
from tools.tests.rollout import rollout_answers as answers
from tools.tests.rollout.rollout_answers import (
    EXPECTED,
    NEW,
    NOON,
    OLD,
    deployment,
    judged,
    target,
    task,
    told,
)
from tools.tests.rollout.test_judge import STOPPED, diagnosis

CERTAIN, WRONG, GOING = Outcome.CERTAIN, Outcome.WRONG, Outcome.GOING
BEFORE = deployment(OLD, "COMPLETED", primary=False, id="ecs-svc/0")


def view(failed, strategy="CANARY", running=(), older=True, rollout="IN_PROGRESS", **changes):
    """A deployment of which so many tasks have failed in a row, as the doctor and ECS show them."""
    new = deployment(NEW, rollout, runningCount=len(running), failedTasks=failed)
    tasks = [task(100 + number, **STOPPED) for number in range(failed)]
    tasks += [task(number, startedBy="ecs-svc/1") for number in running]
    return answers.view(
        *([new, BEFORE] if older else [new]),
        tasks=tasks,
        targets=[target(number) for number in running],
        deploymentConfiguration={"strategy": strategy},
        **changes,
    )


def end(looks, cause, **known):
    """The last verdict, where the doctor finds this cause at each look that asks."""
    return judged(*looks, answer=lambda *_: told(diagnosis(cause)), **known)[-1]


FRESH, ENDS = view(0), "ECS's circuit breaker does not end such a deployment"


@pytest.mark.parametrize("strategy", ["CANARY", "LINEAR", "BLUE_GREEN"])
@pytest.mark.parametrize(
    ("looks", "cause", "outcome"),
    [
        ([FRESH, 3], "crash", CERTAIN),
        ([FRESH, 2], "crash", GOING),
        ([FRESH, 1, 1], "crash-by-program", CERTAIN),
        ([FRESH, 1], "crash-by-program", GOING),
        ([59], "crash", GOING),
        ([59, 60], "crash", CERTAIN),
    ],
    ids=["as the breaker", "one less", "a cause that is certain", "seen once",
         "an interrupted up: nothing since then", "an interrupted up: and one more"],
)  # fmt: skip
def test_a_deployment_without_a_breaker_is_stopped_by_the_gate(strategy, looks, cause, outcome):
    seen = [each if each is FRESH else view(each, strategy) for each in looks]
    verdict = end(seen, cause)
    assert (verdict.outcome, verdict.stop) == (outcome, outcome is CERTAIN)
    if cause == "crash" and verdict.stop:
        assert str(verdict.text).startswith(
            f"{looks[-1]} tasks of careapp-poc:7 have failed, and {ENDS}. "
        )


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        (view(3, "ROLLING"), GOING),
        (view(3, running=(1,)), CERTAIN),
        (view(3, older=False), CERTAIN),
        (view(3, rollout="COMPLETED", running=(1, 2)), GOING),
    ],
    ids=["rolling has the breaker", "one of two serves", "a first release", "it is completed"],
)
def test_whether_as_many_failed_tasks_as_the_breaker_allows_are_stopped(now, outcome):
    verdict = end([FRESH, now], "crash")
    assert (verdict.outcome, verdict.stop) == (outcome, outcome is CERTAIN)


def unused(**changes):
    """A completed deployment whose targets no listener leads to."""
    targets = [target(number, "unused", "Target.NotInUse") for number in (1, 2)]
    done = deployment(NEW, "COMPLETED")
    return answers.view(done, tasks=[task(1), task(2)], targets=targets, **changes)


def initial():
    """A deployment whose targets are not checked yet."""
    now = unused()
    return replace(now, targets=tuple(replace(each, state="initial") for each in now.targets))


def every(seconds, now, count, **changes):
    return [Seen(view=now, at=number * seconds, **changes) for number in range(count)]


@pytest.mark.parametrize(
    ("looks", "cause", "outcome"),
    [
        (every(45, unused(), 3), "no-listener", CERTAIN),
        (every(45, unused(), 2), "no-listener", GOING),
        (every(5, unused(), 4), "no-listener", CERTAIN),
        (every(3, unused(), 4), "no-listener", GOING),
        (every(10, initial(), 5), "no-listener", GOING),
        (every(45, initial(), 3), "no-listener", CERTAIN),
        (every(45, replace(initial(), process="mail", at=NOON), 3), "no-listener", GOING),
        (every(45, unused(), 3), "health-path-missing", GOING),
        (every(45, unused(), 3, noticed=300), "no-listener", GOING),
    ],
    ids=["unused targets", "two diagnoses agree", "after ten seconds", "not for long enough",
         "others not for long enough", "others", "of a worker", "of tasks before this update",
         "this update has just changed the path"],
)  # fmt: skip
def test_a_resource_that_is_missing_ends_a_roll_out_in_which_nothing_moves(looks, cause, outcome):
    assert end(looks, cause).outcome is outcome


def shifting(stage, percent=10.0):
    """A canary whose tasks are healthy."""
    now = view(0, running=(1, 2))
    return replace(now, service=replace(now.service, traffic=Traffic(stage, percent)))


@pytest.mark.parametrize(
    ("stage", "asked"),
    [("PRODUCTION_TRAFFIC_SHIFT", True), ("POST_PRODUCTION_TRAFFIC_SHIFT", True), ("BAKE_TIME", True),
     ("CLEAN_UP", False), ("TEST_TRAFFIC_SHIFT", False)],
)  # fmt: skip
def test_the_page_is_asked_by_the_test_rule_until_ecs_has_let_go(stage, asked):
    questions = []

    def answer(question, _):
        questions.append(question)
        return told(diagnosis("page-errors"))

    now = shifting(stage)
    verdict = judged(*every(3, now, 2), answer=answer, page_worked=True)[-1]
    assert questions == [Question.TEST_PAGE] * 2 * asked
    assert (verdict.outcome, verdict.stop) == ((WRONG, True) if asked else (GOING, False))


def test_a_page_that_goes_on_to_answer_is_asked_every_ten_of_aws_s_seconds():
    asked = []

    def answer(question, _):
        asked.append(question)
        return told(diagnosis(""))

    judged(*every(5, shifting("BAKE_TIME"), 9), answer=answer)
    assert len(asked) == 5


@pytest.mark.parametrize("blameless", [True, False])
def test_an_alarm_of_the_old_version_does_not_blame_the_new_one(blameless):
    back = answers.view(
        deployment(OLD, "IN_PROGRESS"), deployment(NEW, "FAILED", primary=False, runningCount=0)
    )
    back = replace(back, alarmed=Alarmed(("careapp-poc-deployment-errors-2",), blameless))
    found = judge_view(back, EXPECTED, sure=True)
    assert found.outcome is Outcome.ROLLED_BACK
    assert str(found.text).endswith("this release was not at fault") is blameless
    assert ("careapp-poc-deployment-errors-2" in str(found.text)) is blameless
