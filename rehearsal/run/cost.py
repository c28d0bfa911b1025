"""The command ``./careapp cost``: the engine lists the resources of a stack, and ops calculates their cost.

The engine makes a preview, which creates nothing. The AWS API's stand-in runs in this process and answers the
program's look-ups.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import click
import yaml

from i18n import Text, said, t, verbatim
from ops.command_line import Number, TranslatedOption, exit_code_of
from ops.cost.bill import Assumptions
from ops.cost.comparison import DEPLOYED, GIVEN, STAGES, Comparison, Subject, books_of, compare
from ops.cost.graph import Graph, config_of, export_failed, read_graph
from ops.cost.screen import WORKING, as_dict, lines, markdown, preview_lines
from ops.screen import display
from ops.signals import terminations_raise
from rehearsal.console import Progress
from rehearsal.engine.find import EngineError, find_or_get
from rehearsal.engine.pulumi import Pulumi, PulumiFailed
from rehearsal.paths import Home
from rehearsal.run.careapp import ROOT
from rehearsal.run.client import Facts
from rehearsal.run.project import Project, local_cloud_environment
from stack import previews as pull_requests
from stack.file import StackError, full_key, project_of, read
from stack.previews import MODEL
from stack.settings import Settings

ECS = "ecsEnabled"
STAGES_OF_ECS = {"stage1": "false", "stage2": "true"}
NO_REGION = "us-east-1"
"""The stand-ins' region for a stack file without one, which the program then refuses."""
AT_ONCE = 2
"""Previews at the same time. Each one uses a whole CPU."""


@dataclass(frozen=True)
class Previews:
    """The engine with stand-ins. Several threads can use it at the same time."""

    folder: Path
    endpoint: str
    engine: Path
    _made: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def graph(self, stack: str, config: Mapping[str, Any]) -> Graph:
        """Return the resources that an update of an empty stack would create. Raises StackError for bad settings."""
        region = str(config.get("aws:region") or NO_REGION)
        with self._hosted(region) as pulumi:
            with self._lock:
                if stack not in self._made:
                    pulumi.run("stack", "init", stack)
                    self._made.add(stack)
            with tempfile.NamedTemporaryFile("w", dir=self.folder, suffix=".yaml") as file:
                yaml.safe_dump({"config": dict(config)}, file)
                file.flush()
                try:
                    output = pulumi.run(
                        "preview", "--json", "--stack", stack, "--config-file", file.name
                    )
                except PulumiFailed as problem:
                    raise StackError(verbatim(reason(problem.output))) from problem
        return replace(read_graph(output, f"Pulumi.{stack}.yaml"), region=region)

    @contextlib.contextmanager
    def _hosted(self, region: str) -> Iterator[Pulumi]:
        """Run ``pulumi`` with its own stand-ins: an engine that ends cancels the calls that its hosts handle."""
        from rehearsal.building.builder import Builder
        from rehearsal.calls import Calls
        from rehearsal.engine.language import Hosts, Language
        from rehearsal.providers.aws.provider import AwsServicer
        from rehearsal.providers.awsx import AwsxServicer
        from rehearsal.providers.docker_provider import DockerServicer

        language = Language(local_cloud_environment(self.endpoint, region, Home(self.folder).facts))
        with contextlib.ExitStack() as stops:
            images = Path(stops.enter_context(tempfile.TemporaryDirectory(dir=self.folder)))
            builder = Builder(Calls(self.endpoint, region), images, docker=False)
            stops.callback(builder.close)
            servicers = {
                "aws": AwsServicer(self.endpoint, region),
                "awsx": AwsxServicer(),
                "docker": DockerServicer(builder, lambda: language.folder),
            }
            hosts = Hosts(language, servicers)
            hosts.start()
            stops.callback(hosts.stop)
            yield self._pulumi(region, hosts.environment)

    def _pulumi(self, region: str, environment: Mapping[str, str]) -> Pulumi:
        options = {"region": region, "speed": 1, "port": None}
        options |= {"docker": False, "namespaces": False, "mounts": False}
        facts = Facts(
            {"endpoint": self.endpoint, "environment": dict(environment), "options": options}
        )
        project = Project(Home(self.folder))
        return Pulumi(project.home.project, project.environment(facts, self.engine), quiet=True)


def reason(output: str) -> str:
    """Return the errors in the output of ``pulumi preview --json``, or the whole output if it is not JSON."""
    with contextlib.suppress(ValueError):
        preview = json.loads(output[output.index("{") : output.rindex("}") + 1])
        errors = [
            str(each["message"]).removeprefix("error: ").strip()
            for each in preview.get("diagnostics") or []
            if each.get("severity") == "error"
        ]
        if errors:
            return "\n".join(errors)
    return output.strip()


@contextlib.contextmanager
def previews() -> Iterator[Previews]:
    """Run the engine with stand-ins in this process. Restore the environment at the end."""
    from rehearsal.cloud.api import Api

    engine, before = find_or_get(), dict(os.environ)
    # Otherwise every request would be a line of the output.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with contextlib.ExitStack() as stops:
        folder = Path(stops.enter_context(tempfile.TemporaryDirectory(prefix="careapp-cost-")))
        stops.callback(_restore, before)
        api = Api(NO_REGION)  # its hooks read no state: a preview creates none
        api.start()
        stops.callback(api.stop)
        Project(Home(folder)).prepare()
        yield Previews(folder, api.endpoint, engine)


def _restore(environment: Mapping[str, str]) -> None:
    """Restore the variables with the user's credentials, which the AWS API's stand-in removed."""
    os.environ.clear()
    os.environ.update(environment)


def subjects(stacks: Sequence[str], folder: Path, settings: Mapping[str, str]) -> list[Subject]:
    """Return both stages of every stack with the file's settings, and with ``settings`` if any. Raises StackError."""
    ecs = full_key(project_of(folder), ECS)
    configs = {stack: config_of(stack, folder, settings) for stack in stacks}
    variants = [
        (stack, stage, changed)
        for stack in stacks
        for changed in ([False, True] if settings else [False])
        for stage in STAGES
    ]

    def subject(one: tuple[str, str, bool]) -> Subject:
        stack, stage, changed = one
        config = {**configs[stack], ecs: STAGES_OF_ECS[stage], **(settings if changed else {})}
        graph = engine.graph(stack, config)
        return Subject(stack=stack, state=stage, graph=graph, changed=changed)

    with previews() as engine, ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(subject, variants))


def preview_subjects(folder: Path) -> list[Subject]:
    """Return the stack of a pull request, the only one in the list. Raises StackError."""
    file = pull_requests.settings_of(1, folder)
    with previews() as engine:
        graph = engine.graph(file.stack, file.config)
    return [Subject(stack=file.stack, state=GIVEN, graph=graph)]


def deployed_subjects(stacks: Sequence[str], folder: Path) -> list[Subject]:
    """Return the resources in the state of each stack, from the user's backend. Raises StackError."""
    pulumi = Pulumi(folder, {**os.environ, "PATH": _path(find_or_get())}, quiet=True)
    found = []
    for stack in stacks:
        try:
            state = pulumi.run("stack", "export", "--stack", stack)
        except PulumiFailed as problem:
            raise export_failed(stack, problem.output) from problem
        graph = _located(read_graph(state, stack), stack, folder)
        found.append(Subject(stack=stack, state=DEPLOYED, graph=graph))
    return found


def _path(engine: Path) -> str:
    return os.pathsep.join([str(engine.parent), os.environ.get("PATH", os.defpath)])


class Setting(click.ParamType[tuple[str, str]]):
    """KEY=VALUE, the key as ``pulumi config set`` takes it."""

    name = "KEY=VALUE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return the key and the value."""
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            words = t("{text!r} is not KEY=VALUE, like natStrategy=none.", text=str(value))
            self.fail(str(words), param, ctx)
        if key.rpartition(":")[2] == ECS:
            self.fail(
                str(t("ecsEnabled is the difference between the stages, and both are shown.")),
                param,
                ctx,
            )
        return key, text


def _help(text: Text, default: float) -> Text:
    usual = f" [{default:g}]" if default >= 0 else ""
    return t("Assumed for a month: {text}{usual}.", text=text, usual=usual)


def assumptions(command: click.decorators.FC) -> click.decorators.FC:
    """Add an option for each assumption."""
    for each in reversed(fields(Assumptions)):
        command = click.option(
            f"--{each.name.replace('_', '-')}",
            type=Number(min=0),
            cls=TranslatedOption,
            text=_help(each.metadata["text"], float(each.default)),
        )(command)
    return command


@click.command()
@click.option(
    "-s",
    "--stack",
    "stacks",
    multiple=True,
    help="Only this stack; may be given again. [all; with --set and --deployed the first]",
)
@click.option(
    "--set", "settings", type=Setting(), multiple=True,
    help="Show how another setting changes the cost, e.g. natStrategy=none; may be given again.",
)  # fmt: skip
@click.option(
    "--deployed", is_flag=True, help="Price the resources in the stack's state (stack export)."
)
@click.option(
    "--graph", "files", type=click.Path(exists=True, dir_okay=False, path_type=Path), multiple=True,
    help="Price the output of `pulumi preview --json` or `stack export` in this file.",
)  # fmt: skip
@click.option(
    "--preview", is_flag=True, help="A pull request's stack: an hour, and as long as it stands."
)
@click.option("--live", is_flag=True, help="Prices from AWS's Price List API; needs credentials.")
@click.option("--prices", is_flag=True, help="Show every price used, with its date and page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="The table of the README.")
@assumptions
def cost(
    stacks: tuple[str, ...],
    settings: tuple[tuple[str, str], ...],
    deployed: bool,
    files: tuple[Path, ...],
    preview: bool,
    live: bool,
    **more: Any,
) -> None:
    """Print the monthly and hourly cost of the stacks, resource by resource.

    The Pulumi engine lists the resources on this machine, without an AWS account.

    \b
      ./careapp cost                            every stack file, stage 1 and 2, and destroyed
      ./careapp cost --set natStrategy=none     how a setting changes the cost
      ./careapp cost --requests 3e6 --gb-out 50 with other traffic
      ./careapp cost --deployed -s prod         the resources in the stack's state
      ./careapp cost --preview                  the stack of a pull request (docs/delivery.md)

    Exit code 0: every resource has a price. 1: a resource has none. 2: the resources could not be read.
    """
    style = {name: more.pop(name) for name in ("prices", "as_json", "as_markdown")}
    given = {name: value for name, value in more.items() if value is not None}
    assumed = replace(Assumptions(), **given)
    if bool(files) + deployed + bool(settings) + preview > 1:
        raise click.UsageError(
            str(t("--graph, --deployed, --set and --preview exclude each other."))
        )
    if preview and (stacks or style["as_markdown"]):
        raise click.UsageError(
            str(
                t(
                    "--preview prices a copy of {stack}, without --stack and --markdown.",
                    stack=MODEL,
                )
            )
        )

    def work() -> int:
        folder = Path() if Path("Pulumi.yaml").exists() else ROOT
        project = project_of(folder)
        changed = {full_key(project, key): text for key, text in settings}
        which = (MODEL,) if preview else stacks or _default(folder, bool(settings) or deployed)
        try:
            graphs = (
                _from_files(files, which[0], folder)
                if files
                else _from_engine(which, folder, changed, deployed, preview)
            )
            hours = Settings.read(MODEL, folder).preview_hours if preview else 0
        except (EngineError, PulumiFailed) as problem:
            raise StackError(said(problem)) from problem  # exit code 2
        changes = [f"{key.removeprefix(f'{project}:')}={value}" for key, value in settings]
        found = compare(graphs, books_of(graphs), assumed, changes)
        if live:
            found = _with_live_prices(found, which, folder, graphs)
        return _show(found, hours, **style)

    sys.exit(exit_code_of(work))


def _default(folder: Path, one: bool) -> tuple[str, ...]:
    """Return all stacks that have a file; with --set and --deployed only the first one."""
    found = sorted(each.name.split(".")[1] for each in folder.glob("Pulumi.*.yaml"))
    return tuple(found[:1] if one else found) or ("poc",)


def _from_files(files: Sequence[Path], stack: str, folder: Path) -> list[Subject]:
    graphs = {each.stem: read_graph(each.read_text(), each.name) for each in files}
    return [
        Subject(stack=name, state=GIVEN, graph=_located(graph, stack, folder))
        for name, graph in graphs.items()
    ]


def _located(graph: Graph, stack: str, folder: Path) -> Graph:
    """Return the graph with its region; that of the stack's file if its resources do not say it."""
    return graph if graph.region else replace(graph, region=read(stack, folder).region or "")


def _from_engine(
    stacks: Sequence[str], folder: Path, settings: dict[str, str], deployed: bool, preview: bool
) -> list[Subject]:
    with terminations_raise(), Progress().phase(str(WORKING)):
        if preview:
            return preview_subjects(folder)
        if deployed:
            return deployed_subjects(stacks, folder)
        return subjects(stacks, folder, settings)


def _with_live_prices(
    found: Comparison, stacks: Sequence[str], folder: Path, graphs: Sequence[Subject]
) -> Comparison:
    """Return the comparison with the current prices of AWS's Price List API, where it has them."""
    from ops.cost.prices import api_session, look_up

    session, missing, books = api_session(stacks[0], folder), list[str](), {}
    for region, book in found.books.items():
        prices, absent = look_up(session, book, found.needed(region))
        books[region] = book.updated(prices)
        missing += [found.price(region, key) for key in absent]
    again = compare(graphs, books, found.assumed, found.settings)
    return replace(again, not_live=tuple(missing))


def _show(found: Comparison, hours: int, prices: bool, as_json: bool, as_markdown: bool) -> int:
    """Print the comparison; with hours the cost of a pull request's stack for as long."""
    if as_json:
        more = {"previewHours": hours} if hours else {}
        print(json.dumps(as_dict(found) | more, ensure_ascii=False, indent=2))
    elif as_markdown:
        print("\n".join(markdown(found)))
    else:
        display(preview_lines(found, hours, prices) if hours else lines(found, prices))
    return int(any(column.bill.unpriced for column in found.columns))
