"""What keeps `pulumi up` from being green though the wanted revision runs: every cause but a few."""

import asyncio

import pytest

from ops import rollout_causes
from ops.doctor import judge
from ops.paused import Pause
from ops.problems import AwsProblem
from ops.texts import t
from tests.ops import stacks as a
from tests.ops.situations import SITUATIONS

EXCUSED = {
    *("too-few-tasks", "rolled-back", "roll-out-failed"),
    *("fargate-quota-small", "subnets-full"),
}
UNREACHABLE = AwsProblem("unreachable", t("AWS did not tell."), t("Try again."))


class Told:
    """A log that keeps what lasts."""

    lang = "en"

    def __init__(self):
        self.lines = []

    def lasting(self, text):
        self.lines.append(text.to("en"))


@pytest.fixture
def gate(monkeypatch):
    """Asks the gate for causes while doctor sees one snapshot after the other; the screen, the log."""
    monkeypatch.setenv("CAREAPP_POLL_SECONDS", "0.001")

    def causes(*snapshots, counts=(1,)):
        looks, log = list(snapshots), Told()

        def diagnosed(_stack, _session, wanted):
            assert wanted == a.NEW
            return judge(looks.pop(0) if len(looks) > 1 else looks[0])

        monkeypatch.setattr(rollout_causes, "_diagnosed", diagnosed)
        return asyncio.run(rollout_causes.causes("poc", None, log, a.NEW, counts)), log.lines

    return causes


def causing(snapshot):
    return {each.id for each in judge(snapshot).causes}


@pytest.mark.parametrize("name", [each for each in SITUATIONS if causing(SITUATIONS[each])])
def test_every_cause_is_red_but_those_that_are_excused(gate, name):
    screen, _ = gate(SITUATIONS[name])
    assert bool(screen) == bool(causing(SITUATIONS[name]) - EXCUSED)
    if screen:
        assert screen == judge(SITUATIONS[name]).as_text("en")


@pytest.mark.parametrize("name", [each for each in SITUATIONS if not causing(SITUATIONS[each])])
def test_what_is_no_cause_leaves_it_green(gate, name):
    assert gate(SITUATIONS[name])[0] == ""


def test_tasks_that_died_before_are_no_reason(gate):
    died = [a.ended("Essential container in task exited", name * 32, code=1) for name in "bc"]
    snapshot = a.stack(tasks=(a.task(), *died))
    assert causing(snapshot) == {"tasks-die"}
    assert gate(snapshot) == ("", [])


def test_a_cause_that_the_next_look_does_not_show_is_none(gate):
    closed = a.stack(network=a.network(groups=a.groups(db_in=())))
    assert gate(closed, a.stack()) == ("", [])
    assert "The tasks cannot reach the database" in gate(closed, closed)[0]


def test_what_could_not_be_looked_at_is_told_and_leaves_it_green(gate):
    hidden = a.stack(database=a.DENIED, execution=UNREACHABLE, image=UNREACHABLE, quota=a.DENIED)
    screen, lines = gate(hidden)
    assert screen == ""
    assert lines == [
        "it runs, but nobody knows whether all is in order, for this could not be looked at: "
        "the execution role, the image. AWS did not tell. Try again.",
        "it runs, but nobody knows whether all is in order, for this could not be looked at: "
        "the database. me may not iam:GetRole on *. Allow iam:GetRole to it in IAM, or use another "
        "profile.",
    ]
    assert gate(a.stack(quota=a.DENIED, alarms=a.DENIED)) == ("", [])


def test_a_pause_is_told_and_leaves_it_green(gate):
    database = a.database(status="stopped", pause=Pause(a.NOW, 1))
    paused = a.stack(service=a.service(desired=0, running=0), database=database)
    assert gate(paused) == ("", [rollout_causes.PAUSED.to("en")])


def test_no_task_is_red_unless_the_stack_file_asks_for_none(gate):
    screen, _ = gate(SITUATIONS["scaled-to-zero"], counts=(1, 2))
    assert "The service is set to run no task" in screen
    assert gate(SITUATIONS["scaled-to-zero"], counts=(0,)) == ("", [])
