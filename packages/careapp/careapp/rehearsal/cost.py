"""The command ``./careapp cost``: the program declares a stack's resources, and careapp.cost calculates their cost."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import click

from careapp import ROOT
from careapp.command_line import ECS, Setting, TranslatedOption
from careapp.cost.bill import Assumptions
from careapp.cost.graph import Graph
from careapp.cost.prices import PriceBook, api_session
from careapp.cost.rules import bill, left
from careapp.cost.screen import STAGES, Column, Comparison, as_dict, lines
from careapp.rehearsal import careapp
from careapp.settings.file import StackError, StackFile, full_key, project_of, read
from careapp.settings.file import stacks as stacks_of
from ecs_gate.aws.session import Session
from ecs_gate.screen import display
from ecs_gate.text import t
from local_cloud.console import Progress
from local_cloud.engine.program import FORKS, PRELOADED
from local_cloud.machine.signals import terminations_raise
from local_cloud.run.options import NumberRange

STAGES_OF_ECS = {"stage1": "false", "stage2": "true"}
BOTH_STAGES = t("ecsEnabled is the difference between the stages, and both are shown.")


def compare(
    stacks: Sequence[str],
    folder: Path,
    settings: Mapping[str, str],
    assumed: Assumptions,
    session: Session | None = None,
) -> Comparison:
    """Price both stages of every stack with its file's settings, and with ``settings`` if any.

    Raises StackError, and with a session to the Price List API AwsProblem.
    """
    variants = [
        (stack, stage, changed)
        for stack in stacks
        for changed in ([False, True] if settings else [False])
        for stage in STAGES
    ]
    ecs = full_key(project_of(folder), ECS)
    files = {stack: file_of(stack, folder, settings) for stack in stacks}
    resources = graphs(
        [
            with_values(files[stack], {ecs: STAGES_OF_ECS[stage], **(settings if changed else {})})
            for stack, stage, changed in variants
        ]
    )
    books = {region: PriceBook(region, session) for region in sorted({g.region for g in resources})}
    columns = [
        Column(
            stack=stack,
            stage=stage,
            changed=changed,
            bill=bill(graph, books[graph.region], assumed),
            left=left(graph, books[graph.region], assumed),
        )
        for (stack, stage, changed), graph in zip(variants, resources, strict=True)
    ]
    named = tuple(f"{key.rpartition(':')[2]}={value}" for key, value in settings.items())
    return Comparison(columns=tuple(columns), books=books, assumed=assumed, settings=named)


def with_values(file: StackFile, values: Mapping[str, str]) -> StackFile:
    """Return a stack file with other values."""
    return replace(file, values={**file.values, **values})


def graphs(files: Sequence[StackFile]) -> list[Graph]:
    """Return the resources that the program declares with each stack file. Raises StackError."""
    FORKS.set_forkserver_preload([PRELOADED, "careapp.rehearsal.declared", __name__])
    with ProcessPoolExecutor(os.cpu_count(), mp_context=FORKS, max_tasks_per_child=1) as pool:
        return list(pool.map(_graph, files))


def _graph(file: StackFile) -> Graph:
    # Imported only in the new process, which has it already: it takes half a second.
    from careapp.rehearsal import declared

    return declared.graph(file)


def file_of(stack: str, folder: Path, settings: Mapping[str, str]) -> StackFile:
    """Return a stack's file. Raises StackError for encrypted values that ``settings`` do not replace."""
    file = read(stack, folder)
    for key in file.encrypted:
        if key not in settings:
            raise StackError(
                "{key} is encrypted in Pulumi.{stack}.yaml and cannot be read here: "
                "give any value for it, -c {key}=x.",
                key=key,
                stack=stack,
            )
    known = {key: settings[key] for key in file.encrypted}
    return replace(file, values={**file.values, **known}, encrypted=frozenset())


def assumptions(command: click.decorators.FC) -> click.decorators.FC:
    """Add an option for each assumption."""
    for field in reversed(fields(Assumptions)):
        text = t(
            "Assumed for a month: {text} [{usual:g}].",
            text=field.metadata["text"],
            usual=field.default,
        )
        name = f"--{field.name.replace('_', '-')}"
        command = click.option(name, type=NumberRange(0), cls=TranslatedOption, text=text)(command)
    return command


@click.command()
@click.option(
    "-s",
    "--stack",
    "stacks",
    multiple=True,
    help="Only this stack; may be given again. [all; with -c the first]",
)
@click.option(
    "-c",
    "--config",
    "settings",
    type=Setting(BOTH_STAGES),
    multiple=True,
    help="Show how another setting changes the cost, e.g. natStrategy=none; may be given again.",
)
@click.option("--live", is_flag=True, help="Prices from AWS's Price List API; needs credentials.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every price and its page.")
@assumptions
def cost(
    stacks: tuple[str, ...],
    settings: tuple[tuple[str, str], ...],
    live: bool,
    as_json: bool,
    **assumed: float | None,
) -> None:
    """Print the monthly and hourly cost of the stacks, resource by resource.

    The program lists the resources on this machine, without an AWS account.

    \b
      ./careapp cost                            every stack file, stage 1 and 2
      ./careapp cost -c natStrategy=none        how a setting changes the cost
      ./careapp cost --requests 3e6 --gb-out 50 with other traffic

    Exit code 0: every resource has a price. 1: a resource has none. 2: the resources could not be read.
    """
    careapp.use()
    given = {name: value for name, value in assumed.items() if value is not None}
    folder = Path() if Path("Pulumi.yaml").exists() else ROOT
    changed = {full_key(project_of(folder), key): text for key, text in settings}
    known = stacks_of(folder)
    which = stacks or tuple(known[:1] if settings else known) or ("poc",)
    session = api_session(read(which[0], folder).profile) if live else None
    with terminations_raise(), Progress().phase(str(t("listing the resources"))):
        comparison = compare(which, folder, changed, replace(Assumptions(), **given), session)
    if as_json:
        print(json.dumps(as_dict(comparison), ensure_ascii=False, indent=2))
    else:
        display(lines(comparison))
    sys.exit(int(any(each.bill.unpriced or each.left.unpriced for each in comparison.columns)))
