"""A running stack on which mistakes are made, and what the doctor prints for them is typed as it stands."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ecs_gate.aws.session import Session
from ecs_gate.diagnosis.findings import Diagnosis, Finding, Fix
from ecs_gate.doctor import diagnose
from local_cloud.engine.find import find_or_get
from local_cloud.engine.pulumi import Pulumi
from local_cloud.run.client import require
from local_cloud.run.project import Project
from stack.settings import Settings
from tools.additions.owner import inquiry_of
from tools.rehearsal.app_page import Page
from tools.rehearsal.faults import ANOTHER_RELEASE, Fault
from tools.rehearsal.rehearse import copy_program
from tools.rehearsal.stages import Rehearsal
from tools.rehearsal.stand_ins import make_secrets
from tools.tests.rehearsal.conftest import Careapp
from tools.tests.rehearsal.mistakes import SESSIONS, UNDO

SPEED = "20"
QUICK = ("healthGracePeriod", "30")
"""A setting with which ECS gives a roll-out up soon."""
EXAMPLE = {
    "appFolder": "examples/flaskr",
    "containerPort": "8080",
    "healthPath": "/up",
    "appVariables.GREETING": "hello",
    "appSecrets.SECRET_KEY": "arn:aws:secretsmanager:ap-northeast-1:999999999999:secret:careapp-poc/flaskr-AbCdEf",
}
"""The settings of another app than that of webapp/."""
YES = ("--yes", "--skip-preview")
UP = "pulumi up -s poc"
CHANGES = re.compile(r"aws (?!\S+ (get|describe|list)-)|pulumi config |\./careapp (db|retry)")
"""Commands that change something themselves: what follows them is no deployment of a person's edit."""


class Running:
    """A stack on a local cloud of its own, with a copy of the program that mistakes may change."""

    def __init__(self, careapp: Careapp, environment: Mapping[str, str]) -> None:
        self.home = careapp.home
        facts = require(self.home)
        self.session = Session(facts.options.region)
        pulumi = Pulumi(self.home.project, environment, quiet=True)
        self.run = Rehearsal(pulumi, "poc", lambda: require(self.home), print)
        self.stack_file = self.home.project / "Pulumi.poc.yaml"
        self.released = False
        self.app: Mapping[str, str] = {}

    def type(self, command: str) -> str:
        """What a command says when it fails, typed in ``./careapp shell``; empty when it does not."""
        words = shlex.split(command)
        more = YES if words[:2] == ["pulumi", "up"] else ()
        done = subprocess.run(
            [*words, *more], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        self.said = f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return self.said if done.returncode else ""

    def deploy(self) -> str:
        """Why `pulumi up` is red; empty when it is green."""
        return self.type(UP)

    def turn(self, *, on: bool) -> None:
        """Deploy the service, or delete it, where it is not so already."""
        if self.released != on:
            self.run.set("ecsEnabled", str(on).lower())
            assert not (red := self.deploy()), red
            self.released = on

    def take_example(self) -> None:
        """Give the stack the app of examples/flaskr, which its next release has."""
        self.turn(on=False)
        self.app = EXAMPLE
        for key, value in EXAMPLE.items():
            self.run.set(key, value)
        for key, value in make_secrets(self.run.settings, self.run.calls, print):
            self.run.set(key, value)

    def healthy_file(self) -> str:
        """Return the stack file of a stack whose service runs."""
        self.run.set("ecsEnabled", "true")
        return self.stack_file.read_text()

    def copy_program(self) -> None:
        """Make the program as it is, without mistakes."""
        shutil.rmtree(self.home.source, ignore_errors=True)
        copy_program(self.home.source)

    @property
    def works(self) -> bool:
        page = Page.of(require(self.home).state["listeners"])
        return page is not None and [page.get()[0] for _ in range(3)] == [200] * 3

    @property
    def runs_declared(self) -> bool:
        """Whether ECS has completed the revision that the engine has registered last, as its state has it."""
        state = json.loads(self.run.pulumi.run("stack", "export", "--stack", "poc"))
        names = self.run.names
        [declared] = [
            each["outputs"]["arn"]
            for each in state["deployment"]["resources"]
            if each["type"] == "aws:ecs/taskDefinition:TaskDefinition"
            and each["outputs"]["family"] == names.family
            and not each.get("delete")
        ]
        asked = {"cluster": names.cluster, "services": [names.service]}
        [service] = self.run.calls("ecs", "describe_services", asked)["services"]
        known = {each["status"]: each for each in service["deployments"]}["PRIMARY"]
        return (known["taskDefinition"], known["rolloutState"]) == (declared, "COMPLETED")

    def names_first(self, finding: Finding) -> bool:
        """Whether the doctor names this cause first, again."""
        first = self.diagnosis().causes[:1]
        return [str(each.title) for each in first] == [str(finding.title)]

    def diagnosis(self) -> Diagnosis:
        return diagnose(inquiry_of(Settings.read("poc", Path()), self.session))


class Mistake:
    """A mistake that is made, and taken back where a person has to."""

    def __init__(self, running: Running, fault: Fault, *, first: bool) -> None:
        self.running, self.fault, self.first = running, fault, first
        self.stands = True

    def make(self) -> str:
        """Make it, in the service's first release or in a later one. Return why `up` is red, if it is."""
        running = self.running
        running.turn(on=not self.first)
        running.released = True
        running.run.make_mistake(self.fault, running.home.source)
        running.run.set("ecsEnabled", "true")
        return running.deploy()

    def correct(self, named: str = "") -> bool:
        """Correct what is written wrongly, or the setting that is named, as a person does who reads that.

        Return whether there was something.
        """
        fault, stood = self.fault, self.stands
        named_setting = any(key in named for key in fault.config)
        if stood and (fault.corrected or named_setting or self._edited):
            self._take_back()
        return stood and not self.stands

    @property
    def _edited(self) -> bool:
        return bool(set(self.fault.edits) - {ANOTHER_RELEASE})

    def _take_back(self) -> None:
        self.stands, fault = False, self.fault
        self.running.copy_program()
        for key, value in fault.corrected.items():
            self.running.run.set(key, value)
        if fault.corrected or self._edited:
            return
        for key in {key.partition(".")[0] for key in fault.config}:
            self.running.type(f"pulumi config rm {key} -s poc")
            if key in self.running.app:
                self.running.run.set(key, self.running.app[key])

    def corrected(self) -> str:
        """Correct what a cure has hidden and the sources still have. Return why `pulumi up` is red then, if it is."""
        return self.running.deploy() if self.correct() else ""

    def mended_by_the_old_value(self) -> str:
        """Take the settings back that are refused. Return why `pulumi up` is red after that, if it is."""
        if self.stands and self.fault.config:
            self._take_back()
        return self.running.deploy()

    def mended_by(self, fixes: tuple[Fix, ...], finding: Finding) -> tuple[bool, str]:
        """Do what these fixes say. Return whether the finding is gone, and why `pulumi up` is red, if it is."""
        commands = fixes[0].commands
        if commands[-1:] == (UP,) and not any(map(CHANGES.match, commands)):
            self.correct(str(fixes[0].text))
        red = self._type(fixes)
        return not red or not self.running.names_first(finding), red

    def _type(self, fixes: tuple[Fix, ...]) -> str:
        """Type the commands, and return why `pulumi up` is red after them, if it is. Only that and a retry may fail."""
        running, red = self.running, None
        for command in (each for fix in fixes for each in fix.commands):
            failed = running.type(command)
            print(f"  $ {command}: {'red' if failed else 'done'}")
            red = failed if command.startswith("pulumi up") else None
            if red is None:
                assert command.startswith("./careapp retry") or not failed, failed
        return running.deploy() if red is None else red

    def restore(self, file: str, *, mended: bool) -> str:
        """Take back what is left of the mistake and the cures. Return why the stack stays ill, if it does."""
        running = self.running
        while SESSIONS:
            SESSIONS.pop().close()
        running.copy_program()
        if mended and running.stack_file.read_text() == file:
            return ""
        running.stack_file.write_text(file)
        undo = UNDO.get(self.fault.name)
        if undo and self.stands and not mended:
            undo(running.run.calls, running.run.names)
        red = running.type("pulumi up --refresh -s poc")
        return red or ("" if running.works else "the page is dead")


def together(fixes: tuple[Fix, ...]) -> Iterator[tuple[Fix, ...]]:
    """Yield the first fix and each alternative, in the printed order, with the fixes that follow any of them."""
    after = tuple(each for each in fixes if each.then)
    for fix in fixes:
        if not fix.then:
            yield (fix, *after)


@contextmanager
def running_stack(folder: Path) -> Iterator[Running]:
    """Yield a stack of stage 1; this process is in its shell."""
    careapp = Careapp(folder)
    before = dict(os.environ), Path.cwd()
    how = ("--tasks", "process", "--port", "0", "--speed", SPEED)
    done = careapp.run("cloud", "start", *how)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        copy_program(careapp.home.source)
        project = Project(careapp.home, careapp.home.source)
        project.prepare()
        environment = project.environment(require(careapp.home), find_or_get())
        os.environ.update(environment, LOCAL_CLOUD_SPEED=SPEED, LOCAL_CLOUD_POLL_SECONDS="0.1")
        os.chdir(careapp.home.project)
        running = Running(careapp, environment)
        for words in (("stack", "init", "poc"), ("config", "set", *QUICK, "--stack", "poc")):
            running.run.pulumi.run(*words)
        assert not (red := running.deploy()), red
        yield running
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        os.chdir(before[1])
        careapp.run("cloud", "stop")
