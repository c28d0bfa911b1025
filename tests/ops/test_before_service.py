"""What the engine runs before it makes the ECS service: a wait for a new role, and `deployCommand`."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pulumi
import pytest

from ops.rollout import before_service
from rehearsal.aws.ecs.shifting import PROPAGATION
from tests.ops import stacks as a

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
        (COMMAND, ["deployCommand"], ["deployCommand"]),
        (CANARY, ["shiftingRole"], []),
        (COMMAND | CANARY, ["shiftingRole", "deployCommand"], ["deployCommand"]),
    ],
)
def test_only_a_new_service_waits_for_the_role_that_shifts_requests(settings, create, update):
    found = before_service.hooks(a.choices(**settings))
    assert (found.before_create, found.before_update) == (create, update)
    assert (found.after_create, found.after_update) == (None, None)


@pytest.mark.usefixtures("made")
def test_without_both_the_service_has_no_hook():
    assert before_service.hooks(a.choices()) is None


def test_the_wait_is_longer_than_iam_takes_and_says_what_it_waits_for(made, monkeypatch):
    slept, said = [], []

    async def sleep(seconds):
        slept.append(seconds)

    log = SimpleNamespace(moment=lambda text: said.append(str(text)))
    monkeypatch.setattr(before_service, "Log", lambda _resource: log)
    monkeypatch.setattr(before_service, "DependencyResource", lambda urn: urn)
    monkeypatch.setattr(before_service.asyncio, "sleep", sleep)
    before_service.hooks(a.choices(**CANARY))
    given = SimpleNamespace(urn="urn")
    monkeypatch.setenv("CAREAPP_CLOCK_SPEED", "10")
    asyncio.run(made["shiftingRole"](given))
    assert slept == [before_service.ROLE_SECONDS / 10]
    assert said == ["waiting 30 s until ECS knows the new role"]
    assert before_service.ROLE_SECONDS > PROPAGATION
