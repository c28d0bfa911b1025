"""The commands that start, stop and show a local cloud, and that run another command in it."""

import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from local_cloud import console, starter
from local_cloud.building import docker_engine
from local_cloud.engine.find import find_or_get
from local_cloud.machine import namespaces
from local_cloud.machine.signals import run_in_front
from local_cloud.paths import Home, check_cache, find_home
from local_cloud.run import client, stack_files
from local_cloud.run.client import Chosen, CloudError, Options
from local_cloud.run.project import Project, current_project
from local_cloud.text import Refused, Text, joined, t, verbatim


@dataclass(frozen=True, kw_only=True)
class CloudFlags(Chosen):
    """The options of the commands that can start a local cloud."""

    tasks: str

    def options(self, region: str) -> Options:
        """Decide how tasks run, print the decision and return the local cloud's options."""
        docker, why = docker_engine.decide(self.tasks, starter.current().base_image)
        console.print_note(why)
        if not docker:
            check_cache()
        refused = None if docker else namespaces.refusal()
        if refused:
            console.print_note(namespaces.shared_loopback(refused))
        writable = None if docker else refused or namespaces.mount_refusal()
        if writable:
            console.print_note(namespaces.writable_root(writable))
        chosen = {each.name: getattr(self, each.name) for each in fields(Chosen)}
        return Options(
            region=region,
            docker=docker,
            namespaces=not docker and refused is None,
            mounts=not docker and writable is None,
            **chosen,
        )


@dataclass(frozen=True)
class RegionChoice:
    """The region of a local cloud: the one that was named, or else the one that ``default`` returns."""

    named: str | None
    default: Callable[[], str]

    def read(self) -> str:
        """Return the region. Raises what ``default`` raises."""
        return self.named or self.default()

    def check(self, running: str) -> None:
        """Raise ``CloudError`` if another region was named than the local cloud's that runs."""
        if self.named in (None, running):
            return
        started = starter.current()
        raise CloudError(
            "the local cloud runs in {running}, not in {wanted}. Start a second one beside it: "
            "{home}=FOLDER {shell} --region {wanted}; or end this one and its stacks: "
            "{cloud} stop",
            running=running,
            wanted=self.named or "",
            home=started.home_variable,
            shell=started.inside,
            cloud=started.cloud,
        )


class NoSuchProgram(Refused):
    """The command that was to run in the local cloud's environment is not installed."""

    exit_code = 127


def print_page(facts: client.RunningCloud) -> None:
    if facts.page:
        console.print_line(page_line(facts))


def page_line(facts: client.RunningCloud) -> Text:
    return t("watch it at {page}", page=facts.page)


def shell(command: list[str], flags: CloudFlags, choice: RegionChoice) -> int:
    """Run a command, or the user's shell, in the local cloud's environment. Return its exit code."""
    home = find_home()
    facts = client.find(home)
    region = facts.options.region if facts else choice.read()
    choice.check(region)
    if facts and flags.client not in ("", facts.options.client):
        raise CloudError(
            "the local cloud runs without --from {client}; end it and its stacks: {cloud} stop",
            client=flags.client,
            cloud=starter.current().cloud,
        )
    project = current_project(home, running=facts is not None)
    project.prepare()
    words = command or [os.environ.get("SHELL", "/bin/sh")]
    if not _is_installed(words[0], project):
        raise NoSuchProgram(
            "{program}: no such program; name one that is on PATH.", program=words[0]
        )
    engine = find_or_get()
    if facts is None:
        _forget_ended_cloud(project)
        facts = client.start(home, flags.options(region))
        if facts.page:
            console.print_note(page_line(facts))
        if command:
            cloud = starter.current().cloud
            console.print_note(t("the local cloud stays up; {cloud} stop ends it", cloud=cloud))
    environment = project.environment(facts, engine)
    if not command:
        _print_welcome(project, environment["PATH"])
    with stack_files.changes_said(home.project):
        return run_in_front(words, environment, home.project)


def _forget_ended_cloud(project: Project) -> None:
    """Delete the state of a local cloud that was killed, and print how its stacks are created again."""
    stacks = project.forget_ended_cloud()
    if stacks:
        console.print_note(ended_line(project.home, stacks))
    for stack in stacks:
        console.print_note(
            t(
                "Create {stack} again with the settings that it had ({file}): "
                "{shell} pulumi stack init {stack}, then {shell} pulumi up -s {stack}",
                stack=stack,
                shell=starter.current().inside,
                file=str(project.home.project / f"Pulumi.{stack}.yaml"),
            )
        )


def ended_line(home: Home, stacks: Sequence[str]) -> Text:
    """Return the line that the last local cloud has ended with these stacks."""
    return t(
        "The last local cloud in {folder} ended without {cloud} stop. The resources of its stacks "
        "({stacks}) no longer exist, and their state is deleted.",
        cloud=starter.current().cloud,
        folder=str(home.folder),
        stacks=", ".join(stacks),
    )


def _is_installed(program: str, project: Project) -> bool:
    """Return whether the shell will find the program. A path is relative to the project's folder."""
    if os.sep in program:
        return shutil.which(str(project.home.project / program)) is not None
    return program == "pulumi" or shutil.which(program, path=project.path()) is not None


def _print_welcome(project: Project, path: str) -> None:
    aws, started = shutil.which("aws", path=path), starter.current()
    found = ("pulumi", *(["aws"] if aws else []), *([] if started.in_place else ["python (boto3)"]))
    programs = verbatim(", ".join(found))
    if started.readers:
        programs = t("{programs} and {readers}", programs=programs, readers=started.readers)
    console.print_line(
        t(
            "In {folder}: {programs} talk to the local cloud. "
            "exit leaves; {cloud} stop ends the local cloud.",
            folder=str(project.home.project),
            programs=programs,
            cloud=started.cloud,
        )
    )
    if started.names:
        console.print_line(started.names)
    if not aws:
        console.print_line(
            t(
                "aws is not on PATH; some fixes need it: "
                "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
            )
        )


def cloud_start(flags: CloudFlags, choice: RegionChoice, as_json: bool) -> int:
    home, region = find_home(), choice.read()
    _forget_ended_cloud(Project(home))
    facts = client.start(home, flags.options(region))
    if as_json:
        console.out.print_json(json.dumps(facts.shown))
        return 0
    console.print_line(
        t(
            "the local cloud runs in {region} (process {pid}); the AWS API answers at {endpoint}",
            region=region,
            pid=facts.pid,
            endpoint=facts.endpoint,
        )
    )
    console.print_line(verbatim(f"export {shlex.join(_variables(facts, home))}"))
    shell = starter.current().inside
    console.print_line(t("{shell} runs pulumi, aws and boto3 against it", shell=shell))
    print_page(facts)
    return 0


def _variables(facts: client.RunningCloud, home: Home) -> tuple[str, ...]:
    """Return the variables by which clients of AWS's find a local cloud, and its key in a file."""
    return (
        f"AWS_ENDPOINT_URL={facts.endpoint}",
        f"AWS_DEFAULT_REGION={facts.options.region}",
        f"AWS_SHARED_CREDENTIALS_FILE={home.credentials}",
    )


def cloud_stop() -> int:
    """Stop the local cloud and delete its Pulumi state."""
    home = find_home()
    stopped = client.stop(home)
    Project(home).delete()
    console.print_line(
        t("the local cloud has stopped") if stopped else t("no local cloud was running")
    )
    return 0


def cloud_status(as_json: bool) -> int:
    """Print whether the local cloud runs and what runs in it. Return 0 when it runs, otherwise 1."""
    facts = client.refreshed(find_home())
    if as_json:
        console.out.print_json(json.dumps(facts.shown if facts else {"running": False}))
    elif facts is None:
        console.print_line(client.none_runs())
    else:
        console.print_line(
            t(
                "process {pid}, AWS API at {endpoint}, region {region}",
                pid=facts.pid,
                endpoint=facts.endpoint,
                region=facts.options.region,
            )
        )
        print_page(facts)
        for line in _content(facts.state):
            console.print_line(line)
    return 0 if facts else 1


def _content(state: Mapping[str, Any]) -> Iterator[Text]:
    """Return a line for each listener, database and task of a local cloud."""
    for listener in state.get("listeners", ()):
        yield t(
            "listener {declared} of {balancer}: {url}",
            declared=listener["declared"],
            balancer=listener["balancer"],
            url=listener["url"],
        )
    for database in state.get("databases", ()):
        status = t("database {id}: {status}", id=database["id"], status=database["status"])
        where = database["problem"] or database["listens"]
        yield joined(", ", (status, verbatim(where))) if where else status
    for task in state.get("tasks", ()):
        yield t(
            "task {id} of {service}: {state} at {address}",
            id=task["id"][:8],
            service=task["service"],
            state=task["state"],
            address=task["address"],
        )
    if not any(state.get(kind) for kind in ("listeners", "databases", "tasks")):
        yield t("nothing runs in it yet")
    metrics = state.get("metrics") or {}
    if minutes := metrics.get("minutes"):
        yield t("metrics of {minutes} minutes (AWS's time)", minutes=minutes)
    yield from map(verbatim, state.get("problems", ()))
