"""What the commands do; ``rehearsal.__main__`` says how they are called."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rehearsal import client, console
from rehearsal.building import docker_engine
from rehearsal.cloud import Options
from rehearsal.engine import find_or_get
from rehearsal.engine_run import terminations_raise
from rehearsal.faults import Fault, FaultError
from rehearsal.paths import Home, home
from rehearsal.project import Project, copy_program
from rehearsal.providers.calls import Calls
from rehearsal.pulumi import Pulumi, PulumiFailed
from rehearsal.rehearse import Rehearsal, RehearsalFailed

FAILURES = (RehearsalFailed, PulumiFailed, client.CloudError, FaultError)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """How the user wants a local cloud to run, should one have to be started."""

    tasks: str
    speed: float
    port: int | None
    region: str

    def options(self) -> Options:
        """The local cloud's options, once it is decided how tasks run; that is said aloud."""
        docker, why = docker_engine.decide(self.tasks)
        console.note(why)
        return Options(region=self.region, speed=self.speed, port=self.port, docker=docker)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a rehearsal is to do."""

    stack: str
    leave: bool
    until: str
    report: Path | None
    fault: Fault | None
    config: tuple[tuple[str, str], ...] = ()


def rehearse(plan: Plan, chosen: Chosen) -> int:
    """Both stages, the page, and destroy; 0 when every step did what it must."""
    place, engine = home(), find_or_get()
    if client.find(place):
        raise client.CloudError(
            f"a local cloud already runs in {place.folder}, and a rehearsal wants one of its own: "
            "./careapp cloud stop ends it (and what is in it), or set CAREAPP_HOME to another folder"
        )
    project = _fresh(place, plan)
    with terminations_raise():
        try:
            facts = client.start(place, chosen.options())
            pulumi = Pulumi(place.project, project.environment(facts, engine))
            run = Rehearsal(pulumi, plan.stack, lambda: client.require(place), console.say)
            calls = Calls(facts.endpoint, facts.options.region)
            status = _steps(run, plan, lambda: _break(run, plan, project.source, calls), calls)
            if plan.report:
                run.report.write(plan.report)
            return status
        finally:
            client.stop(place)
            project.forget()


def _fresh(place: Home, plan: Plan) -> Project:
    """An empty project; with a fault on a copy of the program, which the fault may change."""
    Project(place).forget()
    project = Project(place, place.source) if plan.fault else Project(place)
    if plan.fault:
        copy_program(place.source)
    project.prepare()
    return project


def _break(run: Rehearsal, plan: Plan, source: Path, calls: Calls) -> None:
    if plan.fault:
        run.mistake(plan.fault, source, calls)


def _steps(run: Rehearsal, plan: Plan, mistake: Callable[[], None], calls: Calls) -> int:
    """Up, wait, down. A Ctrl-C while it goes up or waits leads to the destroy."""
    status = 0
    try:
        run.stage1(plan.config)
        if plan.until == "stage2":
            mistake()
            status = _stage2(run, plan, calls)
        _show(run)
        if not plan.leave:
            _until_interrupt()
    except FAILURES as problem:
        status = _failed(run, problem)
    except KeyboardInterrupt:
        console.tell("\ninterrupted: destroying")
        status = 130
    try:
        run.destroy()
    except FAILURES as problem:
        return _failed(run, problem)
    return status


def _stage2(run: Rehearsal, plan: Plan, calls: Calls) -> int:
    """Stage 2; with a fault it is red, and stays up so that it can be looked at."""
    try:
        run.stage2()
        return 0
    except FAILURES as problem:
        if not plan.fault:
            raise
        run.on_aws(calls)
        run.diagnose()
        console.say(
            "The roll-out is red, as it must be. ./careapp shell -- ./careapp doctor says why."
        )
        return _failed(run, problem)


def _failed(run: Rehearsal, problem: Exception) -> int:
    console.fail(str(problem))
    run.report.error = run.report.error or str(problem)
    return 1


def _show(run: Rehearsal) -> None:
    for stage in run.report.stages:
        console.tell(
            f"{stage['name']}: {stage['created']} created, {stage['updated']} updated, "
            f"{stage['replaced']} replaced, {stage['deleted']} deleted, "
            f"{stage['unchanged']} unchanged in {stage['seconds']} s"
        )
    if run.report.page:
        page = run.report.page
        console.say(f"{page['url']} answers {page['status']} after {page['seconds_to_healthy']} s")
        if "authority" in page:
            console.tell(
                f"Its certificate is the rehearsal's: curl --cacert {page['authority']} "
                f"{page['url']}. A browser warns; go on past it."
            )


def _until_interrupt() -> None:
    console.tell("Ctrl-C destroys everything again.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.tell("")


def shell(command: list[str], chosen: Chosen) -> int:
    """A command, or the user's shell, in the local cloud's environment; its exit code."""
    place = home()
    engine = find_or_get()
    project = Project(place)
    project.prepare()
    facts = client.find(place)
    if facts is None:
        facts = client.start(place, chosen.options())
    environment = project.environment(facts, engine)
    if not command:
        command = [os.environ.get("SHELL", "/bin/sh")]
        console.tell(
            f"In {place.project}: pulumi, aws, boto3 and ./careapp doctor talk to the local cloud. "
            "exit leaves; ./careapp cloud stop ends the local cloud."
        )
    # The shell itself decides what a Ctrl-C ends; this process only waits.
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run(
            command,
            cwd=place.project,
            env=environment,
            check=False,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ).returncode
    except FileNotFoundError:
        console.fail(f"{command[0]}: no such program")
        return 127
    finally:
        signal.signal(signal.SIGINT, ignored)


def cloud_start(chosen: Chosen) -> int:
    """Start the local cloud and say where it answers."""
    place = home()
    facts = client.start(place, chosen.options())
    console.tell(
        f"the local cloud runs (process {facts.pid}); the AWS API answers at {facts.endpoint}"
    )
    console.tell("./careapp shell leads pulumi, aws and boto3 to it")
    return 0


def cloud_stop() -> int:
    """Stop it; what the engine believed to be there is forgotten with it."""
    place = home()
    stopped = client.stop(place)
    Project(place).forget()
    console.tell("the local cloud has stopped" if stopped else "no local cloud was running")
    return 0


def cloud_status(as_json: bool) -> int:
    """Whether it runs and what runs in it."""
    facts = client.find(home())
    if as_json:
        console.out.print_json(json.dumps(facts.data if facts else {"running": False}))
    elif facts is None:
        console.tell("no local cloud runs here: ./careapp cloud start starts one")
    else:
        console.tell(
            f"process {facts.pid}, AWS API at {facts.endpoint}, region {facts.options.region}"
        )
        for name, items in facts.state.items():
            console.tell(f"{name}: {json.dumps(items, default=str)}")
    return 0 if facts else 1
