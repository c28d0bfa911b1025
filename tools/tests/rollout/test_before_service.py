"""What the engine runs before it makes the ECS service: a wait for a new role, and `deployCommand`."""

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace

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

COMMAND, CANARY = (
    {"deployCommand": "true"},
    {"deployStrategy": "canary", "rolloutTimeoutMinutes": "20"},
)


@pytest.fixture
def made(monkeypatch):
    """The functions of the hooks that are made, by name."""
    found = {}

    def hook(name, function):
        found[name] = function
        return name

    monkeypatch.setattr(pulumi, "ResourceHook", hook)
    return found


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
def test_a_new_service_waits_for_its_role_and_a_changed_one_s_page_is_requested(
    settings, create, update
):
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
    before_service.hooks(a.choices(), Changes())
    with pytest.raises(RolloutFailed) if refused else nullcontext() as failed:
        asyncio.run(made["serviceThere"](None))
    if refused:
        assert str(failed.value) == plain(gone)
        assert "pulumi up --refresh -s poc" in plain(gone)


@pytest.fixture
def noted(made, monkeypatch):
    """Runs the hook that requests the page; what it notes, what is told."""

    def run(answer, balancer=True):
        told, changes = Told(), Changes()

        def page(*_):
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(before_service, "ResourceLog", lambda _resource: told)
        monkeypatch.setattr(before_service, "DependencyResource", lambda urn: urn)
        monkeypatch.setattr("tools.aws.session.Session", lambda *_: None)
        monkeypatch.setattr(elb, "balancer", lambda *_, **__: balancer or None)
        monkeypatch.setattr("tools.snapshot.page.page", page)
        before_service.hooks(a.choices(), changes)
        asyncio.run(made["pageBefore"](SimpleNamespace(urn="urn")))
        assert changes.page_before in (answer, None)
        return changes.page_worked, told.lastings

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
    assert noted(ValueError("oops")) == (False, [f"{head}ValueError('oops')"])


def test_the_wait_is_longer_than_iam_takes_and_says_what_it_waits_for(made, monkeypatch):
    slept, said = [], []

    async def sleep(seconds):
        slept.append(seconds)

    log = SimpleNamespace(moment=lambda text: said.append(str(text)))
    monkeypatch.setattr(before_service, "ResourceLog", lambda _resource: log)
    monkeypatch.setattr(before_service, "DependencyResource", lambda urn: urn)
    monkeypatch.setattr(before_service.asyncio, "sleep", sleep)
    before_service.hooks(a.choices(**CANARY), Changes())
    given = SimpleNamespace(urn="urn")
    monkeypatch.setenv("CAREAPP_CLOCK_SPEED", "10")
    asyncio.run(made["shiftingRole"](given))
    assert slept == [before_service.ROLE_SECONDS / 10]
    assert said == ["waiting 30 s until ECS knows the new role"]
    assert before_service.ROLE_SECONDS > PROPAGATION
