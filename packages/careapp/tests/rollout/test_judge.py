"""The gate's judgement: the rows, every situation of the doctor, and what is asked."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_gate.parts.rollout import Rollout
from ecs_gate.rollout.look import Question
from ecs_gate.rollout.verdict import Outcome
from tests import said
from tests.doctor.situations import SITUATIONS
from tests.rollout import judge_rows as rows
from tests.rollout import rollout_answers as answers
from tests.rollout.rollout_answers import judged


@pytest.mark.parametrize("name", rows.ROWS)
def test_verdict_of_the_last_look(name):
    *before, last = rows.ROWS[name].judge()
    assert {verdict.outcome for verdict in before} <= {rows.GOING}
    assert (last.outcome, last.stop) == (rows.ROWS[name].outcome, rows.ROWS[name].stop)


def test_verdict_is_said_in_a_sentence():
    given = {name: row.judge()[-1].text for name, row in rows.ROWS.items()}
    said.check(Path(__file__).parent / "verdicts.txt", {k: v.__str__ for k, v in given.items()})


@pytest.mark.parametrize("strategy", ["CANARY", "LINEAR", "BLUE_GREEN"])
@pytest.mark.parametrize(
    ("failed", "cause", "outcome"),
    [
        ((0, 3), "crash", rows.CERTAIN),
        ((0, 2), "crash", rows.GOING),
        ((0, 1, 1), "crash-by-program", rows.CERTAIN),
        ((0, 1), "crash-by-program", rows.GOING),
        ((59,), "crash", rows.GOING),  # after an interrupted up
        ((59, 60), "crash", rows.CERTAIN),
    ],
)
def test_gate_stops_a_deployment_without_a_breaker(strategy, failed, cause, outcome):
    looks = [rows.unbroken(count, strategy if count else "CANARY") for count in failed]
    last = judged(*looks, answer=rows.finding(cause))[-1]
    assert (last.outcome, last.stop) == (outcome, outcome is rows.CERTAIN)
    if cause == "crash" and last.stop:
        assert str(last.text).startswith(f"{failed[-1]} tasks of careapp-poc:7 have failed, and ")


def doctors(causes, now=rows.BAKES, count=2, **known):
    """The early verdicts on looks after a first one, where the doctor finds these situations."""
    looks = [now] * count if isinstance(now, Rollout) else now
    given = judged(rows.STARTING, *looks, answer=rows.finding(causes), **known)
    early = (rows.CERTAIN, rows.WRONG, Outcome.OUTSIDE)
    return [verdict if verdict.outcome in early else None for verdict in given[1:]]


SURE = sorted(n for n in SITUATIONS if any(e.facts.certain for e in rows.diagnosis(n).causes))
MAY_PASS = sorted(SITUATIONS.keys() - set(SURE))


@given(st.lists(st.tuples(st.sampled_from([rows.FAILS, rows.UNFAILED["nothing"], rows.SERVES]),
                          st.sampled_from(MAY_PASS)), max_size=12))  # fmt: skip
def test_causes_that_may_pass_are_never_certain(history):
    looks = [*(now for now, _ in history), rows.WELL]
    assert set(doctors((*(name for _, name in history), ""), looks)) == {None}


@given(st.lists(st.tuples(st.sampled_from(SURE), st.sampled_from(MAY_PASS)), max_size=6))
def test_one_wrong_read_between_others_is_not_believed(history):
    """AWS is eventually consistent: a role or a secret may be missing in one read, and exist in the next."""
    causes = [name for pair in history for name in pair]
    assert set(doctors((*causes, ""), [*[rows.FAILS] * len(causes), rows.WELL])) == {None}


@pytest.mark.parametrize(
    ("stage", "asked"),
    [("PRODUCTION_TRAFFIC_SHIFT", True), ("POST_PRODUCTION_TRAFFIC_SHIFT", True), ("BAKE_TIME", True),
     ("CLEAN_UP", False), ("TEST_TRAFFIC_SHIFT", False)],
)  # fmt: skip
def test_page_is_asked_by_the_test_rule_until_ecs_lets_go(stage, asked):
    questions = []

    def answer(question, _):
        questions.append(question)
        return answers.told(rows.diagnosis("page-errors"))

    verdict = judged(*[rows.shifting(stage)] * 2, answer=answer, page_worked=True)[-1]
    assert questions == [Question.TEST_PAGE] * 2 * asked
    assert (verdict.outcome, verdict.stop) == ((rows.WRONG, True) if asked else (rows.GOING, False))
