"""The words of a roll-out."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from careapp.additions.remedies import ADVICE, try_again
from ecs_gate.rollout import say as words
from ecs_gate.rollout.verdict import End, Outcome, Verdict
from ecs_gate.text import verbatim
from ecs_gate.waiting import timed
from tests import said
from tests.rollout import judge_rows as rows
from tests.rollout import rollout_answers as aws

BACK = aws.view(
    aws.deployment(aws.OLD, "COMPLETED", rolloutStateReason=rows.ROLLING_BACK), rows.FAILED
)
REMAINS = aws.view(aws.deployment(aws.NEW, "FAILED", runningCount=1))
HALF = aws.view(
    aws.deployment(aws.NEW, "IN_PROGRESS", runningCount=0),
    aws.deployment(aws.OLD, "COMPLETED", primary=False, desiredCount=0, runningCount=1),
)
TRIPPED = replace(aws.all_well(), rollback_reason="Tripped.")
FAILED, WAIT = verbatim("It failed."), Verdict(outcome=Outcome.GOING, text=verbatim("Wait."))


def ended(outcome, seen=aws.NO_SERVICE):
    return End(Verdict(outcome=outcome, text=FAILED), seen)


def failed(end, diagnosis="", expected=aws.EXPECTED):
    retry = try_again("poc", expected.names)
    return partial(words.failed, end, diagnosis, retry, advice=ADVICE)


def cause(seen=None, **known):
    end = ended(Outcome.RUNS, aws.all_well() if seen is None else seen)
    return partial(words.running_with_a_cause, end, "THE DIAGNOSIS\n", ADVICE, **known)


ENDED = {
    "rolled back": failed(
        End(aws.judged(BACK, BACK)[-1], BACK), "THE DIAGNOSIS\n  in lines\n"
    ),
    "given up, with remains of a first roll-out": failed(End(aws.judged(REMAINS, REMAINS)[-1], REMAINS), "WHY"),
    "certain, while the one before still runs": failed(ended(Outcome.CERTAIN, HALF)),
    **{
        f"failed: {outcome.value}": failed(ended(outcome))
        for outcome in Outcome if outcome not in (Outcome.GOING, Outcome.RUNS)
    },
    **{
        f"alone: {each.value}": partial(words.failed, ended(each), "", "aws ecs …")
        for each in (Outcome.DELETED, Outcome.REPLACED, Outcome.OUTSIDE, Outcome.TOO_LATE, Outcome.WRONG)
    },
    "alone: a cause of a page that worked": partial(
        words.running_with_a_cause, ended(Outcome.RUNS, aws.all_well()), "WHY", page_worked=True
    ),
    "alone: not read": partial(words.unconfirmed, aws.EXPECTED.revision, "No credentials. Log in."),
    "rolled back to the same revision": failed(ended(Outcome.ROLLED_BACK, TRIPPED)),
    "a worker": failed(ended(Outcome.GAVE_UP, rows.mail(rows.ended(2, 9))), "WHY", rows.MAIL),
    "a cause": cause(),
    "a cause of a page that worked": cause(page_worked=True),
    "a cause: no task": cause(aws.all_well(0)),
    "not read": partial(words.unconfirmed, aws.EXPECTED.revision, "No credentials. Log in.", ADVICE),
    "would delete": partial(words.would_delete, aws.EXPECTED.revision, "THE DIAGNOSIS"),
    "progress": partial(words.progress, aws.view(aws.deployment(aws.OLD, "COMPLETED")), WAIT),
    "progress: no service": partial(words.progress, aws.NO_SERVICE, WAIT),
    "progress: a worker": partial(words.progress, rows.mail(rows.lasted(5), rows.ended(2, 9)), WAIT),
    "time": partial(timed, verbatim("Going."), 65.9, 900),
}  # fmt: skip


def test_ends_of_a_roll_out_are_said():
    said.check(Path(__file__).parent / "ends.txt", ENDED)


def test_targets_are_counted_in_elb_s_own_words():
    timeouts = [aws.target(number, "unhealthy", "Target.Timeout") for number in (2, 3)]
    leaves = aws.target(4, "draining", "Target.DeregistrationInProgress")
    assert words.targets(aws.view(targets=[aws.target(1), *timeouts, leaves])) == (
        "1 draining (Target.DeregistrationInProgress), 1 healthy, 2 unhealthy (Target.Timeout)"
    )
    assert words.targets(aws.view()) == "0"
