"""A canary under load: no user meets a version whose page fails, also where `pulumi up` is killed before it answers."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest

from tools.local_cloud.calls import Calls
from tools.local_cloud.paths import ROOT
from tools.rehearsal.faults import FAULTS
from tools.tests.local_cloud.dataplane.stack import until
from tools.tests.rehearsal.conftest import UP, deployed
from tools.tests.rehearsal.test_updates import failed, load, service, up

SETTINGS = {
    "ecsEnabled": "true",
    "deployStrategy": "canary",
    "bakeMinutes": "1",
}


def config(key: str, value: str) -> tuple[str, ...]:
    return ("pulumi", "config", "set", "-s", "poc", key, value)


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    """A local cloud with a stack that deploys as a canary, and a copy of the app that tests may change."""
    folder = tmp_path_factory.mktemp("canary")
    with deployed(folder, *(config(*each) for each in SETTINGS.items()), UP) as careapp:
        link = careapp.home.project / "webapp"
        link.unlink()
        shutil.copytree(ROOT / "webapp", link, ignore=shutil.ignore_patterns("__pycache__"))
        yield careapp


def deployment(canary) -> dict:
    """The newest service deployment."""
    calls = Calls(canary.facts()["endpoint"], "ap-northeast-1")
    where = {"cluster": "careapp-poc-cluster", "service": "careapp-poc-service"}
    [newest, *_] = calls("ecs", "list_service_deployments", where)["serviceDeployments"]
    asked = {"serviceDeploymentArns": [newest["serviceDeploymentArn"]]}
    [found] = calls("ecs", "describe_service_deployments", asked)["serviceDeployments"]
    return dict(found)


def waits(canary) -> bool:
    """Whether the newest deployment waits for an answer."""
    return "AWAITING_ACTION" in {
        each["status"] for each in deployment(canary)["lifecycleHookDetails"]
    }


def break_app(canary, name: str) -> None:
    for edit in FAULTS[name].edits:
        edit.apply(canary.home.project)


def mend_app(canary, name: str) -> None:
    for edit in FAULTS[name].edits:
        edit.revert(canary.home.project)


def test_a_good_version_is_asked_before_any_user_meets_it_and_none_of_their_requests_fails(canary):
    canary.shell(*config("imageRevision", "2"))
    with load(canary) as visitors:
        done = up(canary)
    assert done.returncode == 0, done.stdout + done.stderr
    said = "before any request of a user: its page / answered 5 of 5 requests"
    assert said in done.stdout, done.stdout
    assert failed(visitors) == {}
    assert {len(visitor.versions) for visitor in visitors} != {1}, "nobody saw the new version"


def test_a_version_whose_page_hangs_is_rolled_back_before_any_user_meets_it(canary):
    before = service(canary)["taskDefinition"]
    break_app(canary, "update-hangs")
    with load(canary) as visitors:
        done = up(canary)
    mend_app(canary, "update-hangs")
    assert done.returncode != 0
    assert "The page / does not answer" in done.stdout, done.stdout
    assert "ECS was told to roll" in done.stdout
    assert service(canary)["taskDefinition"] == before
    assert failed(visitors) == {}
    assert {len(visitor.versions) for visitor in visitors} == {1}


def test_a_killed_up_leaves_the_users_alone_and_the_next_one_goes_on(canary):
    before = service(canary)["taskDefinition"]
    break_app(canary, "update-moves-page")
    with load(canary) as visitors:
        killed = canary.start("shell", "--tasks", "process", "--port", "0", "--", *UP)
        until(lambda: waits(canary), 120, "the hook")
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        killed.stdout.close()
        time.sleep(2)
        if waits(canary):
            status = canary.shell("./careapp", "status", "-s", "poc").stdout
            assert "gets no requests of users yet: ECS waits for an answer until" in status
        # The lock of a killed `up` stays, and Pulumi says so.
        canary.shell("pulumi", "cancel", "-s", "poc", "--yes")
        again = up(canary)
    assert again.returncode != 0
    assert "The page / answers 404, and smokeMatcher expects 200-299" in again.stdout, again.stdout
    until(lambda: deployment(canary)["status"] == "ROLLBACK_SUCCESSFUL", 60, "the rollback")
    assert service(canary)["taskDefinition"] == before
    assert failed(visitors) == {}
    assert {len(visitor.versions) for visitor in visitors} == {1}


def test_a_version_that_raises_is_ended_by_the_next_up_where_one_was_killed(canary):
    """ECS's circuit breaker does not watch a canary: ECS starts tasks without end."""
    before = service(canary)["taskDefinition"]
    break_app(canary, "canary-raises-at-import")
    with load(canary) as visitors:
        killed = canary.start("shell", "--tasks", "process", "--port", "0", "--", *UP)
        until(
            lambda: deployment(canary)["deploymentCircuitBreaker"]["failureCount"], 180, "a failure"
        )
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        killed.stdout.close()
        status = canary.shell("./careapp", "status", "-s", "poc").stdout
        canary.shell("pulumi", "cancel", "-s", "poc", "--yes")
        again = up(canary)
    mend_app(canary, "canary-raises-at-import")
    assert "ECS's circuit breaker does not end such a deployment: ./careapp rollback" in status
    assert again.returncode != 0
    assert "ECS was told to roll" in again.stdout, again.stdout
    assert "nobody tried this" in again.stdout
    until(lambda: deployment(canary)["status"] == "ROLLBACK_SUCCESSFUL", 60, "the rollback")
    assert service(canary)["taskDefinition"] == before
    assert failed(visitors) == {}
