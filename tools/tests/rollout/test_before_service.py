"""What the engine runs before it makes the ECS service: a wait for a new role, and `deployCommand`."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock

import pulumi
import pytest

from local_cloud.aws.ecs.shifting import PROPAGATION
from tools.aws.errors import AwsProblem
from tools.diagnosis.screen import plain
from tools.doctor.diagnose import judge
from tools.i18n import t
from tools.rollout import before_service
from tools.rollout.log import RolloutFailed
from tools.snapshot import elb
from tools.tests import stacks as a
from tools.tests.conftest import Told
from tools.tests.doctor.situations import SITUATIONS
from tools.waiting import Changes

COMMAND = {"deployCommand": "true"}
CANARY = {"deployStrategy": "canary", "rolloutTimeoutMinutes": "20"}


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
        asyncio.run(found[name](SimpleNamespace(urn="urn")))

    monkeypatch.setattr(pulumi, "ResourceHook", hook)
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

    monkeypatch.setattr("tools.snapshot.ecs.service", read)
    gone = judge(SITUATIONS["service-missing"])
    monkeypatch.setattr("tools.rollout.before_service.ask_doctor", lambda _: gone)
    with pytest.raises(RolloutFailed) if refused else nullcontext() as failed:
        made("serviceThere", Changes())
    if refused:
        assert str(failed.value) == plain(gone)
        assert "pulumi up --refresh -s poc" in plain(gone)


@pytest.fixture
def noted(made, log, monkeypatch):
    """Runs the hook that requests the page; what it notes, what is told."""

    def run(answer, balancer=True):
        changes, page = Changes(), Mock(side_effect=[answer])
        monkeypatch.setattr("tools.aws.session.Session", lambda *_: None)
        monkeypatch.setattr(elb, "balancer", lambda *_, **__: balancer or None)
        monkeypatch.setattr("tools.snapshot.page.page", page)
        log.lastings.clear()
        made("pageBefore", changes)
        assert changes.page_before in (answer, None)
        return changes.page_worked, [*log.lastings]

    return run


def test_the_hook_notes_whether_the_page_works(noted):
    assert noted(a.page()) == (True, [])
    assert noted(a.page(500)) == (False, [])
    assert noted(a.page(0)) == (False, [])
    assert noted(None) == (False, [])
    assert noted(a.page(), balancer=False) == (False, [])


def test_what_it_cannot_find_out_is_told_and_stops_no_update(noted):
    head = "it is not known whether the page worked before this update: "
    away = AwsProblem("unreachable", t("It cannot be reached."), t("Try."))
    assert noted(away) == (False, [f"{head}It cannot be reached."])
    worked, [told] = noted(ValueError("oops"))
    assert (worked, told.partition("; ")[0]) == (
        False,
        f"{head}careapp itself failed here (ValueError: oops",
    )


def test_the_wait_is_longer_than_iam_takes_and_says_what_it_waits_for(made, log, monkeypatch):
    slept = AsyncMock()
    monkeypatch.setattr(before_service.asyncio, "sleep", slept)
    monkeypatch.setenv("CAREAPP_CLOCK_SPEED", "10")
    made("shiftingRole", Changes(), **CANARY)
    slept.assert_awaited_once_with(before_service.ROLE_SECONDS / 10)
    assert log.moments == ["waiting 30 s until ECS knows the new role"]
    assert before_service.ROLE_SECONDS > PROPAGATION
