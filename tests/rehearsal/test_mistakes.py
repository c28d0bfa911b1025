"""Any single mistake: the page works all the same, or `pulumi up` is red and the doctor names a cause."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pulumi
import pytest

from i18n import Text
from ops.aws.session import Session
from ops.diagnosis.findings import Diagnosis
from ops.doctor.diagnose import diagnose
from ops.doctor.screen import plain
from ops.rollout import gate
from ops.waiting import Changes
from rehearsal.calls import Calls
from rehearsal.engine.find import find_or_get
from rehearsal.run.client import Page, require
from rehearsal.run.project import Project
from stack.names import StackNames
from stack.settings import Settings
from tests.rehearsal.conftest import Careapp
from tests.rehearsal.mistakes import EDITS, Edit, Stack

SPEED = "20"
SOME = 3
TRIES = 3
CHOSEN = os.environ.get("CAREAPP_MISTAKES", str(SOME))
"""How many edits are tried, `all`, or a part of their names: CAREAPP_MISTAKES=all tries each (half an hour)."""
SEED = int(os.environ.get("CAREAPP_MISTAKES_SEED", date.today().toordinal()))
"""Other edits every day. The same for all processes that share the tests."""
QUICK = {
    "ecsEnabled": "true",
    "unhealthyThreshold": "2",
    "healthGracePeriod": "30",
    "deregistrationDelay": "1",
}
"""Settings with which ECS gives a roll-out up soon."""
UNNAMED = {"roll-out-failed", "rolled-back", "tasks-die", "too-few-tasks"}
"""Findings that say only that it fails."""


def chosen() -> list[Edit]:
    """The edits to try, in the seed's order."""
    order = random.Random(SEED).sample(EDITS, len(EDITS))  # noqa: S311 - not for cryptography
    if CHOSEN.isdigit():
        return order[: int(CHOSEN)]
    return [edit for edit in EDITS if CHOSEN in ("all", "") or CHOSEN in edit.name]


@dataclass
class Told:
    """Takes what the gate tells, in place of Pulumi's log."""

    lines: list[str] = field(default_factory=list)

    def lasting(self, text: Text) -> None:
        self.lines.append(str(text))

    moment = warning = lasting


class Running:
    """A stack of both stages that runs on a local cloud of its own."""

    def __init__(self, careapp: Careapp) -> None:
        facts = require(careapp.home)
        self.careapp = careapp
        calls = Calls(facts.endpoint, facts.options.region)
        self.stack = Stack(calls, careapp.home.cloud / "images", self.pulumi)
        self.session = Session(facts.options.region)

    def pulumi(self, *words: str) -> str:
        """What a command of Pulumi's says when it fails; empty when it does not."""
        how = ("shell", "--tasks", "process", "--port", "0", "--speed", SPEED, "--", "pulumi")
        done = self.careapp.run(*how, *words, "--stack", "poc")
        return done.stdout + done.stderr if done.returncode else ""

    def deploy(self) -> str:
        """Why a real `pulumi up` is red; empty when it is green."""
        return self.pulumi("up", "--yes", "--skip-preview")

    def up(self) -> str:
        """Why `pulumi up` is red for the task definition that the service has; empty when it is green."""
        stack = self.stack
        now = stack.one(
            "ecs",
            "describe_services",
            cluster="careapp-poc-cluster",
            services=["careapp-poc-service"],
        )
        arns = {
            "cluster": now["clusterArn"],
            "service": now["serviceArn"],
            "definition": now["taskDefinition"],
            "target_group": stack.group["TargetGroupArn"],
        }
        changes = Changes()
        changes.last = time.monotonic()
        settings = replace(Settings.read("poc", Path()), rollout_minutes=60)
        try:
            asyncio.run(gate._follow(arns, settings, changes, Told()))
        except gate.RolloutFailed as failed:
            return str(failed)
        return ""

    def page(self) -> list[int]:
        """What the page answers to three visitors in a row."""
        page = Page.of(require(self.careapp.home).state["listeners"])
        return [page.get()[0] for _ in range(3)] if page else [0]

    def diagnosis(self) -> Diagnosis:
        return diagnose(StackNames("poc", "careapp"), self.session)

    def revert(self, undo, deploys: bool) -> None:
        """Take the mistake back; new tasks start, and the stack must be healthy again.

        A machine that is busy for long may make healthy tasks look unhealthy: it is tried again.
        """
        undo()
        if deploys:
            self.deploy()  # Red where ECS has given up the revision that this one goes back to.
            self.stack = replace(self.stack)  # It may have another task definition now.
        for _ in range(TRIES):
            self.stack.roll(taskDefinition=self.stack.definition["taskDefinitionArn"])
            red = self.up()
            if not red and self.page() == [200] * 3:
                return
        pytest.fail(f"the mistake is taken back, and the stack stays ill: {red}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    careapp = Careapp(tmp_path_factory.mktemp("mistakes"))
    before = dict(os.environ), Path.cwd()
    try:
        how = ("shell", "--tasks", "process", "--port", "0", "--speed", SPEED, "--")
        for words in (
            ("pulumi", "stack", "init", "poc"),
            *(("pulumi", "config", "set", key, value) for key, value in QUICK.items()),
            ("pulumi", "up", "-s", "poc", "--yes", "--skip-preview"),
        ):
            done = careapp.run(*how, *words)
            assert done.returncode == 0, done.stdout + done.stderr
        project, facts = Project(careapp.home), require(careapp.home)
        os.environ.update(project.environment(facts, find_or_get()))
        os.environ.update(CAREAPP_CLOCK_SPEED=SPEED, CAREAPP_POLL_SECONDS="0.1")
        os.chdir(careapp.home.project)
        pulumi.runtime.configure(pulumi.runtime.Settings(project="careapp", stack="poc"))
        running = Running(careapp)
        assert running.up() == ""
        yield running
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        os.chdir(before[1])
        careapp.run("cloud", "stop")


@pytest.mark.parametrize("edit", chosen(), ids=lambda edit: edit.name)
def test_the_page_works_or_up_is_red_and_a_cause_is_named(running, edit):
    print(f"seed {SEED}: CAREAPP_MISTAKES_SEED repeats the order")
    undo = edit.make(running.stack)
    try:
        if edit.rolls:
            running.stack.roll()
        red = running.deploy() if edit.deploys else running.up()
        page, found = running.page(), running.diagnosis()
        named = [each.id for each in found.causes]
        print(f"{'red' if red else 'green'}, page {page}, causes {named}")
        print(red or plain(found))
        works = page == [200] * 3
        assert red or works, "green with a dead page"
        if red:
            assert set(named) - UNNAMED, "red without a cause"
            assert named[0] not in UNNAMED, "the cause is not named first"
    finally:
        running.revert(undo, edit.deploys)
