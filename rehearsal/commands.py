"""What the commands do; ``rehearsal.__main__`` says how they are called."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from ops.signals import run_in_front
from ops.texts import Text, t, verbatim
from rehearsal import client, console
from rehearsal.building import docker_engine
from rehearsal.cloud import Options
from rehearsal.engine import find_or_get
from rehearsal.paths import home
from rehearsal.project import Project


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """How the user wants a local cloud to run, should one have to be started."""

    tasks: str
    speed: float
    port: int | None
    region: str
    watch_port: int | None = None

    def options(self) -> Options:
        """The local cloud's options, once it is decided how tasks run; that is said aloud."""
        docker, why = docker_engine.decide(self.tasks)
        console.note(why)
        return Options(
            region=self.region,
            speed=self.speed,
            port=self.port,
            docker=docker,
            watch_port=self.watch_port,
        )


def watch_it(facts: client.Facts) -> Text:
    """Where the page is that shows what goes on."""
    return t("watch it at {page}", page=facts.page)


def shell(command: list[str], chosen: Chosen) -> int:
    """A command, or the user's shell, in the local cloud's environment; its exit code."""
    place = home()
    engine = find_or_get()
    project = Project(place)
    project.prepare()
    facts = client.find(place)
    if facts is None:
        facts = client.start(place, chosen.options())
        console.note(watch_it(facts))
    environment = project.environment(facts, engine)
    if not command:
        command = [os.environ.get("SHELL", "/bin/sh")]
        console.tell(
            t(
                "In {folder}: pulumi, aws, boto3 and ./careapp doctor talk to the local cloud. "
                "exit leaves; ./careapp cloud stop ends the local cloud.",
                folder=str(place.project),
            )
        )
    try:
        return run_in_front(command, environment, place.project)
    except FileNotFoundError:
        console.fail(t("{program}: no such program; name one that is on PATH.", program=command[0]))
        return 127


def cloud_start(chosen: Chosen, as_json: bool) -> int:
    """Start the local cloud and say where it answers."""
    place = home()
    facts = client.start(place, chosen.options())
    if as_json:
        console.out.print_json(json.dumps(facts.data))
        return 0
    console.tell(
        t(
            "the local cloud runs (process {pid}); the AWS API answers at {endpoint}",
            pid=facts.pid,
            endpoint=facts.endpoint,
        )
    )
    console.tell(t("./careapp shell leads pulumi, aws and boto3 to it"))
    console.tell(watch_it(facts))
    return 0


def cloud_stop() -> int:
    """Stop it; what the engine believed to be there is forgotten with it."""
    place = home()
    stopped = client.stop(place)
    Project(place).forget()
    console.tell(t("the local cloud has stopped") if stopped else t("no local cloud was running"))
    return 0


def cloud_status(as_json: bool) -> int:
    """Whether it runs and what runs in it."""
    facts = client.find(home())
    if as_json:
        console.out.print_json(json.dumps(facts.data if facts else {"running": False}))
    elif facts is None:
        console.tell(client.NONE_RUNS)
    else:
        console.tell(
            t(
                "process {pid}, AWS API at {endpoint}, region {region}",
                pid=facts.pid,
                endpoint=facts.endpoint,
                region=facts.options.region,
            )
        )
        console.tell(watch_it(facts))
        for name, items in facts.state.items():
            console.tell(verbatim(f"{name}: {json.dumps(items, default=str)}"))
    return 0 if facts else 1
