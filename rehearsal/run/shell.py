"""The commands ``./careapp shell`` and ``./careapp cloud``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from i18n import Text, joined, t, verbatim
from ops.signals import run_in_front
from rehearsal import console
from rehearsal.building import docker_engine
from rehearsal.engine.find import find_or_get
from rehearsal.machine import namespaces
from rehearsal.paths import Home, find_home
from rehearsal.run import client
from rehearsal.run.client import Options, refuse_to_stop
from rehearsal.run.project import Project, current_project


@dataclass(frozen=True, kw_only=True)
class CloudFlags:
    """The options of the commands that can start a local cloud."""

    tasks: str
    speed: float
    port: int | None
    region: str
    watch_port: int | None = None

    def options(self) -> Options:
        """Decide how tasks run, print the decision and return the local cloud's options."""
        docker, why = docker_engine.decide(self.tasks)
        console.print_note(why)
        refused = None if docker else namespaces.refusal()
        if refused:
            console.print_note(namespaces.shared_loopback(refused))
        writable = None if docker else refused or namespaces.mount_refusal()
        if writable:
            console.print_note(namespaces.writable_root(writable))
        return Options(
            region=self.region,
            speed=self.speed,
            port=self.port,
            docker=docker,
            namespaces=not docker and refused is None,
            mounts=not docker and writable is None,
            watch_port=self.watch_port,
        )


def page_line(facts: client.Facts) -> Text:
    """Return the line with the URL of the rehearsal's page."""
    return t("watch it at {page}", page=facts.page)


def shell(command: list[str], flags: CloudFlags) -> int:
    """Run a command, or the user's shell, in the local cloud's environment. Return its exit code."""
    home = find_home()
    facts = client.find(home)
    project = current_project(home, running=facts is not None)
    project.prepare()
    words = command or [os.environ.get("SHELL", "/bin/sh")]
    if not _is_installed(words[0], project):
        console.print_error(
            t("{program}: no such program; name one that is on PATH.", program=words[0])
        )
        return 127
    engine = find_or_get()
    if facts is None:
        _forget_ended_cloud(project)
        facts = client.start(home, flags.options())
        console.print_note(page_line(facts))
        if command:
            console.print_note(t("the local cloud stays up; ./careapp cloud stop ends it"))
    environment = project.environment(facts, engine)
    if not command:
        _print_welcome(project, environment["PATH"])
    return run_in_front(words, environment, home.project)


def _forget_ended_cloud(project: Project) -> None:
    """Delete the state of a local cloud that was killed, and print how its stacks are created again."""
    stacks = project.forget_ended_cloud()
    if stacks:
        console.print_note(ended_line(project.home, stacks))
    for each in stacks:
        console.print_note(
            t(
                "Create {stack} again with the settings that it had ({file}): "
                "./careapp shell pulumi stack init {stack}, then ./careapp shell pulumi up -s {stack}",
                stack=each,
                file=str(project.home.project / f"Pulumi.{each}.yaml"),
            )
        )


def ended_line(home: Home, stacks: Sequence[str]) -> Text:
    """Return the line that the last local cloud has ended with these stacks."""
    return t(
        "The last local cloud in {folder} ended without ./careapp cloud stop. The resources of its stacks "
        "({stacks}) no longer exist, and their state is deleted.",
        folder=str(home.folder),
        stacks=", ".join(stacks),
    )


def _is_installed(program: str, project: Project) -> bool:
    """Return whether the shell will find the program. A path is relative to the project's folder."""
    if os.sep in program:
        return shutil.which(str(project.home.project / program)) is not None
    return program == "pulumi" or shutil.which(program, path=project.path()) is not None


def _print_welcome(project: Project, path: str) -> None:
    """Print what the user can do in the shell."""
    aws = shutil.which("aws", path=path)
    console.print_line(
        t(
            "In {folder}: {programs} and ./careapp doctor talk to the local cloud. "
            "exit leaves; ./careapp cloud stop ends the local cloud.",
            folder=str(project.home.project),
            programs="pulumi, aws, python (boto3)" if aws else "pulumi, python (boto3)",
        )
    )
    console.print_line(
        t(
            "curl and Python reach the page by its pageUrl; a browser finds it at the address that "
            "./careapp cloud status prints."
        )
    )
    if not aws:
        console.print_line(
            t(
                "aws is not on PATH; some fixes need it: "
                "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
            )
        )


def cloud_start(flags: CloudFlags, as_json: bool) -> int:
    """Start the local cloud and print its addresses."""
    home = find_home()
    _forget_ended_cloud(Project(home))
    facts = client.start(home, flags.options())
    if as_json:
        console.out.print_json(json.dumps(facts.data))
        return 0
    console.print_line(
        t(
            "the local cloud runs (process {pid}); the AWS API answers at {endpoint}",
            pid=facts.pid,
            endpoint=facts.endpoint,
        )
    )
    console.print_line(t("./careapp shell runs pulumi, aws and boto3 against it"))
    console.print_line(page_line(facts))
    return 0


def cloud_stop() -> int:
    """Stop the local cloud and delete its Pulumi state. Raises ``CloudError`` while a rehearsal uses it."""
    home = find_home()
    refuse_to_stop(home)
    stopped = client.stop(home)
    Project(home).delete()
    console.print_line(
        t("the local cloud has stopped") if stopped else t("no local cloud was running")
    )
    return 0


def cloud_status(as_json: bool) -> int:
    """Print whether the local cloud runs and what runs in it. Return 0 when it runs, otherwise 1."""
    facts = client.find(find_home())
    if as_json:
        console.out.print_json(json.dumps(facts.data if facts else {"running": False}))
    elif facts is None:
        console.print_line(client.NONE_RUNS)
    else:
        console.print_line(
            t(
                "process {pid}, AWS API at {endpoint}, region {region}",
                pid=facts.pid,
                endpoint=facts.endpoint,
                region=facts.options.region,
            )
        )
        console.print_line(page_line(facts))
        for line in _content(facts.state):
            console.print_line(line)
    return 0 if facts else 1


def _content(state: Mapping[str, Any]) -> Iterator[Text]:
    """Return a line for each listener, database and task of a local cloud."""
    for each in state.get("listeners", ()):
        yield t(
            "listener {declared} of {balancer}: {url}",
            declared=each["declared"],
            balancer=each["balancer"],
            url=each["url"],
        )
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
        yield t("nothing runs in it yet")
    metrics = state.get("metrics") or {}
    if minutes := metrics.get("minutes"):
        yield t("metrics of {minutes} minutes (AWS's time)", minutes=minutes)
    yield from map(verbatim, metrics.get("problems", ()))
