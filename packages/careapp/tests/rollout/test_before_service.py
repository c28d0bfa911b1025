"""What the engine runs before it makes the ECS service: a wait for a new role, and `deployCommand`."""

import asyncio
import json
from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock

import pulumi
import pytest

from careapp.update import before_service
from ecs_gate.aws.errors import AwsProblem
from ecs_gate.diagnosis.screen import plain
from ecs_gate.doctor import judge
from ecs_gate.parts import elb
from ecs_gate.parts.cloudwatch import Measured
from ecs_gate.parts.task_inputs import Image
from ecs_gate.parts.task_logs import REFUSED
from ecs_gate.pulumi import RolloutFailed
from ecs_gate.text import t
from ecs_gate.waiting import Changes
from local_cloud.aws.ecs.shifting import PROPAGATION
from tests import stacks as a
from tests.conftest import Told
from tests.doctor.situations import SITUATIONS

COMMAND = {"deployCommand": "true"}
CANARY = {"deployStrategy": "canary", "rolloutTimeoutMinutes": "20"}


INPUTS = {"taskDefinition": a.NEW}
RUNNING = a.service(definition=a.OLD, deployments=(a.deployment(definition=a.OLD),))


def undeployed(**changes):
    """A healthy stack with a new task definition, which ECS has not got yet."""
    task = a.task(definition=a.OLD)
    return a.stack(service=RUNNING, tasks=(task,), was_deployed=False, **changes)


UNDEPLOYED = undeployed()
REFUSED_LOGIN = 'password authentication failed for user "postgres"'
FULL = "remaining connection slots are reserved"
REFUSING = {
    reason: undeployed(
        page=a.page(database=500),
        logs=a.logs(a=[json.dumps({"message": REFUSED, "reason": reason})] if reason else []),
        measured=Measured(connections=90),
    )
    for reason in ("", REFUSED_LOGIN, FULL, "the database did not answer in 0.8 s")
}
"""The page works, and new connections are refused for a reason."""


@pytest.fixture
def log(monkeypatch):
    """What the hooks tell."""
    log = Told()
    monkeypatch.setattr(before_service, "ResourceLog", lambda _resource: log)
    monkeypatch.setattr(before_service, "DependencyResource", lambda urn: urn)
    return log


@pytest.fixture
def made(monkeypatch, log):
    """Makes the hooks, and runs one by its name."""
    found = {}

    def hook(name, function):
        found[name] = function
        return name

    def run(name, changes, **settings):
        before_service.hooks(a.choices(**settings), changes)
        given = SimpleNamespace(urn="urn", new_inputs=INPUTS)
        asyncio.run(found[name](given))

    monkeypatch.setattr(pulumi, "ResourceHook", hook)
    monkeypatch.setenv("LOCAL_CLOUD_POLL_SECONDS", "0.001")
    return run


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("settings", "create", "update"),
    [
        ({}, [], ["pageBefore"]),
        ({"smokePath": ""}, [], []),
        # The command may break what the page needs.
        (COMMAND, ["deployCommand"], ["pageBefore", "deployCommand"]),
        (CANARY, ["shiftingRole"], ["pageBefore"]),
        (COMMAND | CANARY, ["shiftingRole", "deployCommand"], ["pageBefore", "deployCommand"]),
    ],
)
def test_hooks_of_a_new_service_and_of_a_changed_one(settings, create, update):
    found = before_service.hooks(a.choices(**settings), Changes())
    assert (found.before_create, found.before_update) == (create, ["serviceThere", *update])
    assert (found.after_create, found.after_update) == (None, None)


@pytest.mark.parametrize(
    ("service", "refused"),
    [
        (a.service(), False),
        (None, True),
        (a.service(status="DRAINING"), True),
        (AwsProblem("missing", t("No cluster."), t("-")), True),
        (AwsProblem("throttled", t("Rate exceeded."), t("-")), False),
    ],
)
def test_service_deleted_by_hand_is_what_the_doctor_says(made, monkeypatch, service, refused):
    def read(*_):
        if isinstance(service, Exception):
            raise service
        return service

    monkeypatch.setattr("ecs_gate.parts.ecs.service", read)
    gone = judge(SITUATIONS["service-missing"])
    monkeypatch.setattr("careapp.update.before_service.ask_doctor", lambda _: gone)
    with pytest.raises(RolloutFailed) if refused else nullcontext() as failed:
        made("serviceThere", Changes())
    if refused:
        assert str(failed.value) == plain(gone)
        assert "pulumi up --refresh -s poc" in plain(gone)


@pytest.fixture
def noted(made, log, monkeypatch):
    """Runs the hook that requests the page; what it notes, what is told. The doctor sees one stack after the other."""

    def run(answer, *stacks, balancer=True):
        looks = list(stacks or [UNDEPLOYED])

        def diagnose(inquiry):
            assert (inquiry.wanted, inquiry.declared, inquiry.workers) == (a.NEW, INPUTS, {})
            look = looks.pop(0)
            if isinstance(look, Exception):
                raise look
            return judge(look)

        monkeypatch.setattr(before_service, "ask_doctor", diagnose)
        changes, page = Changes(), Mock(side_effect=[answer])
        monkeypatch.setattr("ecs_gate.aws.session.Session", lambda *_: None)
        monkeypatch.setattr(elb, "balancer", lambda *_, **__: balancer or None)
        monkeypatch.setattr("ecs_gate.parts.page.page", page)
        log.lastings.clear()
        made("pageBefore", changes)
        assert changes.page_before in (answer, None)
        ends = not changes.page_worked or INPUTS.get("desiredCount") == 0
        assert looks == [] or ends, "it looks as often as it has to"
        return changes.page_worked, [*log.lastings]

    return run


def test_the_hook_notes_whether_the_page_works(noted):
    assert noted(a.page()) == (True, [])
    assert noted(a.page(500)) == (False, [])
    assert noted(a.page(0)) == (False, [])
    assert noted(None) == (False, [])
    assert noted(a.page(), balancer=False) == (False, [])


def test_what_it_cannot_find_out_is_told_and_stops_no_update(noted):
    head = "it is not known whether the page works, and new tasks would serve: "
    away = AwsProblem("unreachable", t("It cannot be reached."), t("Try."))
    assert noted(away) == (False, [f"{head}It cannot be reached."])
    for seen, works in ((ValueError("oops"), ()), (a.page(), (KeyError("x"),))):
        worked, [told] = noted(seen, *works)
        own = (*works, seen)[0]
        assert worked is bool(works)
        assert told.startswith(f"{head}careapp itself failed here ({type(own).__name__}: {own};")
    assert noted(a.page(), away) == (True, [f"{head}It cannot be reached."])


REFUSES = REFUSING[REFUSED_LOGIN]
RESTARTS = undeployed(database=a.database(status="rebooting"))


@pytest.mark.parametrize(
    ("looks", "cause"),
    [
        ([undeployed(execution=a.role(trust={}))] * 2, "ECS cannot assume the execution role"),
        ([undeployed(secrets={a.SECRET: None})] * 2, "The secret for DB_PASSWORD does not exist"),
        ([undeployed(image=Image(present=False))] * 2, "The image is not in ECR"),
        ([undeployed(network=a.network(groups=a.groups(db_in=())))] * 2, "The tasks cannot reach the database"),
        ([REFUSES] * 2, "The database refuses the password of postgres"),
        # The line comes seconds after the answer.
        ([REFUSING[""], REFUSES, REFUSES], "The database refuses the password of postgres"),
        ([REFUSES, REFUSING[FULL], REFUSING[FULL]], "The database has no free connection"),
    ],
)  # fmt: skip
def test_update_whose_tasks_could_not_serve_is_stopped_before_it_begins(noted, looks, cause):
    with pytest.raises(RolloutFailed) as failed:
        noted(looks[0].page.value, *looks)
    head, _, rest = str(failed.value).partition("\n\n")
    assert head.startswith(
        "careapp-poc:7 was not deployed: the page works, but new tasks would not"
    )
    assert f"One cause found.\n\n1. [cause] {cause}" in rest
    assert "ECS was never told" not in rest
    assert "  pulumi up" in rest
    assert "The service was not changed: its tasks go on serving." in rest


@pytest.mark.parametrize(
    "looks",
    [
        # The update may be the cure: the role is another one by now, and the declared image is there.
        [UNDEPLOYED],
        [undeployed(image=Image(present=False)), UNDEPLOYED],
        [RESTARTS],
        [REFUSING[""]] * 3,
        [REFUSING["the database did not answer in 0.8 s"]] * 3,
        # Its own tasks hold the connections, and give them back.
        [a.but(REFUSING[FULL], measured=Measured(connections=6))] * 3,
        [undeployed(task_role=a.role(a.TOKEN))],
    ],
)
def test_what_may_pass_or_is_not_known_stops_no_update(noted, looks):
    assert noted(looks[0].page.value, *looks) == (True, [])


def test_update_of_a_page_that_fails_or_to_no_task_is_stopped_by_nothing(noted, monkeypatch):
    broken = undeployed(image=Image(present=False))
    assert noted(a.page(500), broken) == (False, [])
    monkeypatch.setitem(INPUTS, "desiredCount", 0)
    assert noted(a.page(), broken) == (True, [])


def test_the_wait_is_longer_than_iam_takes_and_says_what_it_waits_for(made, log, monkeypatch):
    slept = AsyncMock()
    monkeypatch.setattr(before_service.asyncio, "sleep", slept)
    monkeypatch.setenv("LOCAL_CLOUD_SPEED", "10")
    made("shiftingRole", Changes(), **CANARY)
    slept.assert_awaited_once_with(before_service.ROLE_SECONDS / 10)
    assert log.moments == ["waiting 30 s until ECS knows the new role"]
    assert before_service.ROLE_SECONDS > PROPAGATION
