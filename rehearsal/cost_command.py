"""The command ``./careapp cost``: graphs from the engine, prices from ops."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from i18n import Text, said, t
from ops.command_line import Number, Told, guarded
from ops.cost.bill import Assumptions
from ops.cost.comparison import GIVEN, Comparison, Subject, compare
from ops.cost.graph import read_graph
from ops.cost.prices import PriceBook
from ops.cost.screen import WORKING, as_dict, lines, markdown
from ops.screen import display
from ops.signals import terminations_raise
from rehearsal.console import Progress
from rehearsal.engine.find import EngineError
from rehearsal.engine.pulumi import PulumiFailed
from rehearsal.paths import ROOT
from stack.file import StackError
from stack.names import PROJECT


class Setting(click.ParamType[tuple[str, str]]):
    """KEY=VALUE, the key as ``pulumi config set`` takes it."""

    name = "KEY=VALUE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The full key and the value."""
        key, equals, wanted = str(value).partition("=")
        if not equals or not key:
            words = t("{text!r} is not KEY=VALUE, like natStrategy=none.", text=str(value))
            self.fail(str(words), param, ctx)
        if key.removeprefix(f"{PROJECT}:") == "ecsEnabled":
            self.fail(
                str(t("ecsEnabled is what tells the stages apart, and both are shown.")),
                param,
                ctx,
            )
        return (key if ":" in key else f"{PROJECT}:{key}"), wanted


def _help(text: Text, default: float) -> Text:
    usual = f" [{default:g}]" if default >= 0 else ""
    return t("Assumed for a month: {text}{usual}.", text=text, usual=usual)


def assumptions(command: click.decorators.FC) -> click.decorators.FC:
    """An option for everything that is assumed."""
    for each in reversed(fields(Assumptions)):
        command = click.option(
            f"--{each.name.replace('_', '-')}",
            type=Number(min=0),
            cls=Told,
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
    help="What another setting would add or save, e.g. natStrategy=none; may be given again.",
)  # fmt: skip
@click.option("--deployed", is_flag=True, help="What the stack's state holds now (stack export).")
@click.option(
    "--graph", "files", type=click.Path(exists=True, dir_okay=False, path_type=Path), multiple=True,
    help="Price what `pulumi preview --json` or `stack export` printed into this file.",
)  # fmt: skip
@click.option("--live", is_flag=True, help="Prices from AWS's Price List API; needs credentials.")
@click.option("--prices", is_flag=True, help="Show every price used, with its date and page.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option("--markdown", "as_markdown", is_flag=True, help="The table of the README.")
@assumptions
def cost(
    stacks: tuple[str, ...],
    settings: tuple[tuple[str, str], ...],
    deployed: bool,
    files: tuple[Path, ...],
    live: bool,
    **more: Any,
) -> None:
    """Say what the stacks cost a month and an hour, resource by resource.

    The real engine says which resources there would be, on this machine and with nobody's account.

    \b
      ./careapp cost                            every stack file, stage 1 and 2, and destroyed
      ./careapp cost --set natStrategy=none     what a setting adds or saves
      ./careapp cost --requests 3e6 --gb-out 50 with other traffic
      ./careapp cost --deployed -s prod         what the stack's state holds now

    Exit code 0: everything has a price. 1: something has none. 2: it could not look.
    """
    style = {name: more.pop(name) for name in ("prices", "as_json", "as_markdown")}
    told = {name: value for name, value in more.items() if value is not None}
    assumed = replace(Assumptions(), **told)
    if bool(files) + deployed + bool(settings) > 1:
        raise click.UsageError(str(t("--graph, --deployed and --set exclude each other.")))

    def work() -> int:
        folder = Path() if Path("Pulumi.yaml").exists() else ROOT
        which = stacks or _default(folder, bool(settings) or deployed)
        try:
            graphs = _given(files) if files else _asked(which, folder, dict(settings), deployed)
        except (EngineError, PulumiFailed) as problem:
            raise StackError(said(problem)) from problem  # what cannot be looked at ends with 2
        changes = [f"{key.removeprefix(f'{PROJECT}:')}={value}" for key, value in settings]
        found = compare(graphs, PriceBook.load(), assumed, changes)
        if live:
            found = _live(found, which, folder, graphs)
        return _show(found, **style)

    sys.exit(guarded(work))


def _default(folder: Path, one: bool) -> tuple[str, ...]:
    """All stacks that have a file; with --set and --deployed the first one of them."""
    found = sorted(each.name.split(".")[1] for each in folder.glob("Pulumi.*.yaml"))
    return tuple(found[:1] if one else found) or ("poc",)


def _given(files: Sequence[Path]) -> list[Subject]:
    return [
        Subject(stack=each.stem, state=GIVEN, graph=read_graph(each.read_text(), each.name))
        for each in files
    ]


def _asked(
    stacks: Sequence[str], folder: Path, settings: dict[str, str], deployed: bool
) -> list[Subject]:
    from rehearsal import cost as engine

    with terminations_raise(), Progress().phase(str(WORKING)):
        if deployed:
            return engine.deployed(stacks, folder)
        return engine.subjects(stacks, folder, settings)


def _live(
    found: Comparison, stacks: Sequence[str], folder: Path, graphs: Sequence[Subject]
) -> Comparison:
    """The same with AWS's own prices of today, where it has them."""
    from ops.cost.live import look_up, session

    prices, missing = look_up(session(stacks[0], folder), found.book, found.needed)
    again = compare(graphs, found.book.updated(prices), found.assumed, found.settings)
    return replace(again, not_live=tuple(missing))


def _show(found: Comparison, prices: bool, as_json: bool, as_markdown: bool) -> int:
    if as_json:
        print(json.dumps(as_dict(found), ensure_ascii=False, indent=2))
    elif as_markdown:
        print("\n".join(markdown(found)))
    else:
        display(lines(found, prices))
    return int(any(column.bill.unpriced for column in found.columns))
