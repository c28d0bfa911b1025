"""Following a roll-out: how often it looks, what it tells, which problems it survives, and in which order."""

import asyncio
import json
import os
import signal
import time
from datetime import timedelta
from types import SimpleNamespace

import pulumi
import pytest

from careapp.update import services
from ecs_gate import screen
from ecs_gate.aws import local_cloud
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.aws.pace import Pace
from ecs_gate.parts.gather import Inquiry
from ecs_gate.parts.rollout import Rollout
from ecs_gate.pulumi import ResourceLog, RolloutFailed
from ecs_gate.rollout.gate import follow
from ecs_gate.rollout.look import Reader
from ecs_gate.rollout.verdict import End, Outcome, Patience, Terms, Verdict
from ecs_gate.text import verbatim
from ecs_gate.waiting import Changes
from tests import stacks
from tests.conftest import Told
from tests.rollout import judge_rows as rows
from tests.rollout import rollout_answers as aws

GOOD = aws.service(aws.deployment(aws.NEW, "COMPLETED"))
ROLLING = aws.service(
    aws.deployment(aws.NEW, "IN_PROGRESS", runningCount=1, pendingCount=1, failedTasks=2),
    aws.deployment(aws.OLD, "COMPLETED", primary=False),
)
THROTTLED = AwsProblem("throttled", verbatim("Too many requests."), verbatim("Wait."))
EXPIRED = AwsProblem("expired", verbatim("The credentials have expired."), verbatim("Log in."))
BROKEN_DOWN = AwsProblem("refused", verbatim("Sorry."), verbatim("Wait."), "ServerException")
DENIED = AwsProblem("denied", verbatim("You may not."), verbatim("Ask."), "AccessDenied")


def followed(*services, seconds=3.0, limit=900.0, speed=1.0, changed=None, account=None, **known):
    """The end of a roll-out and what was told, with `seconds` between looks and no real waiting."""
    told, ticks, changes = Told(), iter(range(10_000)), Changes()
    changes.last = changed
    expected = known.pop("expected", aws.EXPECTED)
    diagnose = known.pop("diagnose", lambda _: SimpleNamespace(causes=()))
    ending = follow(
        Reader(expected, Inquiry(None, account or aws.Account(*services)), diagnose),
        Terms(patience=Patience(limit=limit, settle=15, notice=40), **known),
        Pace(poll=1e-6, speed=speed),
        told,
        changes,
        now=lambda: seconds * max(0, next(ticks) - 1),
    )
    return asyncio.run(ending), told


@pytest.mark.parametrize("problem", [THROTTLED, BROKEN_DOWN], ids=["throttled", "AWS failed"])
def test_passing_problem_with_aws_is_told_and_waited_out(problem):
    end, told = followed(ROLLING, *[problem] * 4, GOOD)
    assert (end.verdict.outcome, end.view) == (Outcome.RUNS, aws.all_well())
    assert told.moments.count(f"AWS does not answer for now: {problem.text}") == 4


def test_passing_problems_are_counted_in_a_row():
    assert followed(*[*[THROTTLED] * 4, ROLLING] * 5, GOOD)[0].verdict.outcome is Outcome.RUNS
    with pytest.raises(AwsProblem, match="Too many requests"):
        followed(ROLLING, THROTTLED)


@pytest.mark.parametrize("problem", [EXPIRED, DENIED], ids=["expired", "denied"])
def test_credentials_that_fail_half_way_end_it_at_once(problem):
    account = aws.Account(ROLLING, problem, GOOD)
    with pytest.raises(AwsProblem, match=str(problem.text)):
        followed(account=account)
    assert len(account.calls.of("describe_services")) == 2


STATE = (
    "careapp-poc:7: tasks 1 of 2 running, 1 starting, 2 failed; targets 2 healthy; 1 of 2 tasks run"
)


def test_progress_is_told_when_it_moves_or_half_a_minute_has_passed():
    _, told = followed(*[ROLLING] * 22, GOOD)
    times = [line.rpartition(" [")[2] for line in told.moments if line.startswith(STATE)]
    assert times == ["0:00 of 15:00]", "0:30 of 15:00]", "1:00 of 15:00]"]
    assert "reading once more" in told.moments[3]


BEGUN = [aws.event(1, -1), aws.event(2, 0)]
LATER = [aws.event(4, 9), aws.event(3, 5), *BEGUN]
ENDED = aws.service(aws.deployment(aws.OLD, "COMPLETED"), events=(aws.event(5, 60),))
OF_A_WORKER = aws.service(
    aws.deployment(rows.MAIL.definition, "COMPLETED", runningCount=1, desiredCount=1),
    desired=1,
    events=(aws.event(1, 0),),
)


@pytest.mark.parametrize(
    ("looks", "since", "told"),
    [
        ([ROLLING | {"events": BEGUN}, *[ROLLING | {"events": LATER}] * 2, GOOD], None,
         ["12:00:00 event 2", "12:00:05 event 3", "12:00:09 event 4"]),
        # The deployment has gone.
        ([ROLLING, ENDED], None, ["12:01:00 event 5"]),
        ([GOOD | {"events": [aws.event(number, number) for number in range(50)]}], None, []),
        # A worker is followed after the web service: by then ECS may have completed its deployment.
        ([OF_A_WORKER], aws.NOON, ["12:00:00 event 1"]),
        ([OF_A_WORKER], None, []),
    ],
    ids=["of this roll-out, once", "after a rollback", "ended long ago", "of this update", "of an earlier one"],
)  # fmt: skip
def test_events_of_this_roll_out_are_told(monkeypatch, looks, since, told):
    monkeypatch.setattr(screen, "now", lambda: aws.NOON)
    known = {}
    if looks == [OF_A_WORKER]:
        account = aws.Account(*looks, describe_tasks={"tasks": [rows.lasted(60)]})
        known = {"expected": rows.MAIL, "account": account}
    lines = followed(*looks, since=since, **known)[1].lastings
    head = "ECS: (service careapp-poc-service) "
    assert [line.replace(head, "").rstrip(".") for line in lines] == told


def test_pace_is_calm_unless_a_rehearsal_sets_another():
    rehearsed = Pace.of({"LOCAL_CLOUD_POLL_SECONDS": "0.5", "LOCAL_CLOUD_SPEED": "20"})
    assert (Pace.of({}), rehearsed) == (Pace(poll=3.0, speed=1.0), Pace(poll=0.5, speed=20.0))
    # A limit is minutes, and settling five looks on AWS's clock.
    assert Patience.of(Pace(), 15, 40) == Patience(limit=900, settle=15, notice=40)
    assert Patience.of(rehearsed, 15, 40) == Patience(limit=900, settle=50, notice=40)


@pytest.mark.parametrize(
    ("changed", "speed", "looks"),
    [(None, 1.0, 2), (-40.0, 1.0, 2), (-30.0, 1.0, 6), (0.0, 1.0, 16), (-1.0, 20.0, 3)],
)
def test_change_holds_it_for_what_is_left_of_the_notice(changed, speed, looks):
    account = aws.Account(GOOD)
    end, _ = followed(account=account, changed=changed, speed=speed)
    assert (end.verdict.outcome, len(account.calls.of("describe_services"))) == (
        Outcome.RUNS,
        looks,
    )


def seen(monkeypatch, diagnose, *looks):
    """The end of a roll-out with these looks, and what was told."""
    left = list(looks)
    monkeypatch.setattr("ecs_gate.rollout.look.look", lambda *_: left.pop(0))
    return followed(diagnose=diagnose)


def test_gate_ends_with_the_diagnosis(monkeypatch):
    found = rows.diagnosis("image-missing")
    end, _ = seen(monkeypatch, lambda _: found, rows.STARTING, rows.FAILS, rows.FAILS)
    assert (end.verdict.outcome, end.verdict.diagnosis) == (Outcome.CERTAIN, found)


def test_doctor_that_fails_leaves_the_verdict_to_ecs(monkeypatch):
    def broken(_):
        raise ValueError("oops")

    end, told = seen(monkeypatch, broken, rows.STARTING, rows.FAILS, rows.WELL, rows.WELL)
    assert (end.verdict.outcome, end.verdict.diagnosis) == (Outcome.RUNS, None)
    failed = (
        "There is no diagnosis. careapp itself failed here (ValueError: oops; test_gate_loop.py:"
    )
    assert [moment for moment in told.moments if str(moment).startswith(failed)]


def test_waits_are_measured_on_the_local_cloud_s_own_clock(tmp_path, monkeypatch):
    facts = tmp_path / "cloud.json"
    monkeypatch.setenv(local_cloud.FACTS, str(facts))
    assert local_cloud.monotonic() == pytest.approx(time.monotonic(), abs=60), "no facts as yet"
    told = {"options": {"speed": 20.0}}
    facts.write_text(json.dumps(told | {"time": "2026-11-26T12:00:00+00:00"}))
    begun = local_cloud.monotonic()
    facts.write_text(json.dumps(told | {"time": "2026-11-26T12:05:00+00:00"}))
    assert (local_cloud.monotonic() - begun) * 20 == pytest.approx(300)


WORKERS = {"mail": {}, "off": {"count": 0}, "sms": {}}


@pytest.fixture
def program(monkeypatch):
    """Runs a program's update with workers; what the gate followed, and which workers the doctor read last."""

    def run(names, failing=(), view=None):
        read, followed = [], []
        workers = {name: {"command": "sleep 1", **WORKERS[name]} for name in names}
        settings = stacks.choices(workers=json.dumps(workers))

        async def follow(reader, *_others):
            followed.append(reader.expected.revision)
            bad = reader.expected.names.process in failing
            outcome = Outcome.BECAME_UNHEALTHY if bad else Outcome.RUNS
            return End(Verdict(outcome=outcome, text=verbatim("so")), view or Rollout())

        async def causes(reader, *_others):
            read.append([*sorted(reader.inquiry.workers), reader.inquiry.requests])
            return ""

        for name, function in {
            "follow": follow, "causes": causes, "_diagnose": lambda _: "THE DIAGNOSIS",
        }.items():  # fmt: skip
            monkeypatch.setattr(f"ecs_gate.rollout.gate.{name}", function)
        monkeypatch.setattr(pulumi.log, "info", lambda *_others, **_more: None)

        async def work():
            known = {worker.name: made(worker.name) for worker in settings.workers}
            arns = {"definition": aws.NEW, "target_group": "group", "page_url": "http://page"}
            await services.follow_all(arns, settings, Changes(), ResourceLog(None), known)

        try:
            asyncio.run(work())
        except RolloutFailed as failed:
            read.append(str(failed))
        return followed, read

    return run


def made(name):
    """An ECS service of the program, which runs the revision before, and the declared task definition."""
    known, before, definition = (
        pulumi.Output.from_input(f"{aws.ARN}:{each}")
        for each in (
            f"service/{name}",
            f"task-definition/careapp-poc-worker-{name}:6",
            f"task-definition/careapp-poc-worker-{name}:7",
        )
    )
    return SimpleNamespace(id=known, task_definition=before), definition


WEB, MAIL, SMS = "careapp-poc:7", "careapp-poc-worker-mail:7", "careapp-poc-worker-sms:7"


def test_workers_with_tasks_are_followed_after_the_web_service(program):
    assert program(WORKERS) == ([WEB, MAIL, SMS], [["mail", "off", "sms", 1]])
    assert program([]) == ([WEB], [[1]])


@pytest.mark.parametrize(("minutes", "requests"), [(1, 10), (-1, 1)])
def test_the_page_of_a_deployment_of_this_update_must_answer_more_than_once(
    program, minutes, requests
):
    created = local_cloud.now() + timedelta(minutes=minutes)
    service = stacks.service(deployments=(stacks.deployment(created=created),))
    view = Rollout(expected=stacks.NEW, service=service)
    assert program([], view=view)[1] == [[requests]]


def test_worker_that_fails_makes_the_update_red_at_once(program):
    followed, [failed] = program(WORKERS, failing=["mail"])
    assert (followed, "THE DIAGNOSIS" in failed) == ([WEB, MAIL], True)


def test_interrupt_says_that_nobody_watches_now_and_how_to_end_the_roll_out(monkeypatch):
    async def follow(*_):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

    said = []
    monkeypatch.setattr(services, "follow_all", follow)
    monkeypatch.setattr(pulumi.log, "warn", lambda text, _: said.append(text))

    async def work():
        arns = pulumi.Output.from_input({"service": "arn"})
        await services.until_ended(arns, stacks.choices(), Changes(), None, {})

    with pytest.raises(RolloutFailed, match="`pulumi up` was interrupted"):
        asyncio.run(work())
    [text] = said
    assert "`./careapp status -w -s poc` follows it, `./careapp rollback -s poc` ends it" in text
