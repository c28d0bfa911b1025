"""Evidence is of this roll-out, these tasks and this fault: older events and tracebacks are never quoted for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tools.diagnosis.case import Case
from tools.doctor.diagnose import judge
from tools.snapshot.records import Part
from tools.tests import stacks as a
from tools.tests.doctor.situations import CRASHED, EXITED, asked, findings, kinds, trace, unable

IMAGE = "was unable to place a task. Reason: CannotPullContainerError: manifest not found."
STEADY = "has reached a steady state."
FAILED = "(deployment ecs-svc/2) deployment failed: tasks failed to start."


def quoted(snapshot):
    return [words for each in judge(snapshot).findings for words in each.evidence]


def with_events(snapshot, *events):
    """The snapshot with other events of the service, newest first."""
    service = replace(snapshot.service.value, events=events)
    return replace(snapshot, service=Part(service))


@pytest.mark.parametrize("seconds", [-700, -3 * 24 * 3600])
def test_an_image_error_of_an_earlier_roll_out_is_no_cause_of_this_one(seconds):
    now = unable(IMAGE)
    assert kinds(now)[0] == ("cannot-place-tasks", "cause")
    earlier = with_events(now, a.event(IMAGE, seconds))
    assert (kinds(earlier)[0][0], quoted(earlier)) == ("roll-out-going-on", [])


def test_what_the_service_has_got_over_since_it_was_steady_is_no_cause_either():
    completed = a.stack(service=a.service(running=0), tasks=(), targets=())
    past = with_events(completed, a.event(STEADY, -200), a.event(IMAGE, -300))
    assert "cannot-place-tasks" not in dict(kinds(past))
    again = with_events(completed, a.event(IMAGE, -100), a.event(STEADY, -200))
    assert kinds(again)[0] == ("cannot-place-tasks", "cause")


def test_of_a_roll_back_whose_tasks_are_forgotten_the_events_before_its_end_are_quoted():
    back = a.failing(rolled_back=True)
    events = (
        a.event(FAILED, -100),
        a.event(IMAGE, -200),
        a.event(STEADY, -90000),
        a.event("was unable to place a task. Reason: another day", -90100),
    )
    assert [each.message[30:] for each in Case(with_events(back, *events)).events] == [
        each.message[30:] for each in events[:3]
    ]
    assert quoted(with_events(back, events[-1])) == []


def test_the_end_of_an_earlier_roll_out_is_not_quoted_for_this_one():
    ended = a.stack(service=a.service(deployments=(a.deployment(rollout="FAILED"),)))
    older = a.event("(deployment ecs-svc/0) deployment failed: alarm detected.", -9000)
    first = findings(with_events(ended, a.event(FAILED, -100), older))[0]
    assert (first.id, [each for each in first.evidence if "ecs-svc/0" in each]) == (
        "roll-out-failed",
        [],
    )


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
    assert bool(Case(with_events(going, a.event(message))).events) is quoted_here


def test_the_completed_deployment_of_a_rollback_is_not_the_one_that_failed():
    done = a.event("(deployment ecs-svc/3) deployment completed.", -50)
    back = with_events(a.failing(rolled_back=True), done, a.event(FAILED, -100))
    assert [each.deployment for each in Case(back).events] == ["ecs-svc/2"]


@pytest.mark.parametrize("definition", [a.OLD, a.NEW])
def test_a_failed_deployment_of_another_revision_or_of_an_earlier_try_does_not_fail_this_one(
    definition,
):
    going = a.deployment(rollout="IN_PROGRESS")
    failed = a.deployment(id="ecs-svc/1", status="ACTIVE", definition=definition, rollout="FAILED")
    snapshot = a.stack(service=a.service(deployments=(going, failed), running=0), targets=())
    assert "roll-out-failed" not in dict(kinds(snapshot))


OLD = trace("ZeroDivisionError: of a fault that is repaired")
SLOW = '{"level": "warning", "message": "the database took too long", "reason": "canceling"}'


def test_a_traceback_from_before_the_last_good_answer_is_not_quoted():
    lines = [a.LISTENS, *OLD, asked("/", 500), asked("/", 200), *[asked("/", 500)] * 3]
    snapshot = a.stack(logs=a.logs(a=lines), page=a.page(500))
    assert [each.id for each in findings(snapshot)] == ["page-errors", "app-requests-fail"]
    assert not [each for each in quoted(snapshot) if "ZeroDivision" in each or "pages.py" in each]


def test_a_lock_is_the_cause_and_not_the_traceback_before_it():
    lines = [a.LISTENS, *OLD, asked("/", 500), asked("/", 200), *[SLOW, asked("/", 503)] * 3]
    snapshot = a.stack(logs=a.logs(a=lines), page=a.page(503))
    assert kinds(snapshot) == [
        ("page-waits-for-database", "cause"),
        ("page-unavailable", "consequence"),
        ("app-requests-fail", "consequence"),
    ]
    first = findings(snapshot)[0]
    assert first.evidence == (SLOW,)
    listed, ended = first.fixes[0].commands[-2:]
    assert listed.startswith('./careapp db psql -s poc -c "SELECT pid, usename, now() - xact_start')
    assert "pg_terminate_backend" in ended


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["psycopg.errors.LockNotAvailable: canceling statement due to lock timeout"], True),
        ([SLOW, *OLD], False),
        ([SLOW, asked("/", 200)], False),
    ],
    ids=["another app's own words", "it raises since", "it answered since"],
)
def test_a_statement_that_was_cancelled_is_the_cause_while_nothing_newer_is(lines, found):
    snapshot = a.stack(logs=a.logs(a=[a.LISTENS, *lines]), page=a.page(503))
    assert ("page-waits-for-database" in dict(kinds(snapshot))) is found


def test_after_a_rollback_the_page_is_explained_by_the_log_of_the_tasks_that_answer_it():
    """A lock in the database fails the page of the version before as well."""
    ended = a.ended("Scaling activity initiated by (deployment ecs-svc/3)", code=0)
    logs = a.logs(b=[a.LISTENS], c=[a.LISTENS, *[SLOW, asked("/", 503)] * 3])
    snapshot = a.failing(ended, rolled_back=True, logs=logs, page=a.page(503))
    assert kinds(snapshot) == [
        ("page-waits-for-database", "cause"),
        ("page-unavailable", "consequence"),
        ("rolled-back", "consequence"),
    ]


def test_a_fault_that_failed_tasks_of_another_version_is_not_this_version_s():
    old = a.ended(CRASHED, name="c" * 32, code=1, stop=EXITED, started_by="ecs-svc/1")
    snapshot = a.failing(replace(old, definition=a.OLD), logs=a.logs(c=list(OLD)))
    assert quoted(snapshot) == []
