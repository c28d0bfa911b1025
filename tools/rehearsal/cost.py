"""The command ``./careapp cost``: the program declares a stack's resources, and tools.cost calculates their cost."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import click

from stack.file import StackError, StackFile, full_key, project_of, read
from tools.command_line import ECS, Setting, exit_code_of
from tools.cost.bill import Assumptions
from tools.cost.comparison import DEPLOYED, STAGES, Comparison, Subject, books_of, compare
from tools.cost.graph import Graph, export_failed, read_state
from tools.cost.screen import WORKING, as_dict, lines
from tools.i18n import Text, said, t
from tools.local_cloud.console import Progress
from tools.local_cloud.engine.find import EngineError, find_or_get
from tools.local_cloud.engine.program import FORKS, PRELOADED
from tools.local_cloud.engine.pulumi import Pulumi, PulumiFailed
from tools.rehearsal.careapp import ROOT
from tools.screen import display
from tools.shared.commands import Number, TranslatedOption
from tools.signals import terminations_raise

STAGES_OF_ECS = {"stage1": "false", "stage2": "true"}
BOTH_STAGES = t("ecsEnabled is the difference between the stages, and both are shown.")


def subjects(stacks: Sequence[str], folder: Path, settings: Mapping[str, str]) -> list[Subject]:
    """Return both stages of every stack with the file's settings, and with ``settings`` if any. Raises StackError."""
    ecs = full_key(project_of(folder), ECS)
    files = {stack: file_of(stack, folder, settings) for stack in stacks}
    variants = [
        (stack, stage, changed)
        for stack in stacks
        for changed in ([False, True] if settings else [False])
        for stage in STAGES
    ]

    def file(stack: str, stage: str, changed: bool) -> StackFile:
        more = {ecs: STAGES_OF_ECS[stage], **(settings if changed else {})}
        return replace(files[stack], values={**files[stack].values, **more})

    found = graphs([file(*each) for each in variants])
    return [
        Subject(stack=stack, state=stage, graph=graph, changed=changed)
        for (stack, stage, changed), graph in zip(variants, found, strict=True)
    ]


def graphs(files: Sequence[StackFile]) -> list[Graph]:
    """Return the resources that the program declares with each stack file. Raises StackError."""
    FORKS.set_forkserver_preload([PRELOADED, "tools.rehearsal.declared", __name__])
    with ProcessPoolExecutor(os.cpu_count(), mp_context=FORKS, max_tasks_per_child=1) as pool:
        return list(pool.map(_graph, files))


def _graph(file: StackFile) -> Graph:
    # Imported only in the new process, which has it already: it takes half a second.
    from tools.rehearsal import declared

    return declared.graph(file)


def file_of(stack: str, folder: Path, settings: Mapping[str, str]) -> StackFile:
    """Return a stack's file. Raises StackError for encrypted values that ``settings`` do not replace."""
    file = read(stack, folder)
    for key in file.encrypted:
        if key not in settings:
            raise StackError(
                t(
                    "{key} is encrypted in Pulumi.{stack}.yaml and cannot be read here: "
                    "give any value for it, -c {key}=x.",
                    key=key,
                    stack=stack,
                )
            )
    known = {key: settings[key] for key in file.encrypted}
    return replace(file, values={**file.values, **known}, encrypted=frozenset())


def deployed_subjects(stacks: Sequence[str], folder: Path) -> list[Subject]:
    """Return the resources in the state of each stack, from the user's backend. Raises StackError."""
    try:
        engine = find_or_get()
    except EngineError as problem:
        raise StackError(said(problem)) from problem  # exit code 2
    pulumi = Pulumi(folder, {**os.environ, "PATH": _path(engine)}, quiet=True)
    found = []
    for stack in stacks:
        try:
            state = pulumi.run("stack", "export", "--stack", stack)
        except PulumiFailed as problem:
            raise export_failed(stack, problem.output) from problem
        graph = read_state(state)
        if not graph.region:
            graph = replace(graph, region=read(stack, folder).region or "")
        found.append(Subject(stack=stack, state=DEPLOYED, graph=graph))
    return found


def _path(engine: Path) -> str:
    return os.pathsep.join([str(engine.parent), os.environ.get("PATH", os.defpath)])


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
    help="Only this stack; may be given again. [all; with -c and --deployed the first]",
)
@click.option(
    "-c", "--config", "settings", type=Setting(BOTH_STAGES), multiple=True,
    help="Show how another setting changes the cost, e.g. natStrategy=none; may be given again.",
)  # fmt: skip
@click.option(
    "--deployed", is_flag=True, help="Price the resources in the stack's state (stack export)."
)
@click.option("--live", is_flag=True, help="Prices from AWS's Price List API; needs credentials.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every price and its page.")
@assumptions
def cost(
    stacks: tuple[str, ...],
    settings: tuple[tuple[str, str], ...],
    deployed: bool,
    live: bool,
    as_json: bool,
    **assumed: float | None,
) -> None:
    """Print the monthly and hourly cost of the stacks, resource by resource.

    The program lists the resources on this machine, without an AWS account.

    \b
      ./careapp cost                            every stack file, stage 1 and 2, and destroyed
      ./careapp cost -c natStrategy=none        how a setting changes the cost
      ./careapp cost --requests 3e6 --gb-out 50 with other traffic
      ./careapp cost --deployed -s prod         the resources in the stack's state

    Exit code 0: every resource has a price. 1: a resource has none. 2: the resources could not be read.
    """
    if deployed and settings:
        raise click.UsageError(str(t("--deployed and -c exclude each other.")))
    given = {name: value for name, value in assumed.items() if value is not None}

    def work() -> int:
        folder = Path() if Path("Pulumi.yaml").exists() else ROOT
        project = project_of(folder)
        changed = {full_key(project, key): text for key, text in settings}
        which = stacks or _default(folder, deployed or bool(settings))
        with terminations_raise(), Progress().phase(str(WORKING)):
            graphs = (
                deployed_subjects(which, folder) if deployed else subjects(which, folder, changed)
            )
        changes = [f"{key.removeprefix(f'{project}:')}={value}" for key, value in settings]
        found = compare(graphs, books_of(graphs), replace(Assumptions(), **given), changes)
        if live:
            found = _with_live_prices(found, which, folder, graphs)
        if as_json:
            print(json.dumps(as_dict(found), ensure_ascii=False, indent=2))
        else:
            display(lines(found))
        return int(any(column.bill.unpriced for column in found.columns))

    sys.exit(exit_code_of(work))


def _default(folder: Path, one: bool) -> tuple[str, ...]:
    """Return all stacks that have a file; with -c and --deployed only the first one."""
    found = sorted(each.name.split(".")[1] for each in folder.glob("Pulumi.*.yaml"))
    return tuple(found[:1] if one else found) or ("poc",)


def _with_live_prices(
    found: Comparison, stacks: Sequence[str], folder: Path, graphs: Sequence[Subject]
) -> Comparison:
    """Return the comparison with the current prices of AWS's Price List API, where it has them."""
    from tools.cost.prices import api_session, look_up

    session, missing, books = api_session(stacks[0], folder), list[str](), {}
    for region, book in found.books.items():
        prices, absent = look_up(session, book, found.needed(region))
        books[region] = book.updated(prices)
        missing += [found.price(region, key) for key in absent]
    again = compare(graphs, books, found.assumed, found.settings)
    return replace(again, not_live=tuple(missing))
