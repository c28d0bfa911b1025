"""Following a roll-out: what is asked, told and survived."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta

import pytest

from tools import screen
from tools.aws import local_cloud, session
from tools.aws.errors import AwsProblem
from tools.aws.pace import Pace
from tools.i18n import Refused, verbatim
from tools.rollout.gate import follow
from tools.rollout.look import is_deregistered, look
from tools.rollout.verdict import Patience, Terms
from tools.snapshot.rollout import Rollout
from tools.tests.conftest import Told
from tools.tests.rollout import rollout_answers as answers
from tools.tests.rollout.rollout_answers import (
    EXPECTED,
    NEW,
    NEWER,
    OLD,
    deployment,
    event,
    reader,
    service,
    target,
    task,
)
from tools.waiting import Changes

NO_SERVICE, NAMES = Rollout(expected=NEW), EXPECTED.names
GOOD = service(deployment(NEW, "COMPLETED"))
ROLLING = service(
    deployment(NEW, "IN_PROGRESS", runningCount=1, pendingCount=1, failedTasks=2),
    deployment(OLD, "COMPLETED", primary=False),
)
THROTTLED = AwsProblem("throttled", verbatim("Too many requests."), verbatim("Wait."))
EXPIRED = AwsProblem("expired", verbatim("The credentials have expired."), verbatim("Log in."))
BROKEN_DOWN = AwsProblem("refused", verbatim("Sorry."), verbatim("Wait."), "ServerException")
DENIED = AwsProblem("denied", verbatim("You may not."), verbatim("Ask."), "AccessDenied")
NO_CLUSTER = AwsProblem("missing", verbatim("No cluster."), verbatim("Check the name."))


class Asked:
    """Answers each look in turn, the last one again and again; a problem is raised.

    `history` are the pages of the service's deployments: each row is a status and a revision.
    """

    def __init__(self, *looks, history=((("SUCCESSFUL", NEW),),)):
        self.looks, self.history, self.calls = list(looks), history, []

    def call(self, _service, operation, **params):
        self.calls.append((operation, params))
        if operation == "describe_services":
            answer = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
            if isinstance(answer, AwsProblem):
                raise answer
            return {"services": [answer] if answer else [], "failures": []}
        if operation == "describe_tasks":
            numbers = [int(arn.rpartition("/")[2]) for arn in params["tasks"]]
            return {"tasks": [task(number) for number in numbers], "failures": []}
        if operation == "list_service_deployments":
            return self.deployments(int(params.get("nextToken", 0)))
        if operation == "describe_service_revisions":
            return {"serviceRevisions": [{"taskDefinition": params["serviceRevisionArns"][0]}]}
        assert operation == "describe_target_health"
        return {"TargetHealthDescriptions": [target(1), target(2)]}

    def deployments(self, number):
        rows = [
            {"status": status, "targetServiceRevisionArn": revision, "statusReason": f"{status}!",
             "createdAt": a_day(day)}
            for day, (status, revision) in enumerate(self.history[number], start=10 * number)
        ]  # fmt: skip
        more = {"nextToken": str(number + 1)} if number + 1 < len(self.history) else {}
        return {"serviceDeployments": rows, **more}

    all = session.Session.all

    def pages(self, _service, operation, *, desiredStatus, **params):
        self.calls.append((operation, {"desiredStatus": desiredStatus, **params}))
        if desiredStatus == "STOPPED":
            return
        yield {"taskArns": ["arn:task/1"]}
        yield {"taskArns": ["arn:task/2"]}


def a_day(number):
    return answers.NOON + timedelta(days=number)


def followed(*looks, seconds=3.0, limit=900.0, speed=1.0, changed=None, asked=None):
    """The end of a roll-out and what was told, with `seconds` between looks and no real waiting."""
    told, ticks, changes = Told(), iter(range(10_000)), Changes()
    changes.last = changed
    ending = follow(
        reader(asked or Asked(*looks)),
        Terms(expected=EXPECTED, patience=Patience(limit=limit, settle=15, notice=40)),
        Pace(poll=1e-6, speed=speed),
        told,
        changes,
        now=lambda: seconds * max(0, next(ticks) - 1),
    )
    return asyncio.run(ending), told


def test_one_look_asks_for_the_service_its_tasks_page_by_page_and_its_targets():
    asked = Asked(GOOD)
    assert look(asked, EXPECTED) == answers.all_well()
    assert asked.calls == [
        ("describe_services", {"cluster": NAMES.cluster, "services": [NAMES.service]}),
        *(
            (
                "list_tasks",
                {
                    "desiredStatus": status,
                    "cluster": NAMES.cluster,
                    "serviceName": NAMES.service,
                },
            )
            for status in ("RUNNING", "STOPPED")
        ),
        ("describe_tasks", {"cluster": NAMES.cluster, "tasks": ["arn:task/1", "arn:task/2"]}),
        ("describe_target_health", {"TargetGroupArn": EXPECTED.target_group}),
        ("list_service_deployments", {"cluster": NAMES.cluster, "service": NAMES.service}),
    ]


@pytest.mark.parametrize(
    ("history", "undone"),
    [
        ([[]], ""),
        ([[("SUCCESSFUL", NEW)]], ""),
        ([[("SUCCESSFUL", NEW), ("ROLLBACK_SUCCESSFUL", NEW)]], "ROLLBACK_SUCCESSFUL!"),
        ([[("STOPPED", NEW)]], "STOPPED!"),
        ([[("ROLLBACK_SUCCESSFUL", NEW), ("SUCCESSFUL", NEW)]], ""),
        ([[("ROLLBACK_SUCCESSFUL", NEW)], [("SUCCESSFUL", NEW)]], ""),
        ([[("SUCCESSFUL", NEW)], [("ROLLBACK_FAILED", NEW)]], "ROLLBACK_FAILED!"),
        ([[("ROLLBACK_SUCCESSFUL", NEWER)]], ""),
    ],
    ids=["none kept", "good", "rolled back", "stopped", "tried again", "again, on another page",
         "rolled back, on another page", "somebody's other revision"],
)  # fmt: skip
def test_the_newest_deployment_of_the_revision_tells_of_a_rollback_to_that_same_one(
    history, undone
):
    assert look(Asked(GOOD, history=history), EXPECTED).rollback_reason == undone


def test_a_rollback_to_the_same_revision_is_red():
    end, _ = followed(asked=Asked(GOOD, history=[[("ROLLBACK_SUCCESSFUL", NEW)]]))
    assert end.verdict.outcome.value == "rolled back"
    assert str(end.verdict.text) == (
        "careapp-poc:7 runs, but ECS rolled the other changes of the service back: "
        "ROLLBACK_SUCCESSFUL!"
    )


def test_a_roll_out_that_goes_on_needs_no_history():
    asked = Asked(ROLLING)
    assert look(asked, EXPECTED).rollback_reason == ""
    assert "list_service_deployments" not in [operation for operation, _ in asked.calls]


def test_more_tasks_than_one_call_takes_are_asked_for_in_parts():
    asked = Asked(GOOD)
    many = [{"taskArns": [f"arn:task/{number}" for number in range(230)]}]
    asked.pages = lambda *_, desiredStatus, **__: many if desiredStatus == "RUNNING" else []
    assert len(look(asked, EXPECTED).tasks) == 230
    parts = [params["tasks"] for operation, params in asked.calls if operation == "describe_tasks"]
    assert [len(part) for part in parts] == [100, 100, 30]


@pytest.mark.parametrize("answer", [None, GOOD | {"status": "DRAINING"}, NO_CLUSTER])
def test_a_service_that_is_not_there_or_goes_is_none(answer):
    assert look(Asked(answer), EXPECTED) == NO_SERVICE


def test_what_cannot_be_asked_is_not_taken_for_a_missing_service():
    with pytest.raises(AwsProblem, match="You may not"):
        look(Asked(DENIED), EXPECTED)


def test_the_end_carries_what_was_seen_last():
    end, _ = followed(ROLLING, GOOD)
    assert (end.verdict.outcome.value, end.view) == ("runs", answers.all_well())


@pytest.mark.parametrize("problem", [THROTTLED, BROKEN_DOWN], ids=["throttled", "AWS failed"])
def test_a_passing_problem_with_aws_is_told_and_waited_out(problem):
    end, told = followed(ROLLING, *[problem] * 4, GOOD)
    assert end.verdict.outcome.value == "runs"
    assert told.moments.count(f"AWS does not answer for now: {problem.text}") == 4


def test_a_problem_that_does_not_pass_ends_it():
    with pytest.raises(AwsProblem, match="Too many requests"):
        followed(ROLLING, THROTTLED)


def test_passing_problems_are_counted_in_a_row():
    end, _ = followed(*[*[THROTTLED] * 4, ROLLING] * 5, GOOD)
    assert end.verdict.outcome.value == "runs"


@pytest.mark.parametrize("problem", [EXPIRED, DENIED], ids=["expired", "denied"])
def test_credentials_that_fail_half_way_end_it_at_once(problem):
    told = Told()
    asked = Asked(ROLLING, problem, GOOD)
    with pytest.raises(AwsProblem, match=str(problem.text)):
        asyncio.run(
            follow(
                reader(asked),
                Terms(expected=EXPECTED, patience=answers.PATIENCE),
                Pace(poll=1e-6),
                told,
                Changes(),
            )
        )
    assert len([call for call in asked.calls if call[0] == "describe_services"]) == 2


STATE = (
    "careapp-poc:7: tasks 1 of 2 running, 1 starting, 2 failed; targets 2 healthy; 1 of 2 tasks run"
)


def test_progress_is_told_when_something_moves_or_half_a_minute_has_passed():
    _, told = followed(*[ROLLING] * 22, GOOD)
    times = [line.rpartition(" [")[2] for line in told.moments if line.startswith(STATE)]
    assert times == ["0:00 of 15:00]", "0:30 of 15:00]", "1:00 of 15:00]"]
    assert "reading once more" in told.moments[3]


def test_times_are_those_of_aws_s_clock():
    end, told = followed(ROLLING, seconds=1.0, limit=120.0, speed=60.0)
    assert told.moments[1].endswith("[1:00 of 2:00]")
    assert end.verdict.outcome.value == "too late"


@pytest.fixture
def at_noon(monkeypatch):
    monkeypatch.setattr(screen, "now", lambda: answers.NOON)


@pytest.mark.usefixtures("at_noon")
def test_events_are_told_once_and_only_those_of_this_roll_out():
    first = ROLLING | {"events": [event(1, -1), event(2, 0)]}
    then = ROLLING | {"events": [event(4, 9), event(3, 5), event(1, -1), event(2, 0)]}
    _, told = followed(first, then, then, GOOD)
    assert told.lastings == [
        "12:00:00 ECS: (service careapp-poc-service) event 2.",
        "12:00:05 ECS: (service careapp-poc-service) event 3.",
        "12:00:09 ECS: (service careapp-poc-service) event 4.",
    ]


@pytest.mark.usefixtures("at_noon")
def test_events_after_a_rollback_are_told_though_the_deployment_has_gone():
    back = service(deployment(OLD, "COMPLETED"), events=(event(5, 60),))
    _, told = followed(ROLLING, back)
    assert told.lastings == ["12:01:00 ECS: (service careapp-poc-service) event 5."]


def test_a_roll_out_that_ended_long_ago_has_no_new_events():
    _, told = followed(GOOD | {"events": [event(number, number) for number in range(50)]})
    assert told.lastings == []


def test_the_pace_is_calm_unless_a_rehearsal_sets_another():
    assert Pace.of({}) == Pace(poll=3.0, speed=1.0)
    rehearsed = Pace.of({"CAREAPP_POLL_SECONDS": "0.5", "CAREAPP_CLOCK_SPEED": "20"})
    assert rehearsed == Pace(poll=0.5, speed=20.0)


def test_a_limit_is_minutes_and_settling_five_looks_on_aws_s_clock():
    assert Patience.of(Pace(), 15, 40) == Patience(limit=900, settle=15, notice=40)
    assert Patience.of(Pace(poll=0.5, speed=20), 15, 40) == Patience(
        limit=900, settle=50, notice=40
    )


@pytest.mark.parametrize(
    ("changed", "speed", "looks"),
    [(None, 1.0, 2), (-40.0, 1.0, 2), (-30.0, 1.0, 6), (0.0, 1.0, 16), (-1.0, 20.0, 3)],
)
def test_a_change_holds_it_for_what_is_left_of_the_load_balancer_s_time(changed, speed, looks):
    asked = Asked(GOOD)
    end, _ = followed(asked=asked, changed=changed, speed=speed)
    assert end.verdict.outcome.value == "runs"
    assert [operation for operation, _ in asked.calls].count("describe_services") == looks


@pytest.mark.parametrize("text", ["0", "-1", "fast", "nan", "inf"])
def test_a_pace_that_is_none_is_refused(text):
    with pytest.raises(Refused, match=f"CAREAPP_POLL_SECONDS: '{text}' is not a number above 0"):
        Pace.of({"CAREAPP_POLL_SECONDS": text})


@pytest.mark.parametrize(
    ("status", "gone"), [("ACTIVE", False), ("INACTIVE", True), ("DELETE_IN_PROGRESS", True)]
)
def test_a_revision_that_is_not_active_is_deregistered(status, gone):
    class Described:
        def call(self, _service, _operation, *, taskDefinition):
            assert taskDefinition == NEW
            return {"taskDefinition": {"status": status}}

    assert is_deregistered(Described(), NEW) is gone


def test_waits_are_measured_on_the_local_cloud_s_own_clock(tmp_path, monkeypatch):
    facts = tmp_path / "cloud.json"
    monkeypatch.setenv(local_cloud.FACTS, str(facts))
    assert local_cloud.monotonic() == pytest.approx(time.monotonic(), abs=60), "no facts as yet"
    told = {"options": {"speed": 20.0}}
    facts.write_text(json.dumps(told | {"time": "2026-11-26T12:00:00+00:00"}))
    begun = local_cloud.monotonic()
    facts.write_text(json.dumps(told | {"time": "2026-11-26T12:05:00+00:00"}))
    assert (local_cloud.monotonic() - begun) * 20 == pytest.approx(300)
