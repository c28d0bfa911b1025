"""The gate's judgement of workers, which have no targets, and in which order it follows the roll-outs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pulumi
import pytest

from tools.aws.pace import Pace
from tools.diagnosis.findings import Finding
from tools.doctor.checks.containers import CRASH_UNKNOWN
from tools.i18n import verbatim
from tools.rollout import say as words
from tools.rollout import update
from tools.rollout.gate import follow
from tools.rollout.log import Log, RolloutFailed
from tools.rollout.look import Expected, Reader, look
from tools.rollout.verdict import End, Outcome, Terms, Verdict
from tools.snapshot import ecs
from tools.snapshot.rollout import Rollout
from tools.tests import stacks
from tools.tests.conftest import Told
from tools.tests.rollout import rollout_answers as answers
from tools.tests.rollout.rollout_answers import EXPECTED, NOON, deployment, service, task
from tools.waiting import Changes

NEW = f"{answers.ARN}:task-definition/careapp-poc-worker-mail:7"
MAIL = Expected(names=EXPECTED.names.of_worker("mail"), definition=NEW)
RAN = {"startedBy": "ecs-svc/1"}


def started(seconds, number=1, **changes):
    """A task of the worker that has run for so many seconds."""
    return task(number, NEW, startedAt=NOON - timedelta(seconds=seconds), **RAN, **changes)


def ended(number, seconds):
    """A task that ended by itself so many seconds ago."""
    at = NOON - timedelta(seconds=seconds)
    return task(
        number, NEW, lastStatus="STOPPED", desiredStatus="STOPPED", stoppingAt=at, stoppedAt=at,
        startedAt=at, stoppedReason="Essential container in task exited",
        stopCode="EssentialContainerExited", **RAN,
    )  # fmt: skip


def view(*tasks, rollout="COMPLETED", **changes):
    values = {"desiredCount": 1, "runningCount": 1, **changes}
    return Rollout(
        expected=NEW,
        service=ecs.service_of(service(deployment(NEW, rollout, **values), desired=1)),
        tasks=tuple(map(ecs.task_of, tasks)),
        process="mail",
        at=NOON,
    )


def ends(*views, every=3.0):
    return answers.judged(*views, every=every, expected=MAIL)


@pytest.mark.parametrize(
    ("tasks", "outcome", "why"),
    [
        ((started(30),), "runs", "careapp-poc-worker-mail:7 runs: 1 of 1 tasks, for 30 seconds at least"),
        ((started(29),), "going", "0 of 1 tasks have run for 30 seconds without a failure"),
        ((started(45), ended(2, 29)), "going",
         "0 of 1 tasks have run for 30 seconds without a failure"),
        ((started(45), ended(2, 45)), "runs",
         "careapp-poc-worker-mail:7 runs: 1 of 1 tasks, for 30 seconds at least"),
        ((ended(2, 5),), "going", "0 of 1 tasks run"),
    ],
    ids=["long enough", "too short", "another failed since", "the failure is older", "none runs"],
)  # fmt: skip
def test_a_worker_runs_once_its_tasks_have_run_for_half_a_minute_without_a_failure(
    tasks, outcome, why
):
    seen = view(*tasks)
    last = ends(seen, seen)[-1]
    assert (last.outcome.value, str(last.text)) == (outcome, why)


def test_a_worker_whose_deployment_is_not_completed_does_not_run_yet():
    seen = view(started(60), rollout="IN_PROGRESS")
    assert str(ends(seen)[-1].text) == "ECS has not called the deployment completed yet"


def test_a_worker_s_progress_has_no_targets_and_counts_the_tasks_that_ended():
    seen = view(started(5), ended(2, 9))
    assert str(words.progress(seen, ends(seen)[-1])) == (
        "careapp-poc-worker-mail:7: tasks 1 of 1 running, 0 starting, 1 failed; "
        "0 of 1 tasks have run for 30 seconds without a failure"
    )


class Account:
    """Answers with one worker that runs."""

    def __init__(self):
        self.calls, self.events = [], ()

    def call(self, _api, operation, **params):
        self.calls.append((operation, params.get("services") or params.get("service")))
        return {
            "describe_services": {"services": [self.service()]},
            "describe_tasks": {"tasks": [started(60)]},
            "list_service_deployments": {"serviceDeployments": []},
        }[operation]

    def service(self):
        mine = deployment(NEW, "COMPLETED", runningCount=1, desiredCount=1)
        return service(mine, desired=1, events=self.events)

    def all(self, _api, operation, _field, **params):
        self.calls.append((operation, params["serviceName"]))
        return ["arn:task/1"] if params["desiredStatus"] == "RUNNING" else []


def test_one_look_at_a_worker_asks_for_its_service_and_its_tasks_and_for_no_target():
    account, name = Account(), "careapp-poc-worker-mail"
    seen = look(account, MAIL)
    assert account.calls == [
        ("describe_services", [name]), ("list_tasks", name), ("list_tasks", name),
        ("describe_tasks", None), ("list_service_deployments", name),
    ]  # fmt: skip
    assert (seen.process, seen.at is None, len(seen.tasks)) == ("mail", False, 1)


@pytest.mark.parametrize(
    ("since", "events"), [(NOON, ["11-25 12:00:00 ECS: deployment completed"]), (None, [])]
)
def test_the_events_of_a_deployment_of_this_update_are_shown_though_it_is_completed(since, events):
    """A worker is followed after the web service: by then ECS may have completed its deployment."""
    account, told = Account(), Told()
    account.events = (answers.event(1, 0, "deployment completed"),)

    terms = Terms(expected=MAIL, patience=answers.PATIENCE, since=since)
    end = asyncio.run(follow(Reader(account, None, MAIL, None), terms, Pace(poll=1e-6), told))
    assert (end.verdict.outcome, told.lastings) == (Outcome.RUNS, events)


CRASH = Finding(
    CRASH_UNKNOWN, title=verbatim("Worker mail: it ends"), why=verbatim(""), process="mail"
)


def certain(*views, since=None):
    """The gate's early verdicts on a worker whose doctor finds a crash."""
    found = SimpleNamespace(causes=(CRASH,))
    given = answers.judged(
        *views, answer=lambda *_: answers.told(found), expected=MAIL, since=since
    )
    return [each if each.final else None for each in given]


def test_two_tasks_that_end_by_themselves_are_certain_and_the_doctor_says_why():
    one, two = view(ended(2, 9)), view(started(5), ended(2, 50), ended(3, 9))
    first, second = certain(one, two, since=NOON)
    assert first is None
    assert second is not None
    assert (second.outcome, second.diagnosis.causes) == (Outcome.CERTAIN, (CRASH,))
    assert str(second.text) == (
        "2 tasks of careapp-poc-worker-mail:7 have ended by themselves, and ECS starts others without end. "
        "Worker mail: it ends"
    )


def test_tasks_that_ended_before_this_update_do_not_count():
    old = view(started(5), ended(2, 50), ended(3, 9))
    new = view(started(1), *(ended(number, 3) for number in (2, 3, 4)))
    both = view(started(1), *(ended(number, 3) for number in (2, 3, 4, 5)))
    assert [each and each.outcome for each in certain(old, new, both)] == [
        None, None, Outcome.CERTAIN,
    ]  # fmt: skip


def test_one_good_task_does_not_hide_those_that_end():
    two = replace(view(started(60), ended(2, 50), ended(3, 40)))
    assert two.serving == 1
    assert certain(two, since=NOON)[0].outcome is Outcome.CERTAIN


def test_a_failed_worker_says_that_the_web_version_stays_and_tries_itself_again():
    end = End(Verdict(outcome=Outcome.GAVE_UP, text=verbatim("ECS gave it up")), view(ended(2, 9)))
    text = words.failed(end, MAIL, "THE DIAGNOSIS", deregistered=False)
    assert text.startswith("the roll-out failed: ECS gave it up\n\nTHE DIAGNOSIS\n\nWhat to do:")
    assert "  ./careapp retry --worker mail -s poc\n" in text
    assert text.endswith("\nThe web service stays as it is: it is not rolled back with a worker.")


class Program:
    """A program's update: what the gate follows, in which order, and which workers the doctor reads last."""

    def __init__(self, monkeypatch, workers, ends_of=()):
        self.followed, self.read, ends_of = [], [], dict(ends_of)
        self.settings = stacks.choices(workers=workers)

        async def follow(reader, *_others):
            expected = reader.expected
            self.followed.append(expected.revision)
            outcome = ends_of.get(expected.names.process, Outcome.RUNS)
            return End(Verdict(outcome=outcome, text=verbatim("so")), view(started(60)))

        async def causes(diagnose, _log, _counts, _gone):
            self.read.append(diagnose.keywords["workers"])
            return ""

        monkeypatch.setattr("tools.rollout.gate.follow", follow)
        monkeypatch.setattr("tools.rollout.gate.causes", causes)
        monkeypatch.setattr("tools.rollout.gate._diagnosis", lambda _: "THE DIAGNOSIS")
        monkeypatch.setattr("tools.rollout.gate.is_deregistered", lambda *_: False)
        monkeypatch.setattr(pulumi.log, "info", lambda *_others, **_more: None)

    def run(self):
        async def work():
            known = {each.name: made(each.name) for each in self.settings.workers}
            arns = {"definition": answers.NEW, "target_group": "group", "page_url": "http://page"}
            changes = Changes()
            await update.follow_all(arns, self.settings, changes, Log(None), known)

        asyncio.run(work())


def made(name):
    """An ECS service of the program, with its outputs."""
    arn = f"{answers.ARN}:task-definition/careapp-poc-worker-{name}:7"
    outputs = map(pulumi.Output.from_input, (f"arn:service/{name}", arn))
    return SimpleNamespace(**dict(zip(("id", "task_definition"), outputs, strict=True)))


TWO = '{"mail": {"command": "sleep 1"}, "off": {"command": "sleep 1", "count": 0}, "sms": {"command": "sleep 1"}}'


def test_the_web_service_is_followed_first_then_each_worker_with_tasks_then_the_doctor_is_asked(
    monkeypatch,
):
    program = Program(monkeypatch, TWO)
    program.run()
    assert program.followed == [
        "careapp-poc:7", "careapp-poc-worker-mail:7", "careapp-poc-worker-sms:7",
    ]  # fmt: skip
    assert [sorted(each) for each in program.read] == [["mail", "off", "sms"]]


def test_a_worker_that_fails_makes_the_update_red_and_the_next_one_is_not_waited_for(monkeypatch):
    program = Program(monkeypatch, TWO, {"mail": Outcome.BECAME_UNHEALTHY})
    with pytest.raises(RolloutFailed, match="THE DIAGNOSIS"):
        program.run()
    assert program.followed == ["careapp-poc:7", "careapp-poc-worker-mail:7"]
    assert program.read == []


def test_a_stack_without_workers_is_asked_nothing_about_them(monkeypatch):
    program = Program(monkeypatch, "{}")
    program.run()
    assert (program.followed, program.read) == (["careapp-poc:7"], [{}])
