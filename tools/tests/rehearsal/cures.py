"""A running stack on which mistakes are made, and what the doctor prints for them is typed as it stands."""

import asyncio
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pulumi
from botocore.exceptions import ClientError

from local_cloud.calls import Calls
from local_cloud.engine.find import find_or_get
from local_cloud.run.client import require
from local_cloud.run.project import Project
from stack.settings import Settings
from tools.aws.session import Session
from tools.diagnosis.findings import Diagnosis, Finding, Fix
from tools.doctor.diagnose import diagnose
from tools.i18n import Text
from tools.rehearsal.app_page import Page
from tools.rollout import services
from tools.rollout.log import RolloutFailed
from tools.snapshot.gather import Inquiry
from tools.tests.rehearsal.conftest import Careapp
from tools.tests.rehearsal.mistakes import CLUSTER, SERVICE, Edit, Stack, Undo
from tools.waiting import Changes

SPEED = "20"
QUICK = {"ecsEnabled": "true", "healthGracePeriod": "30"}
"""Settings with which ECS gives a roll-out up soon."""
YES = ("--yes", "--skip-preview")
UP = "pulumi up -s poc"
CHANGES = re.compile(r"aws (?!\S+ (get|describe|list)-)|pulumi config |\./careapp (db|retry)")
"""Commands that change something themselves: what follows them is no deployment of a person's edit."""


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
        self.stack = Stack(calls, careapp.home, self.pulumi)
        self.session = Session(facts.options.region)
        self.stack_file = careapp.home.project / "Pulumi.poc.yaml"

    def type(self, command: str) -> str:
        """What a command says when it fails, typed in ``./careapp shell``; empty when it does not."""
        words = shlex.split(command)
        more = YES if words[:2] == ["pulumi", "up"] else ()
        done = subprocess.run(
            [*words, *more], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return (
            f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            if done.returncode
            else ""
        )

    def pulumi(self, *words: str) -> str:
        """What a command of Pulumi's says when it fails; empty when it does not."""
        return self.type(shlex.join(("pulumi", *words, "--stack", "poc")))

    def deploy(self) -> str:
        """Why a real `pulumi up` is red; empty when it is green."""
        return self.type(UP)

    def up(self) -> str:
        """Why `pulumi up` is red for the task definition that the service has; empty when it is green."""
        stack = self.stack
        now = stack.one("ecs", "describe_services", cluster=CLUSTER, services=[SERVICE])
        arns = {"definition": now["taskDefinition"], "target_group": stack.group["TargetGroupArn"]}
        changes = Changes()
        changes.last = time.monotonic()
        settings = replace(Settings.read("poc", Path()), rollout_minutes=60)
        try:
            asyncio.run(services.follow_all(arns, settings, changes, Told(), {}))
        except RolloutFailed as failed:
            return str(failed)
        return ""

    def reset_settings(self, text: str) -> bool:
        """Give the stack file its former text. Return whether it differed."""
        if self.stack_file.read_text() == text:
            return False
        self.stack_file.write_text(text)
        return True

    def page(self) -> list[int]:
        page = Page.of(require(self.careapp.home).state["listeners"])
        return [page.get()[0] for _ in range(3)] if page else [0]

    @property
    def works(self) -> bool:
        return self.page() == [200] * 3

    def names_first(self, finding: Finding) -> bool:
        """Whether the doctor names this cause first, again."""
        first = self.diagnosis().causes[:1]
        return [str(each.title) for each in first] == [str(finding.title)]

    def diagnosis(self) -> Diagnosis:
        return diagnose(Inquiry(Settings.read("poc", Path()), self.session))


class Mistakes:
    """Edits that are made together, and taken back where a person has to."""

    def __init__(self, running: Running, edits: tuple[Edit, ...], *, first: bool) -> None:
        self.running, self.edits, self.first = running, edits, first
        self.undos: dict[Edit, Undo] = {}

    def make(self) -> str:
        """Make them, in the service's first release or in a later one. Return why `up` is red, if it is."""
        running, deploys = self.running, any(each.deploys for each in self.edits)
        running.stack.look_up()
        if self.first:
            self._without_service(deploys=deploys)
        for each in self.edits:
            self.undos[each] = each.make(running.stack)
        if self.first and deploys:
            running.pulumi("config", "set", "ecsEnabled", "true")
        elif any(each.rolls for each in self.edits) or not running.stack.exists:
            running.stack.roll()
        return running.deploy() if deploys else running.up()

    def _without_service(self, *, deploys: bool) -> None:
        """Delete the service; as the program does, where the mistake is a setting of it."""
        if not deploys:
            self.running.stack.delete_service()
            return
        self.running.pulumi("config", "set", "ecsEnabled", "false")
        assert not self.running.deploy()
        self.running.stack = replace(self.running.stack)

    def correct(self) -> bool:
        """Correct one thing that is written wrongly, as a person does who reads what the doctor names.

        Return whether there was one.
        """
        edit = next((each for each in self.undos if each.written), None)
        if edit is not None:
            self.undos.pop(edit)()
        return edit is not None

    def corrected(self) -> str:
        """Correct what a cure has hidden and the sources still have, as a refresh hides a revision.

        Return why `pulumi up` is red after that, if it is.
        """
        left = False
        while self.correct():
            left = True
        return self.running.deploy() if left else ""

    def mended_by_the_old_value(self) -> str:
        """Take the settings back that are refused. Return why `pulumi up` is red after that, if it is."""
        for edit in [each for each in self.undos if each.deploys]:
            self.undos.pop(edit)()
        return self.running.deploy()

    def take_back(self, *, mended: bool) -> None:
        """Undo what is left: all of it, or where the cures have mended the stack, what is written wrongly still."""
        for edit, undo in reversed(self.undos.items()):
            if edit.written or edit.holds or not mended:
                with suppress(
                    ClientError, psycopg.Error
                ):  # A cure may have undone it before it failed.
                    undo()

    def mended_by(self, fixes: tuple[Fix, ...], finding: Finding) -> tuple[bool, str]:
        """Do what these fixes say. Return whether the finding is gone, and why `pulumi up` is red, if it is.

        Where they say to correct what is written, and two things are wrong, a person tries the one and the other.
        """
        commands = fixes[0].commands
        edits = commands[-1:] == (UP,) and not any(map(CHANGES.match, commands))
        while True:
            corrected = edits and self.correct()
            red = self._type(fixes)
            gone = not red or not self.running.names_first(finding)
            if gone or not corrected:
                return gone, red

    def _type(self, fixes: tuple[Fix, ...]) -> str:
        """Type the commands, and return why `pulumi up` is red after them, if it is.

        Only `pulumi up` and a retry may fail, for another mistake may be left.
        """
        running, red = self.running, None
        for command in (each for fix in fixes for each in fix.commands):
            failed = running.type(command)
            print(f"  $ {command}: {'red' if failed else 'done'}")
            red = failed if command.startswith("pulumi up") else None
            if red is None:
                assert command.startswith("./careapp retry") or not failed, failed
        return running.deploy() if red is None else red


def together(fixes: tuple[Fix, ...]) -> Iterator[tuple[Fix, ...]]:
    """Yield the first fix and each alternative, in the printed order, with the fixes that follow any of them."""
    after = tuple(each for each in fixes if each.then)
    for fix in fixes:
        if not fix.then:
            yield (fix, *after)


@contextmanager
def running_stack(folder: Path) -> Iterator[Running]:
    """Yield a stack of both stages; this process is in its shell."""
    careapp = Careapp(folder)
    before = dict(os.environ), Path.cwd()
    try:
        how = ("shell", "--tasks", "process", "--port", "0", "--speed", SPEED, "--")
        for words in (
            ("pulumi", "stack", "init", "poc"),
            *(("pulumi", "config", "set", key, value) for key, value in QUICK.items()),
            ("pulumi", "up", "-s", "poc", *YES),
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
