"""The doctor's word at the end of a roll-out that runs: a cause makes it red, all else is told."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest

from careapp.additions.owner import inquiry_of
from careapp.additions.parts.pauses import Pause
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.diagnosis.screen import plain
from ecs_gate.doctor import judge
from ecs_gate.parts.gather import Inquiry
from ecs_gate.parts.records import Deletion
from ecs_gate.rollout import gate as gate_loop
from ecs_gate.rollout.look import Reader
from ecs_gate.text import t
from tests import said
from tests import stacks as a
from tests.conftest import Told
from tests.doctor.situations import SITUATIONS
from tests.doctor.variants import VARIANTS
from tests.rollout.rollout_answers import EXPECTED

UNREACHABLE = AwsProblem("unreachable", t("AWS did not return it."), t("Try again."))
WELL, WARMING = a.stack(), a.stack(page=a.page(503))
FAILING, STOPPED = a.stack(page=a.page(500)), a.database(status="stopped")
INITIAL = (replace(a.HEALTHY["targets"][0], state="initial", reason="Elb.InitialHealthChecking"),)
# ECS replaces the only task: no target is healthy, so the doctor requests no page.
REPLACED, NOT_READ = (a.stack(targets=targets, page=None) for targets in (INITIAL, UNREACHABLE))
CLOSED = a.stack(network=a.network(groups=a.groups(db_in=())))
WITHOUT_DATABASE = a.but(SITUATIONS["app-database-away"], page=a.page(503))
DIED = [a.ended("Essential container in task exited", name * 32, code=1) for name in "bc"]
PAUSED = a.stack(
    service=a.service(desired=0, running=0), database=replace(STOPPED, tags=Pause(a.NOW).tags), page=None
)  # fmt: skip
LOGIN = a.page(302, leads_to="https://login.example.com/")
ENGLISH = a.page(ended_at="http://careapp-poc-alb.example/en/")


@pytest.fixture
def gate(monkeypatch):
    """Asks the gate for causes while the doctor sees one snapshot after the other; the screen, and what is told."""
    monkeypatch.setenv("LOCAL_CLOUD_POLL_SECONDS", "0.001")
    monkeypatch.setattr(gate_loop.pages, "page_before", lambda _: None)

    def found(*snapshots, counts=(1,), gone=(), warm_up=0.05, tasks=1):
        looks, log = list(snapshots), Told()
        monkeypatch.setattr(gate_loop, "WARM_UP_SECONDS", warm_up)

        def diagnose(_):
            return judge(looks.pop(0) if len(looks) > 1 else looks[0])

        reader = Reader(EXPECTED, Inquiry(None, None), diagnose)
        screen = asyncio.run(gate_loop.causes(reader, log, counts, gone, tasks))
        return screen, [*log.lastings, *(f"warning: {warning}" for warning in log.warnings)]

    return found


def test_doctor_has_the_gate_s_settings_and_reads_no_stack_file(stack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = replace(EXPECTED, definition=stack.definition)
    inquiry = inquiry_of(
        a.choices(healthMatcher="204"), stack.session, stack.definition, workers={}
    )
    reader = Reader(here, inquiry)
    assert "health-check-drifted" in {finding.id for finding in reader.diagnose().findings}
    assert gate_loop._diagnose(reader).names == "careapp-poc"


@pytest.mark.parametrize("name", SITUATIONS)
def test_causes_that_block_are_red(gate, name):
    found = judge(SITUATIONS[name])
    red = any(cause.facts.blocks for cause in found.causes)
    assert gate(SITUATIONS[name])[0] == (plain(found) if red else "")


GREEN = {
    "page": [WELL],
    "page and health": [a.stack(page=a.page(database=500))],
    "page elsewhere": [a.stack(page=ENGLISH)],
    "page with a login": [a.stack(page=LOGIN)],
    "page not requested": [a.stack(page=None)],
    "page out of reach": [a.stack(page=UNREACHABLE)],
    "page warms up": [*[WARMING] * 5, WELL],
    "task is replaced": [*[REPLACED] * 5, WELL],
    "page finds its database": [*[WITHOUT_DATABASE] * 5, WELL],
    "page works, and a third look would fail": [WARMING, WELL, FAILING],
    "tasks died before": [a.stack(tasks=(a.task(), *DIED))],
    "a cause that is not seen again": [CLOSED, WELL],
    "parts not read": [a.stack(database=a.DENIED, execution=UNREACHABLE, image=UNREACHABLE, quota=a.DENIED)],
    "parts not read that are not essential": [a.stack(quota=a.DENIED, alarms=a.DENIED)],
    "paused": [PAUSED],
    "a warning with its fix": [SITUATIONS["task-role-cannot-read-secret"]],
    "a migration waits": [VARIANTS["app-cannot-migrate: waits for a lock, and the page works"]],
    "no task, as the stack file says": [SITUATIONS["scaled-to-zero"]],
}  # fmt: skip


def test_what_leaves_it_green_is_told(gate):
    def told(name):
        counts = (0,) if "as the stack file says" in name else (1,)
        screen, lines = gate(*GREEN[name], counts=counts, warm_up=60)
        assert screen == "", name
        return "\n".join(lines)

    said.check(Path(__file__).parent / "green.txt", {each: partial(told, each) for each in GREEN})


@pytest.mark.parametrize(
    ("answer", "tasks", "red"),
    [
        (a.page(), 1, ""),
        (None, 1, ""),
        (UNREACHABLE, 1, ""),
        (a.page(500), 1, "GET / answers 500."),
        (a.page(0), 1, "GET / does not answer."),
        (a.page(503), 0, ""),
    ],
)
def test_doctor_that_fails_is_told_and_the_page_alone_decides(
    gate, monkeypatch, answer, tasks, red
):
    monkeypatch.setattr(gate_loop.pages, "page_before", Mock(side_effect=[answer] * 2))
    assert gate(NOT_READ, tasks=tasks)[0] == red, "AWS has not answered for its targets"
    screen, [told, *more] = gate(None, tasks=tasks)
    assert (screen, told.startswith("There is no diagnosis. careapp itself")) == (red, True)
    assert more == ["the page was not requested: AWS did not return it."] * (answer is UNREACHABLE)


@pytest.mark.parametrize(
    ("looks", "warm_up", "cause"),
    [
        ([CLOSED, CLOSED], 0, "[cause] The tasks cannot reach the database"),
        ([FAILING, FAILING, WELL], 0, "1. [cause] The page / answers with error 500"),
        ([WARMING], 0.05, "1. [cause] The page / answers with error 503"),
        # What does not show the page takes no failure of it back.
        ([FAILING, REPLACED, FAILING], 60, "1. [cause] The page / answers with error 500"),
        ([REPLACED, FAILING], 60, "1. [cause] The page / answers with error 500"),
        ([NOT_READ, FAILING], 60, "1. [cause] The page / answers with error 500"),
        ([REPLACED], 0.05, "1. [what happened] 0 of 1 tasks healthy"),
        # A 503 with a deeper cause has no time to warm up.
        ([a.stack(page=a.page(503), database=STOPPED)] * 2 + [WELL], 60, "[cause] The database is stopped"),
        ([SITUATIONS["scaled-to-zero"]], 0, "[cause] The service is set to run no task"),
    ],
)  # fmt: skip
def test_cause_that_two_diagnoses_show_is_red(gate, looks, warm_up, cause):
    assert cause in gate(*looks, counts=(1, 2), warm_up=warm_up)[0]


@pytest.mark.parametrize(
    ("kinds", "warnings"),
    [
        ((), 1),
        (("ec2/route:Route",), 1),
        (("ec2/route:Route", "vpc/securityGroupIngressRule:SecurityGroupIngressRule"), 0),
    ],
)
def test_rule_that_this_update_deletes_is_no_warning(gate, kinds, warnings):
    gone = [Deletion(f"aws:{kind}", "old", {}) for kind in kinds]
    screen, lines = gate(SITUATIONS["balancer-lets-more-in"], gone=gone)
    assert (screen, sum(line.startswith("warning: ") for line in lines)) == ("", warnings)
