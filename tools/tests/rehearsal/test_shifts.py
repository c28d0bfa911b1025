"""A canary under load: no user meets a version whose page fails, also where `pulumi up` is killed before it answers."""

import os
import shutil
import signal
import time
from contextlib import contextmanager

import pytest

from local_cloud.calls import Calls
from local_cloud.paths import ROOT
from local_cloud.tests.dataplane.stack import until
from tools.rehearsal.faults import FAULTS
from tools.tests.rehearsal.conftest import UP, deployed
from tools.tests.rehearsal.test_updates import definition, failed, load

SETTINGS = {"ecsEnabled": "true", "deployStrategy": "canary", "bakeMinutes": "1"}


CONFIG = ("pulumi", "config", "set", "-s", "poc")


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    """A local cloud with a stack that deploys as a canary, and a copy of the app that tests may change."""
    folder = tmp_path_factory.mktemp("canary")
    with deployed(folder, *((*CONFIG, *each) for each in SETTINGS.items()), UP) as careapp:
        link = careapp.home.project / "webapp"
        link.unlink()
        shutil.copytree(ROOT / "webapp", link, ignore=shutil.ignore_patterns("__pycache__"))
        yield careapp


def deployment(canary) -> dict:
    calls = Calls(canary.facts()["endpoint"], "ap-northeast-1")
    where = {"cluster": "careapp-poc-cluster", "service": "careapp-poc-service"}
    [newest, *_] = calls("ecs", "list_service_deployments", where)["serviceDeployments"]
    asked = {"serviceDeploymentArns": [newest["serviceDeploymentArn"]]}
    [found] = calls("ecs", "describe_service_deployments", asked)["serviceDeployments"]
    return dict(found)


def waits(canary) -> bool:
    return "AWAITING_ACTION" in {
        each["status"] for each in deployment(canary)["lifecycleHookDetails"]
    }


@contextmanager
def broken(canary, name: str):
    """The app with a mistake in it, for as long as the block lasts."""
    edits, project = FAULTS[name].edits, canary.home.project
    for edit in edits:
        edit.apply(project)
    try:
        yield
    finally:
        for edit in edits:
            edit.revert(project)


@contextmanager
def killed_up(canary, until_when, seconds: float):
    """A `pulumi up` that is killed at a moment; the lock that stays is taken away afterwards."""
    child = canary.start_inside(*UP)
    until(until_when, seconds, "the moment of the kill")
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    try:
        yield
    finally:
        canary.shell("pulumi", "cancel", "-s", "poc", "--yes")


@contextmanager
def unnoticed(canary):
    """No user's request fails, and the version before serves in the end."""
    before = definition(canary)
    with load(canary) as visitors:
        yield visitors
    until(lambda: deployment(canary)["status"] == "ROLLBACK_SUCCESSFUL", 60, "the rollback")
    assert definition(canary) == before
    assert failed(visitors) == {}


def status(canary) -> str:
    return canary.shell("./careapp", "status", "-s", "poc").stdout


def test_version_whose_page_hangs_is_rolled_back_unnoticed(canary):
    with broken(canary, "update-hangs"), unnoticed(canary) as visitors:
        done = canary.up()
    assert done.returncode != 0
    assert "The page / does not answer" in done.stdout, done.stdout
    assert "ECS was told to roll" in done.stdout
    assert {len(visitor.versions) for visitor in visitors} == {1}


def test_killed_up_leaves_the_users_alone_and_the_next_goes_on(canary):
    with broken(canary, "update-moves-page"), unnoticed(canary) as visitors:
        with killed_up(canary, lambda: waits(canary), 120):
            time.sleep(2)
            if waits(canary):
                words = "gets no requests of users yet: ECS waits for an answer until"
                assert words in status(canary)
        again = canary.up()
    assert again.returncode != 0
    assert "The page / answers 404, and smokeMatcher expects 200-299" in again.stdout, again.stdout
    assert {len(visitor.versions) for visitor in visitors} == {1}


def test_version_that_raises_is_ended_by_the_up_after_a_killed_one(canary):
    """ECS's circuit breaker does not watch a canary: ECS starts tasks without end."""

    def a_task_failed():
        return deployment(canary)["deploymentCircuitBreaker"]["failureCount"]

    with broken(canary, "canary-raises-at-import"), unnoticed(canary):
        with killed_up(canary, a_task_failed, 180):
            endless = "ECS's circuit breaker does not end such a deployment: ./careapp rollback"
            assert endless in status(canary)
        again = canary.up()
    assert again.returncode != 0
    assert "ECS was told to roll" in again.stdout, again.stdout
    assert "nobody tried this" in again.stdout
