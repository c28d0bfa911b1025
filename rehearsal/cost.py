"""Which resources a stack would have, from the real engine and this program, with nobody's account.

A preview creates nothing, so that no data plane is needed: the AWS API's stand-in answers the program's
look-ups, and all is gone at the end.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from i18n import verbatim
from ops.cost.comparison import DEPLOYED, STAGES, Subject
from ops.cost.graph import Graph, config_of, not_exported, read_graph
from ops.cost.prices import REGION
from rehearsal.client import Facts
from rehearsal.engine.find import find_or_get
from rehearsal.engine.pulumi import Pulumi, PulumiFailed
from rehearsal.paths import Home
from rehearsal.project import Project, led_to_local_cloud
from stack.file import StackError

ECS = "careapp:ecsEnabled"
STAGES_OF_ECS = {"stage1": "false", "stage2": "true"}
AT_ONCE = 2
"""Previews at one time: each keeps a processor busy."""


@dataclass(frozen=True)
class Previews:
    """The engine, ready to be asked, also by several threads at a time."""

    folder: Path
    endpoint: str
    engine: Path
    _made: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def graph(self, stack: str, config: Mapping[str, Any]) -> Graph:
        """What an update of a stack without resources would make. Raises StackError for bad settings."""
        with self._hosted() as pulumi:
            with self._lock:
                if stack not in self._made:
                    pulumi.run("stack", "init", stack)
                    self._made.add(stack)
            with tempfile.NamedTemporaryFile("w", dir=self.folder, suffix=".yaml") as file:
                yaml.safe_dump({"config": dict(config)}, file)
                file.flush()
                try:
                    told = pulumi.run(
                        "preview", "--json", "--stack", stack, "--config-file", file.name
                    )
                except PulumiFailed as problem:
                    raise StackError(verbatim(reason(problem.output))) from problem
        return read_graph(told, f"Pulumi.{stack}.yaml")

    @contextlib.contextmanager
    def _hosted(self) -> Iterator[Pulumi]:
        """``pulumi`` with stand-ins of its own: an engine that ends cancels what its hosts are doing."""
        from rehearsal.building.builder import Builder
        from rehearsal.engine.language import Hosts, Language
        from rehearsal.providers.aws_provider import AwsServicer
        from rehearsal.providers.awsx import AwsxServicer
        from rehearsal.providers.calls import Calls
        from rehearsal.providers.docker_provider import DockerServicer

        language = Language(led_to_local_cloud(self.endpoint, REGION, Home(self.folder).facts))
        with contextlib.ExitStack() as stops:
            images = Path(stops.enter_context(tempfile.TemporaryDirectory(dir=self.folder)))
            builder = Builder(Calls(self.endpoint, REGION), images, docker=False)
            stops.callback(builder.close)
            servicers = {
                "aws": AwsServicer(self.endpoint, REGION),
                "awsx": AwsxServicer(),
                "docker": DockerServicer(builder, lambda: language.folder),
            }
            hosts = Hosts(language, servicers)
            hosts.start()
            stops.callback(hosts.stop)
            yield self._pulumi(hosts.environment)

    def _pulumi(self, environment: Mapping[str, str]) -> Pulumi:
        options = {"region": REGION, "speed": 1, "port": None}
        options |= {"docker": False, "namespaces": False}
        facts = Facts(
            {"endpoint": self.endpoint, "environment": dict(environment), "options": options}
        )
        project = Project(Home(self.folder))
        return Pulumi(project.home.project, project.environment(facts, self.engine), quiet=True)


def reason(output: str) -> str:
    """The errors among what ``pulumi preview --json`` printed, or all of it where it is no JSON."""
    with contextlib.suppress(ValueError):
        told = json.loads(output[output.index("{") : output.rindex("}") + 1])
        errors = [
            str(each["message"]).removeprefix("error: ").strip()
            for each in told.get("diagnostics") or []
            if each.get("severity") == "error"
        ]
        if errors:
            return "\n".join(errors)
    return output.strip()


@contextlib.contextmanager
def previews() -> Iterator[Previews]:
    """The engine with stand-ins around it, in this process; the environment is as before at the end."""
    from rehearsal.aws.api import Api

    engine, before = find_or_get(), dict(os.environ)
    # One line for every request would bury the answer.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with contextlib.ExitStack() as stops:
        folder = Path(stops.enter_context(tempfile.TemporaryDirectory(prefix="careapp-cost-")))
        stops.callback(_restore, before)
        api = Api(REGION)
        api.start()
        stops.callback(api.stop)
        Project(Home(folder)).prepare()
        yield Previews(folder, api.endpoint, engine)


def _restore(environment: Mapping[str, str]) -> None:
    """The AWS API's stand-in hides the user's credentials from itself."""
    os.environ.clear()
    os.environ.update(environment)


def subjects(stacks: Sequence[str], folder: Path, settings: Mapping[str, str]) -> list[Subject]:
    """Both stages of every stack: as its file says, and with other settings. Raises StackError."""
    configs = {stack: config_of(stack, folder, settings) for stack in stacks}
    wanted = [
        (stack, stage, changed)
        for stack in stacks
        for changed in ([False, True] if settings else [False])
        for stage in STAGES
    ]

    def subject(one: tuple[str, str, bool]) -> Subject:
        stack, stage, changed = one
        config = {**configs[stack], ECS: STAGES_OF_ECS[stage], **(settings if changed else {})}
        graph = engine.graph(stack, config)
        return Subject(stack=stack, state=stage, graph=graph, changed=changed)

    with previews() as engine, ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(subject, wanted))


def deployed(stacks: Sequence[str], folder: Path) -> list[Subject]:
    """What the state of each stack holds now, in the backend and account of the user. Raises StackError."""
    pulumi = Pulumi(folder, {**os.environ, "PATH": _path(find_or_get())}, quiet=True)
    found = []
    for stack in stacks:
        try:
            told = pulumi.run("stack", "export", "--stack", stack)
        except PulumiFailed as problem:
            raise not_exported(stack, problem.output) from problem
        found.append(Subject(stack=stack, state=DEPLOYED, graph=read_graph(told, stack)))
    return found


def _path(engine: Path) -> str:
    return os.pathsep.join([str(engine.parent), os.environ.get("PATH", os.defpath)])
