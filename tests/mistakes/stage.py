"""A stack in a local cloud on which mistakes are made, and put right again as a person does."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from careapp import ROOT
from careapp.rehearsal.rehearse import copy_program
from local_cloud.calls import Calls
from local_cloud.engine.find import find_or_get
from local_cloud.paths import Home
from local_cloud.run import client
from local_cloud.run.project import Project
from local_cloud.run.shell import CloudFlags
from tests.mistakes import account
from tests.mistakes.draws import APPS, FIRST, MIDDLE, UPDATE, Draw, Mistake
from tests.mistakes.judge import Judge

HERE = Path(__file__).parent
REGION = "ap-northeast-1"
UP = ("pulumi", "up", "-s", "poc", "--yes", "--skip-preview")
DOCTOR = (sys.executable, "-m", "careapp.cli", "doctor", "--stack", "poc", "--json")
FASTER = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""The engine writes the state once, which takes a third of an update's time."""
OF_APP = {
    "webapp": {},
    "flaskr": {
        **{"appFolder": "docs/examples/flaskr", "containerPort": "8080", "healthPath": "/up"},
        **{"appVariables.GREETING": "hello"},
    },
}
CHANGES = re.compile(r"aws (?!\S+ (get|describe|list)-)|pulumi config |\./careapp db")
"""Commands that change something themselves; what has none of them asks for an edit."""


class TooLong(Exception):
    """A draw has not ended within its limit."""


@dataclass(frozen=True)
class Done:
    """The end of a command."""

    command: str
    code: int
    said: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.command} -> {self.code} ({self.seconds:.0f} s)"


class Stage:
    """One local cloud after the other, each with a good stack of the kind that a draw needs."""

    def __init__(self, folder: Path, speed: float, limit: float) -> None:
        self.home, self.speed, self.limit, self.kind = Home(folder / "home"), speed, limit, ""
        self._number, self._end = 0, 0.0
        self.dirty = False
        """Whether it is no longer known to be good: then another local cloud takes its place."""
        self.acted = False
        """Whether something was changed in the account."""

    # The good stack.

    def ready(self, kind: str) -> None:
        """Have a stack of this kind, deployed and well."""
        self._end = time.monotonic() + 2 * self.limit
        if self.kind != kind or self.dirty:
            self.close()
            self._begin(kind)
        self._end = time.monotonic() + self.limit
        self.dirty, self.acted = True, False

    def _begin(self, kind: str) -> None:
        options = CloudFlags(tasks="process", speed=self.speed, port=0).options(REGION)
        os.environ["CAREAPP_HOME"] = str(self.home.folder)  # of the local cloud's process
        facts = client.start(self.home, options)
        copy_program(self.home.source)
        (self.home.source / "program.py").write_text((ROOT / "__main__.py").read_text())
        self._write("__main__.py", (HERE / "wrong_program.py").read_text())
        self._write("mistakes.json", "[]")
        self.project = Project(self.home, self.home.source)
        self.project.prepare()
        clock = {"LOCAL_CLOUD_SPEED": str(self.speed), "LOCAL_CLOUD_POLL_SECONDS": "0.1"}
        self.environment = {**self.project.environment(facts, find_or_get()), **FASTER, **clock}
        self.calls = Calls(facts.access)
        self.judge = Judge(self.home.facts, self.environment, self.resources)
        app, strategy = kind.split()
        settings = {"ecsEnabled": "true", "deployStrategy": strategy, **OF_APP[app]}
        if app == "flaskr":
            secret = {"Name": "flaskr", "SecretString": "made-up"}
            made = self.calls("secretsmanager", "create_secret", secret)
            settings["appSecrets.SECRET_KEY"] = made["ARN"]
        self._good(self.run("pulumi", "stack", "init", "poc"))
        pairs = [f"--plaintext={key}={value}" for key, value in settings.items()]
        self._good(self.run("pulumi", "config", "set-all", "--path", *pairs, "--stack", "poc"))
        self._good(self.up())
        self.stack_file = self.home.project / "Pulumi.poc.yaml"
        self._settings = self.stack_file.read_text()
        sight = self.judge.look()
        assert sight.well, f"a good stack is not well: {sight}"
        assert self.judge.left(), "what there is must be seen"
        self.kind = kind

    def close(self) -> None:
        """End the local cloud, and what runs in it."""
        client.stop(self.home)
        if self.kind or self.home.project.exists():
            Project(self.home, self.home.source).delete()
        self.kind = ""

    def destroyed(self) -> list[str]:
        """Destroy the stack; return what is left, or why it cannot be destroyed."""
        if self._undo_files():
            self.up()  # what is protected cannot be destroyed
        done = self.run("pulumi", "destroy", "-s", "poc", "--yes", "--skip-preview")
        return [f"destroy: {done.said[-600:]}"] if done.code else self.judge.left()

    def restore(self) -> None:
        """Put back what is in files. What was changed in the account is left to a new local cloud."""
        well = not self._undo_files() and self.judge.look().well
        if not well:
            self.up()
        self.dirty = not (well or self.judge.look().well)

    # Commands.

    def run(self, *words: str) -> Done:
        """Run a command as in `./careapp shell`. Raises TooLong."""
        begun = time.monotonic()
        child = subprocess.Popen(
            words,
            cwd=self.home.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = child.communicate(timeout=max(self._end - begun, 1))
        except BaseException as problem:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if isinstance(problem, subprocess.TimeoutExpired):
                raise TooLong(shlex.join(words)) from None
            raise
        shown = shlex.join(words[-5:] if words[0] == sys.executable else words)
        return Done(shown, child.returncode, said, time.monotonic() - begun)

    def type(self, command: str) -> Done:
        """Run a printed command; one that is not there fails, as in a shell."""
        words = shlex.split(command)
        more = ("--yes", "--skip-preview") if words[:2] == ["pulumi", "up"] else ()
        try:
            return self.run(*words, *more)
        except OSError as problem:
            return Done(command, 127, str(problem), 0)

    def up(self, *more: str) -> Done:
        return self.run(*UP, *more)

    def doctor(self) -> tuple[Done, dict[str, Any]]:
        done = self.run(*DOCTOR)
        try:
            return done, json.loads(done.said)
        except ValueError:
            return done, {}

    def resources(self) -> list[dict[str, Any]]:
        """Return what the engine has registered."""
        done = self.run("pulumi", "stack", "export", "--stack", "poc")
        return list(json.loads(done.said)["deployment"].get("resources") or [])

    def _good(self, done: Done) -> None:
        assert not done.code, f"{done}\n{done.said}"

    # Mistakes.

    def begin(self, moment: str) -> None:
        """Have the stack as it is before a mistake at this moment."""
        if moment == FIRST:
            self._set({"ecsEnabled": "false"})
            self._good(self.up())
            self._set({"ecsEnabled": "true"})
        if moment in (UPDATE, MIDDLE):
            self._release()

    def make(self, draw: Draw) -> tuple[Done, list[str]]:
        """Make the mistakes at their moment, with `pulumi up`; return that, and what was done in the account."""
        acted: list[str] = []
        self._write_mistakes(draw.mistakes)
        if draw.plan.moment != MIDDLE:
            acted += self._act(draw.mistakes)
            return self.up(), acted
        # Without another revision there is no roll-out in whose middle it could be made.
        another = ("--path", "appVariables.DRAW", str(draw.plan.number), "--plaintext")
        self._good(self.run("pulumi", "config", "set", *another, "--stack", "poc"))
        found: list[Done] = []
        update = threading.Thread(target=lambda: found.append(self.up()))
        update.start()
        while update.is_alive() and not self.judge.deploying():
            time.sleep(0.1)
        if update.is_alive():
            acted += self._act(draw.mistakes)
        else:
            acted += ["" for mistake in draw.mistakes if mistake.acts]
        update.join()
        if not found:
            raise TooLong("pulumi up")
        return found[0], acted

    def _act(self, mistakes: Sequence[Mistake]) -> list[str]:
        acted = [account.make(self.calls, mistake.acts) for mistake in mistakes if mistake.acts]
        self.acted = self.acted or bool(acted)
        return acted

    def undo(self, mistakes: Sequence[Mistake]) -> None:
        """Leave these mistakes alone of those in files, as a person does who corrects the others."""
        self._undo_files(settings=False)
        self._write_mistakes(mistakes)

    def correct_setting(self, name: str) -> None:
        """Put a setting back."""
        old = re.findall(rf"^  careapp:{name}: .*\n", self._settings, re.M)
        new = re.sub(rf"^  careapp:{name}: .*\n", "", self.stack_file.read_text(), flags=re.M)
        self.stack_file.write_text(new.replace("config:\n", "config:\n" + "".join(old), 1))

    def _write_mistakes(self, mistakes: Sequence[Mistake]) -> None:
        inputs = [dict(mistake.inputs) for mistake in mistakes if mistake.inputs]
        self._write("mistakes.json", json.dumps(inputs))
        for mistake in mistakes:
            for file, text in mistake.files.items():
                self._write(file, text)
            if mistake.app:
                self._write_app(mistake.app)
            if mistake.setting:
                self._set(dict([mistake.setting]))

    def _write_app(self, how: Mapping[str, Any]) -> None:
        _, file = APPS[self.kind.partition(" ")[0]]
        package = Path(file).parent
        how = {**how, "seconds": how["seconds"] / self.speed}
        text = (HERE / "wrong_app.py").read_text().replace("HOW = {}", f"HOW = {how!r}")
        self._write(str(package / "mistake.py"), text)
        hook = f"\nfrom {package.name} import mistake\n\ncreate_app = mistake.wrapped(create_app)\n"
        self._write(file, (ROOT / file).read_text() + hook)

    def _release(self) -> None:
        """Write another version of the app: it is the good one from now on."""
        self._number += 1
        folder, _ = APPS[self.kind.partition(" ")[0]]
        (self.home.source / folder / "release.txt").write_text(f"{self._number}\n")

    def _set(self, settings: Mapping[str, str]) -> None:
        for key, value in settings.items():
            self.run("pulumi", "config", "set", "--plaintext", key, "--stack", "poc", "--", value)

    def _write(self, file: str, text: str) -> None:
        (self.home.source / file).write_text(text)

    def _undo_files(self, *, settings: bool = True) -> bool:
        """Put the program's and the app's files, and the settings, back. Return whether any differed."""
        source, differs = self.home.source, False
        good = {"mistakes.json": "[]"}
        for folder, file in APPS.values():
            good |= {each: (ROOT / each).read_text() for each in (f"{folder}/Dockerfile", file)}
            wrong = source / Path(file).parent / "mistake.py"
            differs |= wrong.exists()
            wrong.unlink(missing_ok=True)
        for file, text in good.items():
            if (source / file).read_text() != text:
                self._write(file, text)
                differs = True
        if settings and self.stack_file.read_text() != self._settings:
            self.stack_file.write_text(self._settings)
            differs = True
        return differs
