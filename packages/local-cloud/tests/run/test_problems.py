"""An exception in one loop of the local cloud: logged, in its status, and the end of nothing else."""

import asyncio
import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from local_cloud.aws.ecs.scheduler import Managed, Scheduler
from local_cloud.aws.elb.balancer import Balancer
from local_cloud.aws.elb.upstream import HealthChecker
from local_cloud.clock import Clock
from local_cloud.machine.problems import PROBLEMS, Problems
from local_cloud.machine.sockets import Loop
from local_cloud.paths import Home
from local_cloud.run import shell
from tests.dataplane.stack import until
from tests.run.conftest import Hollow


@pytest.fixture(autouse=True)
def _none_left():
    PROBLEMS.clear()
    yield
    PROBLEMS.clear()


def test_problem_is_logged_once_and_stays_until_the_work_succeeds(caplog):
    problems = Problems()
    for _ in range(3):
        with problems.caught("a step"):
            raise OSError("no such process")
    assert problems.texts() == ["a step: OSError: no such process"]
    assert [record.getMessage() for record in caplog.records] == ["a step failed"]
    with problems.caught("another step"):
        pass
    assert problems.texts() == ["a step: OSError: no such process"]
    with problems.caught("a step"):
        pass
    assert problems.texts() == []


class Broken(Hollow):
    """A cloud whose state cannot be read after the first time."""

    def describe(self) -> dict[str, object]:
        self.reads += 1
        if self.reads > 1:
            raise RuntimeError("dictionary changed size during iteration")
        return {"listeners": [{"port": 80}]}


def test_state_that_cannot_be_read_does_not_end_the_local_cloud(tmp_path, serving):
    home = Home(tmp_path)

    def state() -> dict[str, Any]:
        return json.loads(home.facts.read_text())["state"] if home.facts.exists() else {}

    with serving(home, Broken) as thread:
        [problem] = until(lambda: state().get("problems"))
        assert problem.endswith("RuntimeError: dictionary changed size during iteration")
        assert state()["listeners"] == [{"port": 80}], "the last state that could be read"
        assert problem in map(str, shell._content({"problems": [problem]}))
        assert thread.is_alive()


def test_listener_that_is_made_while_others_are_described(monkeypatch):
    """The loop of the network adds a listener while the main thread describes them."""
    balancer = Balancer.__new__(Balancer)
    balancer._listening = {"first": SimpleNamespace(arn="first")}

    def described(listener: Any) -> dict[str, object]:
        balancer._listening["second"] = SimpleNamespace(arn="second")
        return {"arn": listener.arn}

    monkeypatch.setattr(balancer, "_described", described)
    assert balancer.describe() == [{"arn": "first"}]
    assert len(balancer.describe()) == 2


def test_work_on_the_network_s_loop_that_fails_is_a_problem():
    async def work() -> None:
        raise KeyError("a listener")

    loop = Loop()
    loop.start()
    try:
        loop.begin(work())
        until(PROBLEMS.texts)
    finally:
        loop.stop()
    assert PROBLEMS.texts()[0].endswith("work: KeyError: 'a listener'")


def test_health_check_that_raises_is_named_until_it_ends(monkeypatch):
    bad, good = (
        SimpleNamespace(gone=False, draining_until=None, id=f"10.0.0.{number}", port=80)
        for number in (4, 5)
    )
    seen: list[list[str]] = []

    def check(target: Any) -> None:
        if target is bad:
            raise KeyError("a group")
        seen.append(PROBLEMS.texts())
        bad.gone = good.gone = len(seen) == 3

    checker = HealthChecker(Clock(1000), SimpleNamespace(), lambda *_: None)
    monkeypatch.setattr(checker, "_check", check)

    async def both() -> None:
        await asyncio.gather(checker.watch(bad), checker.watch(good))

    asyncio.run(both())
    assert seen == [["the health check of 10.0.0.4:80: KeyError: 'a group'"]] * 3
    assert PROBLEMS.texts() == []


def test_service_whose_step_raises_does_not_stop_another(monkeypatch, caplog):
    """A step of the scheduler with two services, one of which cannot be read."""
    caplog.set_level(logging.ERROR)
    nothing = SimpleNamespace(expire=lambda: None, refresh=lambda: None)
    scheduler = Scheduler(Clock(20), nothing, nothing, SimpleNamespace())
    stepped = []
    for name in ("bad", "good"):
        alarms = SimpleNamespace(names=())
        service = SimpleNamespace(name=name, tasks=[], settings=SimpleNamespace(alarms=alarms))
        scheduler.services[name] = Managed(service, None)

    def act(managed: Any, *_: Any) -> None:
        if managed.service.name == "bad":
            raise ValueError("a record")
        stepped.append(managed.service.name)

    monkeypatch.setattr(scheduler, "act", act)
    scheduler.turn(0.01)
    assert stepped == ["good"]
    assert PROBLEMS.texts() == ["the scheduler's step for bad: ValueError: a record"]
