"""What the commands do; ``rehearsal.__main__`` says how they are called."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from rehearsal import client, console
from rehearsal.building import docker_engine
from rehearsal.cloud import Options
from rehearsal.engine import find_or_get
from rehearsal.paths import home
from rehearsal.project import Project
from rehearsal.pulumi import Pulumi, PulumiFailed
from rehearsal.rehearse import Rehearsal, RehearsalFailed


def options(**how: Any) -> Options:
    """The local cloud's options, once it is decided how tasks run; said aloud."""
    docker, why = docker_engine.decide(how["tasks"])
    console.tell(why)
    return Options(region=how["region"], speed=how["speed"], port=how["port"], docker=docker)


def rehearse(stack: str, chosen: Options, leave: bool, until: str, report: str | None) -> int:
    """Both stages, the page, and destroy; 0 when every step did what it must."""
    place = home()
    engine = find_or_get()
    project = Project(place)
    project.forget()
    project.prepare()
    with console.waiting("starting the local cloud") as waiting:
        facts = client.start(place, chosen, waiting)
    run = Rehearsal(
        Pulumi(place.project, project.environment(facts, engine)),
        stack,
        lambda: client.require(place),
        console.say,
    )
    try:
        return _steps(run, leave, until)
    finally:
        if report:
            run.report.write(Path(report))
        with console.waiting("stopping the local cloud") as waiting:
            client.stop(place, waiting)
        project.forget()


def _steps(run: Rehearsal, leave: bool, until: str) -> int:
    """Up, wait, down. A Ctrl-C while it goes up or waits leads to the destroy."""
    status = 0
    try:
        run.stage1()
        if until == "stage2":
            run.stage2()
        _show(run)
        if not leave:
            _until_interrupt()
    except RehearsalFailed as problem:
        status = _failed(run, problem)
    except KeyboardInterrupt:
        console.tell("\ninterrupted: destroying")
        status = 130
    try:
        run.destroy()
    except (PulumiFailed, RehearsalFailed) as problem:
        return _failed(run, problem)
    return status


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


def _until_interrupt() -> None:
    console.tell("Ctrl-C destroys everything again.")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.tell("")


def shell(command: list[str], chosen: Options) -> int:
    """A command, or the user's shell, in the local cloud's environment; its exit code."""
    place = home()
    engine = find_or_get()
    project = Project(place)
    project.prepare()
    facts = client.find(place)
    if facts is None:
        with console.waiting("starting the local cloud") as waiting:
            facts = client.start(place, chosen, waiting)
    environment = project.environment(facts, engine)
    if not command:
        command = [os.environ.get("SHELL", "/bin/sh")]
        console.tell(
            f"In {place.project}: pulumi, aws and boto3 talk to the local cloud. "
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
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        ).returncode
    except FileNotFoundError:
        console.fail(f"{command[0]}: no such program")
        return 127
    finally:
        signal.signal(signal.SIGINT, ignored)


def cloud_start(chosen: Options) -> int:
    """Start the local cloud and say where it answers."""
    place = home()
    with console.waiting("starting the local cloud") as waiting:
        facts = client.start(place, chosen, waiting)
    console.tell(f"the local cloud runs (process {facts.pid}); the AWS API answers at {facts.endpoint}")
    console.tell("./careapp shell leads pulumi, aws and boto3 to it")
    return 0


def cloud_stop() -> int:
    """Stop it; what the engine believed to be there is forgotten with it."""
    place = home()
    with console.waiting("stopping the local cloud") as waiting:
        stopped = client.stop(place, waiting)
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
        console.tell(f"process {facts.pid}, AWS API at {facts.endpoint}, region {facts.options.region}")
        for name, items in facts.state.items():
            console.tell(f"{name}: {json.dumps(items, default=str)}")
    return 0 if facts else 1
