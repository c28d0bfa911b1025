"""What keeps `pulumi up` from being green though the wanted revision runs: every cause but a few."""

import asyncio
from dataclasses import replace

import pytest

from i18n import t
from ops.aws.errors import AwsProblem
from ops.doctor.diagnose import judge
from ops.doctor.screen import plain
from ops.rollout import causes
from ops.snapshot.rds import Pause
from ops.snapshot.records import Part
from tests.ops import stacks as a
from tests.ops.conftest import Told
from tests.ops.situations import SITUATIONS

EXCUSED = {
    *("too-few-tasks", "rolled-back", "roll-out-failed"),
    *("fargate-quota-small", "subnets-full"),
}
ANSWERS = "GET / answers 200."
UNREACHABLE = AwsProblem("unreachable", t("AWS did not return it."), t("Try again."))


@pytest.fixture
def gate(monkeypatch):
    """Asks the gate for causes while doctor sees one snapshot after the other; the screen, the log."""
    monkeypatch.setenv("CAREAPP_POLL_SECONDS", "0.001")
    monkeypatch.setattr(causes, "WARM_UP_SECONDS", 0.05)

    def found(*snapshots, counts=(1,)):
        looks, log = list(snapshots), Told()
        found.log = log

        def diagnosed(_stack, _session, expected):
            assert expected == a.NEW
            return judge(looks.pop(0) if len(looks) > 1 else looks[0])

        monkeypatch.setattr(causes, "diagnosed", diagnosed)
        return asyncio.run(causes.causes("poc", None, log, a.NEW, counts)), log.lastings

    return found


def causing(snapshot):
    return {each.id for each in judge(snapshot).causes}


@pytest.mark.parametrize("name", [each for each in SITUATIONS if causing(SITUATIONS[each])])
def test_every_cause_is_red_but_those_that_are_excused(gate, name):
    screen, _ = gate(SITUATIONS[name])
    assert bool(screen) == bool(causing(SITUATIONS[name]) - EXCUSED)
    if screen:
        assert screen == plain(judge(SITUATIONS[name]))


@pytest.mark.parametrize("name", [each for each in SITUATIONS if not causing(SITUATIONS[each])])
def test_what_is_no_cause_leaves_it_green(gate, name):
    assert gate(SITUATIONS[name])[0] == ""


def test_tasks_that_died_before_are_no_reason(gate):
    died = [a.ended("Essential container in task exited", name * 32, code=1) for name in "bc"]
    snapshot = a.stack(tasks=(a.task(), *died))
    assert causing(snapshot) == {"tasks-die"}
    assert gate(snapshot) == ("", [ANSWERS])


def test_a_cause_that_the_next_look_does_not_show_is_none(gate):
    closed = a.stack(network=a.network(groups=a.groups(db_in=())))
    assert gate(closed, a.stack()) == ("", [ANSWERS])
    assert "The tasks cannot reach the database" in gate(closed, closed)[0]


def test_what_could_not_be_looked_at_is_told_and_leaves_it_green(gate):
    hidden = a.stack(database=a.DENIED, execution=UNREACHABLE, image=UNREACHABLE, quota=a.DENIED)
    screen, lines = gate(hidden)
    assert screen == ""
    assert lines == [
        "it runs, but the doctor could not read everything. Missing: "
        "the execution role, the image. AWS did not return it. Try again.",
        "it runs, but the doctor could not read everything. Missing: "
        "the database. me has no permission for iam:GetRole on *. Allow iam:GetRole in IAM, or use another "
        "profile.",
        ANSWERS,
    ]
    assert gate(a.stack(quota=a.DENIED, alarms=a.DENIED)) == ("", [ANSWERS])


def test_a_pause_is_told_and_leaves_it_green(gate):
    database = a.database(status="stopped", pause=Pause(a.NOW, 1))
    paused = a.stack(service=a.service(desired=0, running=0), database=database, page=None)
    assert gate(paused) == ("", [str(causes.PAUSED)])


def test_no_task_is_red_unless_the_stack_file_asks_for_none(gate):
    screen, _ = gate(SITUATIONS["scaled-to-zero"], counts=(1, 2))
    assert "The service is set to run no task" in screen
    assert gate(SITUATIONS["scaled-to-zero"], counts=(0,))[0] == ""


def test_what_the_page_answers_is_told_in_a_line(gate):
    assert gate(a.stack()) == ("", ["GET / answers 200."])
    assert gate(a.stack(page=a.page(database=500)))[1] == [
        "GET / answers 200. GET /health/db answers 500."
    ]
    assert gate(a.stack(page=a.page(404)))[1] == [
        "GET / answers 404, and so do users' requests. smokePath sets another page to check."
    ]
    assert gate(a.stack(page=None)) == ("", [])


def test_a_page_that_cannot_be_reached_from_here_is_told_and_leaves_it_green(gate):
    screen, lines = gate(a.stack(page=UNREACHABLE))
    assert (screen, lines) == ("", ["the page was not requested: AWS did not return it."])


def test_an_error_of_the_page_is_red_at_the_second_look(gate):
    failing = a.stack(page=a.page(500))
    assert "1. [cause] The page / answers with error 500" in gate(failing, failing, a.stack())[0]


def test_a_page_that_answers_503_has_time_to_warm_up(gate, monkeypatch):
    monkeypatch.setattr(causes, "WARM_UP_SECONDS", 60)
    warming = a.stack(page=a.page(503))
    assert gate(*[warming] * 5, a.stack()) == ("", [ANSWERS])


def test_an_app_that_has_yet_to_find_its_database_has_the_same_time(gate, monkeypatch):
    monkeypatch.setattr(causes, "WARM_UP_SECONDS", 60)
    warming = replace(SITUATIONS["app-database-away"], page=Part(a.page(503)))
    assert gate(*[warming] * 5, a.stack()) == ("", [ANSWERS])


def test_the_gate_ends_with_the_first_look_that_finds_the_page_well(gate, monkeypatch):
    monkeypatch.setattr(causes, "WARM_UP_SECONDS", 60)
    # A third look would find an error.
    assert gate(a.stack(page=a.page(503)), a.stack(), a.stack(page=a.page(500)))[0] == ""


def test_a_page_that_still_answers_503_after_that_is_red(gate):
    assert "The page / answers with error 503" in gate(a.stack(page=a.page(503)))[0]


def test_a_503_with_a_deeper_cause_has_no_time_to_warm_up(gate, monkeypatch):
    monkeypatch.setattr(causes, "WARM_UP_SECONDS", 60)
    stopped = a.stack(page=a.page(503), database=a.database(status="stopped"))
    screen = gate(stopped, stopped, a.stack())[0]
    assert "1. [cause] The database is stopped" in screen
    assert "- [consequence] The page / answers with error 503" in screen


def test_a_warning_of_a_green_roll_out_is_one_line_with_its_fix(gate):
    assert gate(SITUATIONS["task-role-cannot-read-secret"]) == ("", [ANSWERS])
    [warning] = gate.log.warnings
    head, _, command = warning.partition(" aws ")
    assert head == "The app may not read the database's secret again: Allow it:"
    assert command.startswith("iam put-role-policy ")
    assert "\n" not in warning
