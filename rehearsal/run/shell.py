"""What the commands do; ``rehearsal.cli`` says how they are called."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from i18n import Text, joined, t, verbatim
from ops.signals import run_in_front
from rehearsal import console
from rehearsal.building import docker_engine
from rehearsal.engine.find import find_or_get
from rehearsal.machine import namespaces
from rehearsal.paths import home
from rehearsal.run import client
from rehearsal.run.client import Options, refuse_to_stop
from rehearsal.run.project import Project, standing


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
        refused = None if docker else namespaces.refusal()
        if refused:
            console.note(namespaces.shared_loopback(refused))
        return Options(
            region=self.region,
            speed=self.speed,
            port=self.port,
            docker=docker,
            namespaces=not docker and refused is None,
            watch_port=self.watch_port,
        )


def watch_it(facts: client.Facts) -> Text:
    """Where the page is that shows what goes on."""
    return t("watch it at {page}", page=facts.page)


def shell(command: list[str], chosen: Chosen) -> int:
    """A command, or the user's shell, in the local cloud's environment; its exit code."""
    place = home()
    facts = client.find(place)
    project = standing(place, facts)
    project.prepare()
    words = command or [os.environ.get("SHELL", "/bin/sh")]
    if not _found(words[0], project):
        console.fail(t("{program}: no such program; name one that is on PATH.", program=words[0]))
        return 127
    engine = find_or_get()
    if facts is None:
        facts = client.start(place, chosen.options())
        console.note(watch_it(facts))
        if command:
            console.note(t("the local cloud stays up; ./careapp cloud stop ends it"))
    environment = project.environment(facts, engine)
    if not command:
        _welcome(project, environment["PATH"])
    return run_in_front(words, environment, place.project)


def _found(program: str, project: Project) -> bool:
    """Whether there will be such a program in the shell; a path is one from the project's folder."""
    if os.sep in program:
        return shutil.which(str(project.home.project / program)) is not None
    return program == "pulumi" or shutil.which(program, path=project.path()) is not None


def _welcome(project: Project, path: str) -> None:
    """What a reader can do in the shell."""
    aws = shutil.which("aws", path=path)
    console.tell(
        t(
            "In {folder}: {programs} and ./careapp doctor talk to the local cloud. "
            "exit leaves; ./careapp cloud stop ends the local cloud.",
            folder=str(project.home.project),
            programs="pulumi, aws, python (boto3)" if aws else "pulumi, python (boto3)",
        )
    )
    console.tell(
        t(
            "curl and Python reach the page by its pageUrl; a browser finds it at the address that "
            "./careapp cloud status prints."
        )
    )
    if not aws:
        console.tell(
            t(
                "aws is not on PATH; some cures need it: "
                "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
            )
        )


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
    """Stop the local cloud and remove the engine's state of it. Raises ``CloudError`` under a rehearsal."""
    place = home()
    refuse_to_stop(place)
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
        for line in _inside(facts.state):
            console.tell(line)
    return 0 if facts else 1


def _inside(state: Mapping[str, Any]) -> Iterator[Text]:
    """What runs in a local cloud, a line each."""
    for each in state.get("listeners", ()):
        yield t("listener {declared}: {url}", declared=each["declared"], url=each["url"])
    for each in state.get("databases", ()):
        status = t("database {id}: {status}", id=each["id"], status=each["status"])
        where = each["problem"] or each["listens"]
        yield joined(", ", (status, verbatim(where))) if where else status
    for each in state.get("tasks", ()):
        yield t(
            "task {id} of {service}: {state} at {address}",
            id=each["id"][:8],
            service=each["service"],
            state=each["state"],
            address=each["address"],
        )
    if not any(state.get(kind) for kind in ("listeners", "databases", "tasks")):
        yield t("nothing is up in it yet")
    metrics = state.get("metrics") or {}
    if minutes := metrics.get("minutes"):
        yield t("metrics of {minutes} minutes (AWS's time)", minutes=minutes)
    yield from map(verbatim, metrics.get("problems", ()))
