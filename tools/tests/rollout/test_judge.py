"""What the doctor says of a roll-out: it ends one that cannot succeed, and makes one with a cause red."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.aws.errors import AwsProblem
from tools.aws.pace import Pace
from tools.diagnosis.catalogue import PAGE
from tools.doctor.diagnose import judge
from tools.doctor.screen import plain
from tools.i18n import t
from tools.rollout import gate as gate_loop
from tools.rollout import judge as rules
from tools.rollout import say as words
from tools.rollout.gate import follow
from tools.rollout.look import Reader
from tools.rollout.verdict import Outcome, Terms
from tools.snapshot.deletions import Deletion
from tools.snapshot.rds import Pause
from tools.snapshot.records import Part, Traffic
from tools.snapshot.rollout import Rollout
from tools.tests import stacks as a
from tools.tests.conftest import Told
from tools.tests.doctor.situations import SITUATIONS
from tools.tests.rollout import rollout_answers as answers
from tools.tests.rollout.rollout_answers import EXPECTED, NEW, NOON, OLD, deployment, target, task

ANSWERS = "GET / answers 200."
UNREACHABLE = AwsProblem("unreachable", t("AWS did not return it."), t("Try again."))


@pytest.fixture
def gate(monkeypatch):
    """Asks the gate for causes while doctor sees one snapshot after the other; the screen, the log."""
    monkeypatch.setenv("CAREAPP_POLL_SECONDS", "0.001")
    monkeypatch.setattr(gate_loop, "WARM_UP_SECONDS", 0.05)

    def found(*snapshots, counts=(1,), gone=()):
        looks, log = list(snapshots), Told()
        found.log = log

        def diagnose():
            return judge(looks.pop(0) if len(looks) > 1 else looks[0])

        return asyncio.run(gate_loop.causes(diagnose, log, counts, gone)), log.lastings

    return found


def test_the_doctor_has_the_gate_s_settings_and_reads_no_stack_file(stack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = replace(EXPECTED, definition=stack.definition)
    given = a.choices(healthMatcher="204")
    reader = Reader.of(stack.session, given, here)
    found = reader.diagnose()
    assert "health-check-drifted" in {each.id for each in found.findings}
    assert "The diagnosis itself failed" not in gate_loop._diagnosis(reader)


def causing(snapshot):
    return {each.id for each in judge(snapshot).causes}


@cache
def diagnosis(name):
    """The doctor's diagnosis of a situation; of a healthy stack without a name."""
    return judge(SITUATIONS[name] if name else a.stack())


NAMED = {rules.NO_TASK, rules.PAGE_FAILS, *rules.WRONG}


def signature(name):
    """What the gate tells apart: the kinds and facts of the findings, and the ids that it names itself."""
    return tuple(
        (
            each.kind,
            replace(each.facts, id="", depth=0, places=(), explained_by=()),
            each.id in NAMED and each.id,
        )
        for each in diagnosis(name).findings
    )


EACH = sorted({signature(name): name for name in SITUATIONS}.values())
"""A situation for each signature: what the doctor says of the others is tested in its own folder."""


@pytest.mark.parametrize("name", EACH)
def test_a_cause_is_red_unless_its_facts_say_that_it_does_not_block(gate, name):
    found = diagnosis(name)
    assert gate(SITUATIONS[name])[0] == (
        plain(found) if any(each.facts.blocks for each in found.causes) else ""
    )


def test_tasks_that_died_before_are_no_reason(gate):
    died = [a.ended("Essential container in task exited", name * 32, code=1) for name in "bc"]
    snapshot = a.stack(tasks=(a.task(), *died))
    assert causing(snapshot) == {"tasks-die"}
    assert gate(snapshot) == ("", [ANSWERS])
    assert gate.log.warnings == [
        "2 tasks failed within the last hour and were replaced: Read the last lines of its log: "
        "./careapp logs --previous -s poc"
    ]


def test_a_rule_that_this_update_is_about_to_delete_is_no_warning(gate):
    wider = SITUATIONS["balancer-lets-more-in"]
    rule, route = (
        Deletion(f"aws:{kind}", "old", {})
        for kind in ("vpc/securityGroupIngressRule:SecurityGroupIngressRule", "ec2/route:Route")
    )
    for gone, count in (((), 1), ((route,), 1), ((route, rule), 0)):
        assert gate(wider, gone=gone)[0] == ""
        assert len(gate.log.warnings) == count


def test_a_cause_that_the_next_look_does_not_show_is_none(gate):
    closed = a.stack(network=a.network(groups=a.groups(db_in=())))
    assert gate(closed, a.stack()) == ("", [ANSWERS])
    assert "The tasks cannot reach the database" in gate(closed, closed)[0]


def test_what_could_not_be_looked_at_is_told_and_leaves_it_green(gate):
    hidden = a.stack(database=a.DENIED, execution=UNREACHABLE, image=UNREACHABLE, quota=a.DENIED)
    screen, lines = gate(hidden)
    assert screen == ""
    assert lines == [
        "it runs, but the doctor could not read everything. Not read: "
        "the execution role, the image. AWS did not return it. Try again.",
        "it runs, but the doctor could not read everything. Not read: "
        "the database. me has no permission for iam:GetRole on *. Allow iam:GetRole in IAM, or use another "
        "profile.",
        ANSWERS,
    ]
    assert gate(a.stack(quota=a.DENIED, alarms=a.DENIED)) == ("", [ANSWERS])


def test_a_pause_is_told_and_leaves_it_green(gate):
    database = a.database(status="stopped", pause=Pause(a.NOW))
    paused = a.stack(service=a.service(desired=0, running=0), database=database, page=None)
    assert gate(paused) == ("", [str(words.PAUSED)])


def test_no_task_is_red_unless_the_stack_file_asks_for_none(gate):
    screen, _ = gate(SITUATIONS["scaled-to-zero"], counts=(1, 2))
    assert "The service is set to run no task" in screen
    assert gate(SITUATIONS["scaled-to-zero"], counts=(0,))[0] == ""


def test_what_the_page_answers_is_told_in_a_line(gate):
    assert gate(a.stack()) == ("", ["GET / answers 200."])
    assert gate(a.stack(page=a.page(database=500)))[1] == [
        "GET / answers 200. GET /health/db answers 500."
    ]
    to = a.page(ended_at="http://careapp-poc-alb.example/en/")
    assert gate(a.stack(page=to))[1] == [
        "GET / leads to http://careapp-poc-alb.example/en/, which answers 200."
    ]
    login = a.page(302, leads_to="https://login.example.com/")
    assert gate(a.stack(page=login))[1] == ["GET / redirects to https://login.example.com/."]
    assert gate(a.stack(page=None)) == ("", [])


def test_a_page_that_cannot_be_reached_from_here_is_told_and_leaves_it_green(gate):
    screen, lines = gate(a.stack(page=UNREACHABLE))
    assert (screen, lines) == ("", ["the page was not requested: AWS did not return it."])


def test_an_error_of_the_page_is_red_at_the_second_look(gate):
    failing = a.stack(page=a.page(500))
    assert "1. [cause] The page / answers with error 500" in gate(failing, failing, a.stack())[0]


def test_a_page_that_answers_503_has_time_to_warm_up(gate, monkeypatch):
    monkeypatch.setattr(gate_loop, "WARM_UP_SECONDS", 60)
    warming = a.stack(page=a.page(503))
    assert gate(*[warming] * 5, a.stack()) == ("", [ANSWERS])


def test_an_app_that_has_yet_to_find_its_database_has_the_same_time(gate, monkeypatch):
    monkeypatch.setattr(gate_loop, "WARM_UP_SECONDS", 60)
    warming = replace(SITUATIONS["app-database-away"], page=Part(a.page(503)))
    assert gate(*[warming] * 5, a.stack()) == ("", [ANSWERS])


def test_the_gate_ends_with_the_first_look_that_finds_the_page_well(gate, monkeypatch):
    monkeypatch.setattr(gate_loop, "WARM_UP_SECONDS", 60)
    # A third look would find an error.
    assert gate(a.stack(page=a.page(503)), a.stack(), a.stack(page=a.page(500)))[0] == ""


def test_a_page_that_still_answers_503_after_that_is_red(gate):
    assert "The page / answers with error 503" in gate(a.stack(page=a.page(503)))[0]


def test_a_503_with_a_deeper_cause_has_no_time_to_warm_up(gate, monkeypatch):
    monkeypatch.setattr(gate_loop, "WARM_UP_SECONDS", 60)
    stopped = a.stack(page=a.page(503), database=a.database(status="stopped"))
    screen = gate(stopped, stopped, a.stack())[0]
    assert "1. [cause] The database is stopped" in screen
    assert "- [consequence] The page / answers with error 503" in screen


def test_a_warning_of_a_green_roll_out_is_one_line_with_its_fix(gate):
    assert gate(SITUATIONS["task-role-cannot-read-secret"]) == ("", [ANSWERS])
    [warning] = gate.log.warnings
    head, _, command = warning.partition(" aws ")
    assert head == "The task role has no permission to read the secret of the database: Allow it:"
    assert command.startswith("iam put-role-policy ")
    assert "\n" not in warning


STOPPED = {
    "startedBy": "ecs-svc/1",
    "lastStatus": "STOPPED",
    "desiredStatus": "STOPPED",
    "stoppedReason": "Essential container in task exited",
    "stoppingAt": NOON + timedelta(seconds=40),
}
CERTAIN = sorted(
    name for name in EACH if any(each.facts.certain for each in diagnosis(name).causes)
)
MAY_PASS = sorted(set(EACH) - set(CERTAIN))


def view(*tasks, healthy=0, older=True, failed=1):
    """A deployment with these tasks, of which so many are healthy targets."""
    new = deployment(NEW, "IN_PROGRESS", runningCount=0, failedTasks=failed)
    old = [deployment(OLD, "COMPLETED", primary=False, id="ecs-svc/0")] if older else []
    targets = [target(number, "healthy") for number in range(1, healthy + 1)]
    return answers.view(new, *old, tasks=tasks, targets=targets)


FAILING = view(task(9, **STOPPED))
STARTING = view(task(9, lastStatus="PENDING", startedBy="ecs-svc/1"), failed=0)


def judged(*reads, first=STARTING, page_worked=False):
    """Judge (view, situation) pairs one after the other, after a first look; the verdicts."""
    found = [diagnosis(each) if isinstance(each, str) else judge(each) for _, each in reads]
    verdicts = answers.judged(
        first,
        *(now for now, _ in reads),
        answer=lambda *_: answers.told(found.pop(0)),
        page_worked=page_worked,
    )
    assert not verdicts[0].final
    early = (Outcome.CERTAIN, Outcome.WRONG, Outcome.OUTSIDE)
    return [each if each.outcome in early else None for each in verdicts[1:]]


@pytest.mark.parametrize("name", CERTAIN)
def test_the_second_diagnosis_with_the_same_certain_cause_ends_it(name):
    first, second = judged((FAILING, name), (FAILING, name))
    assert first is None
    assert second.outcome is Outcome.CERTAIN
    titles = [str(each.title) for each in diagnosis(name).causes if each.facts.certain]
    assert str(second.text) == (
        f"careapp-poc:7 cannot become healthy, and waiting does not change that: {titles[0]}. "
        f"ECS starts tasks until 3 have failed, and then rolls back to careapp-poc:6."
    )


def test_without_an_older_version_ecs_gives_up():
    alone = view(task(9, **STOPPED), older=False)
    _, verdict = judged(*[(alone, "image-missing")] * 2)
    assert str(verdict.text).endswith("have failed, and then gives up.")


@pytest.mark.parametrize(
    ("why", "now"),
    [
        ("nothing has failed", view(task(9))),
        ("another deployment's task", view(task(9, **STOPPED | {"startedBy": "ecs-svc/0"}))),
        ("stopped by a person", view(task(9, **STOPPED | {"stopCode": "UserInitiated"}))),
        ("a task serves", view(task(9, **STOPPED), task(1), healthy=1)),
        ("no service", Rollout(expected=NEW)),
    ],
)
def test_without_a_failed_task_of_this_deployment_nothing_is_certain(why, now):
    assert judged(*[(now, "image-missing")] * 3) == [None] * 3, why


@pytest.mark.parametrize("earlier", [task(9, startedBy="ecs-svc/1"), task(9, **STOPPED)])
def test_a_task_that_this_update_found_there_says_nothing_of_what_it_deploys(earlier):
    """An update that corrects the health check's path finds tasks that the old path failed."""
    reads = [(FAILING, "health-path-missing")] * 3
    assert judged(*reads, first=view(earlier)) == [None] * 3


def replacing(state="unhealthy", active=(1, 2), **changes):
    """One task fails the health check; ECS has started its replacement, and stops it only later."""
    created = {2: NOON + timedelta(seconds=50)}
    tasks = [
        task(number, startedBy="ecs-svc/1", createdAt=created.get(number, NOON))
        for number in active
    ]
    new = deployment(NEW, "IN_PROGRESS", desiredCount=1)
    return answers.view(new, tasks=tasks, targets=[target(1, state)], desired=1, **changes)


def test_a_task_that_ecs_replaces_has_failed_before_it_stops():
    _, verdict = judged(*[(replacing(), "health-path-missing")] * 2)
    assert verdict.outcome is Outcome.CERTAIN
    assert str(verdict.text).endswith("have failed, and then gives up.")


def test_an_unhealthy_task_has_failed_before_ecs_replaces_it():
    now = replacing(active=(1,))
    _, verdict = judged(*[(now, "health-path-missing")] * 2)
    assert (verdict.outcome, verdict.stop) == (Outcome.CERTAIN, False)
    assert "The health check's path /helth does not exist in the app. ECS starts" in str(
        verdict.text
    )


PATIENT = replacing(active=(1,), healthCheckGracePeriodSeconds=300)


@pytest.mark.parametrize("now", [replacing("initial"), PATIENT])
def test_a_task_that_may_still_start_is_not_certain(now):
    assert judged(*[(now, "health-path-missing")] * 3) == [None] * 3


def test_two_different_causes_do_not_agree():
    assert judged((FAILING, "image-missing"), (FAILING, "secret-missing")) == [None, None]


def test_a_task_that_became_healthy_meanwhile_starts_the_count_again():
    missing = "image-missing"
    serving = view(task(9, **STOPPED), task(1), healthy=1)
    assert judged((FAILING, missing), (serving, missing), (FAILING, missing)) == [None] * 3


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([FAILING, view(task(9)), view(task(9, **STOPPED), task(1), healthy=1)]),
            st.sampled_from(MAY_PASS),
        ),
        max_size=12,
    )
)
def test_no_history_of_causes_that_may_pass_is_called_certain(history):
    assert set(judged(*history, (answers.all_well(), ""))) == {None}


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CERTAIN), st.sampled_from(MAY_PASS)), max_size=6))
def test_one_wrong_read_between_others_is_not_believed(history):
    """AWS is eventually consistent: a role or a secret may be missing in one read, and exist in the next."""
    reads = [(FAILING, name) for pair in history for name in pair]
    assert set(judged(*reads, (answers.all_well(), ""))) == {None}


def baking(**changes):
    """A deployment whose tasks all serve, and which ECS still watches."""
    primary = deployment(NEW, "IN_PROGRESS", **changes)
    return answers.view(primary, tasks=[task(1), task(2)], targets=[target(1), target(2)])


RAISES = replace(SITUATIONS["app-raises"], page=SITUATIONS["page-errors"].page)


@pytest.mark.parametrize("snapshot", [SITUATIONS["page-errors"], RAISES])
def test_a_healthy_version_whose_page_fails_twice_is_wrong(snapshot):
    first, second = judged((baking(), snapshot), (baking(), snapshot))
    assert (first, second.outcome) == (None, Outcome.WRONG)
    cause = judge(snapshot).causes[0].title
    assert str(second.text) == f"careapp-poc:7: its tasks are healthy, but its page fails: {cause}"


@pytest.mark.parametrize("name", sorted(set(EACH) - {"page-errors"}))
def test_nothing_but_the_page_s_own_error_calls_a_healthy_version_wrong(name):
    assert judged(*[(baking(), name)] * 3) == [None] * 3


@pytest.mark.parametrize(
    "view",
    [
        answers.all_well(),
        baking(pendingCount=1),
        answers.view(
            deployment(NEW, "IN_PROGRESS"),
            deployment(OLD, "COMPLETED", primary=False, runningCount=1),
            tasks=[task(1), task(2)],
            targets=[target(1), target(2)],
        ),
        answers.view(deployment(NEW, "IN_PROGRESS"), tasks=[task(1), task(2)], targets=[target(1)]),
    ],
)
def test_only_a_deployment_that_bakes_is_tried(view):
    assert judged(*[(view, "page-errors")] * 3) == [None] * 3


PAGE_FAILS = sorted(
    name for name in SITUATIONS if any(e.facts.subject == PAGE for e in diagnosis(name).findings)
)
LASTING = sorted(set(PAGE_FAILS) - {"page-unavailable", "page-waits-for-database", "no-listener"})
NO_DATABASE = a.stack(
    page=SITUATIONS["page-silent"].page.value, database=a.database(status="stopped")
)


@pytest.mark.parametrize("name", LASTING)
def test_a_page_that_worked_before_the_update_and_fails_twice_is_wrong_whatever_the_cause(name):
    first, second = judged(*[(baking(), name)] * 2, page_worked=True)
    assert (first, second.outcome, second.stop) == (None, Outcome.WRONG, True)
    assert second.diagnosis is diagnosis(name)


HANGS = "careapp-poc:7: its tasks are healthy, but its page fails: The database is stopped"


@pytest.mark.parametrize(
    ("revision", "old", "outcome", "stop"),
    [
        (OLD, 2, Outcome.WRONG, True),
        (OLD, 0, Outcome.OUTSIDE, False),
        (NEW, 2, Outcome.WRONG, True),  # as `retry` makes it
    ],
)
def test_a_cause_outside_of_the_version_is_rolled_back_while_old_tasks_serve(
    revision, old, outcome, stop
):
    before = deployment(revision, "COMPLETED", primary=False, runningCount=old)
    now = baking()
    both = replace(
        now.service,
        deployments=(*now.service.deployments, *answers.view(before).service.deployments),
        traffic=Traffic("BAKE_TIME", 100.0),
    )
    _, second = judged(*[(replace(now, service=both), NO_DATABASE)] * 2, page_worked=True)
    assert (second.outcome, second.stop) == (outcome, stop)
    assert str(second.text).startswith(HANGS)
    assert str(second.text).endswith("a rollback would not help") is not stop


@pytest.mark.parametrize("name", ["page-unavailable", "page-waits-for-database"])
def test_one_that_may_warm_up_is_wrong_only_once_its_time_has_passed(name, monkeypatch):
    assert judged(*[(baking(), name)] * 5, page_worked=True) == [None] * 5
    monkeypatch.setattr(rules, "WARM_UP_SECONDS", 0)
    _, second = judged(*[(baking(), name)] * 2, page_worked=True)
    assert second.outcome is Outcome.WRONG


@pytest.mark.parametrize("name", sorted(set(EACH) - set(PAGE_FAILS)))
def test_a_page_that_worked_and_still_works_is_not_wrong(name):
    assert judged(*[(baking(), name)] * 3, page_worked=True) == [None] * 3


def test_a_failure_that_the_next_look_does_not_show_is_none():
    reads = [(baking(), "page-silent"), (baking(), "")]
    assert judged(*reads, page_worked=True) == [None] * 2


def test_a_page_that_fails_later_is_wrong_as_long_as_ecs_has_not_let_go():
    """The page is requested again after ten of AWS's seconds, that is at every fourth look."""
    first, *others = judged(
        *[(baking(), each) for each in ("", "page-silent", "page-silent")] + [(baking(), "")] * 4
    )
    assert first is None
    assert [each and each.outcome for each in others[:5]] == [None, None, None, None, Outcome.WRONG]


FAILS = [STARTING, FAILING, FAILING]


def followed(diagnose, reads, monkeypatch):
    looks = list(reads)
    monkeypatch.setattr("tools.rollout.look.look", lambda *_: looks.pop(0))
    told, terms = Told(), Terms(expected=EXPECTED, patience=answers.PATIENCE)
    ending = follow(answers.reader(None, diagnose), terms, Pace(poll=0.001), told)
    return asyncio.run(ending), told.moments


def test_the_gate_ends_with_the_diagnosis(monkeypatch):
    end, _ = followed(lambda: diagnosis("image-missing"), FAILS, monkeypatch)
    assert end.verdict.outcome is Outcome.CERTAIN
    assert end.verdict.diagnosis.causes[0].id == "image-missing"


def test_a_doctor_that_fails_leaves_the_verdict_to_ecs(monkeypatch):
    def broken():
        raise ValueError("oops")

    end, lines = followed(broken, [STARTING, FAILING, *[answers.all_well()] * 2], monkeypatch)
    assert (end.verdict.outcome, end.verdict.diagnosis) == (Outcome.RUNS, None)
    assert "The diagnosis itself failed (ValueError: oops); try `./careapp doctor`." in lines


def test_the_text_says_what_to_do(monkeypatch):
    end, _ = followed(lambda: diagnosis("image-missing"), FAILS, monkeypatch)
    shown = words.failed(end, EXPECTED, "THE DIAGNOSIS", deregistered=False)
    assert shown.startswith("the roll-out failed: careapp-poc:7 cannot become healthy")
    assert "THE DIAGNOSIS\n\nWhat to do: remove the cause above, then `pulumi up`." in shown
    assert "./careapp retry -s poc" in shown
