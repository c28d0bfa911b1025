"""An update of a paused stack: the schedules that it changes stay disabled."""

import asyncio
from types import SimpleNamespace
from unittest.mock import Mock

import pulumi
import pytest

from careapp.additions.parts.pauses import Pause
from careapp.update import paused_schedules
from ecs_gate.parts import rds
from tests import stacks as a
from tests.conftest import Told


@pytest.fixture
def watched(monkeypatch):
    """The hook and the transform that are registered."""
    found = {}

    def register(transform):
        found["transform"] = transform

    def hook(_name, function):
        found["hook"] = function

    monkeypatch.setattr(pulumi, "ResourceHook", hook)
    monkeypatch.setattr(pulumi.runtime, "register_resource_transform", register)
    paused_schedules.watch(a.choices())
    return found


@pytest.mark.parametrize("pause", [Pause(a.at(0)), None])
def test_a_changed_schedule_is_disabled_where_the_stack_is_paused(watched, monkeypatch, pause):
    log, switch = Told(), Mock()
    monkeypatch.setattr(paused_schedules, "ResourceLog", lambda _: log)
    monkeypatch.setattr(paused_schedules, "DependencyResource", lambda urn: urn)
    monkeypatch.setattr(paused_schedules, "session_of", lambda _: None)
    monkeypatch.setattr(
        rds, "database", lambda *_, **__: a.database(tags=pause.tags if pause else {})
    )
    monkeypatch.setattr(paused_schedules, "switch_schedules", switch)
    asyncio.run(watched["hook"](SimpleNamespace(urn="urn")))
    told = ["the stack is paused, so the schedule stays disabled"]
    assert log.lastings == (told if pause else [])
    assert [call.args[2] for call in switch.call_args_list] == ([()] if pause else [])


def test_it_watches_schedules_only_when_they_are_created_or_changed(watched):
    def transformed(kind):
        opts = pulumi.ResourceOptions()
        return watched["transform"](SimpleNamespace(type_=kind, props={}, opts=opts))

    assert transformed("aws:ecs/service:Service") is None
    hooks = transformed("aws:scheduler/schedule:Schedule").opts.hooks
    assert [len(hooks.after_create), len(hooks.after_update)] == [1, 1]
    assert (hooks.before_create, hooks.before_delete, hooks.after_delete) == (None, None, None)
