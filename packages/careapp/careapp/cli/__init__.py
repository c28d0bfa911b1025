"""The command line of ``./careapp``, which runs ``python -m careapp.cli COMMAND``."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import version as installed

import click

from careapp import IN_CHECKOUT, ROOT
from careapp.cli.git import git
from careapp.command_line import Program, translate_help
from ecs_gate.text import Refused, verbatim

MODULES = {
    "cost": "careapp.rehearsal.cost",
    "db": "careapp.cli.database",
    "delivery": "careapp.delivery.cli",
    "test": "careapp.cli.tests" if IN_CHECKOUT else "careapp.cli.project_tests",
    **dict.fromkeys(("eject", "lock", "new"), "careapp.cli.project"),
    **dict.fromkeys(("cloud", "dev", "rehearse", "shell"), "careapp.cli.local"),
    **dict.fromkeys(
        (
            *("doctor", "events", "jobs", "logs", "pause", "preflight"),
            *("resume", "retry", "rollback", "run", "status"),
        ),
        "careapp.cli.operate",
    ),
}
"""The module of each command; the function there has the command's name."""


class Commands(Mapping[str, click.Command]):
    """The commands by name. Only the called command's module is imported: all of them take a second."""

    def __getitem__(self, name: str) -> click.Command:
        """Import the command and translate its help. Raises KeyError."""
        try:
            command: click.Command = getattr(importlib.import_module(MODULES[name]), name)
        except ModuleNotFoundError as missing:
            if str(missing.name).partition(".")[0] != "local_cloud":
                raise
            command = without_rehearsal(name)
        translate_help(command)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


def without_rehearsal(name: str) -> click.Command:
    """Return the command in place of one of the local cloud, where that is not installed."""

    @click.command(name, context_settings={"ignore_unknown_options": True})
    @click.argument("_words", nargs=-1, type=click.UNPROCESSED, metavar="…")
    def command(_words: tuple[str, ...]) -> None:
        """Not installed: in a project it comes with `careapp[rehearsal]` of requirements-dev.in."""
        raise Refused(
            "{name} needs the local cloud: run it by ./careapp in a project, or install careapp[rehearsal]",
            name=name,
        )

    return command


def version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Print the version, and the commit when this folder is the root of a repository."""
    if not asked:
        return
    file = ROOT / "packages" / "careapp" / "pyproject.toml"
    number = (
        tomllib.loads(file.read_text())["project"]["version"]
        if IN_CHECKOUT
        else installed("careapp")
    )
    own = IN_CHECKOUT and git(ROOT, "rev-parse", "--show-prefix") == ""
    commit = git(ROOT, "rev-parse", "--short", "HEAD") if own else None
    click.echo(verbatim(f"careapp {number}{f' ({commit})' if commit else ''}"))
    context.exit()


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", "-V", is_flag=True, is_eager=True, expose_value=False, callback=version,
              help="Show version and commit.")  # fmt: skip
def main() -> None:
    """careapp: a Flask app on ECS Fargate with PostgreSQL on RDS, deployed in two stages.

    \b
      ./careapp rehearse    the whole deployment on this machine, without an AWS account
      ./careapp test        the tests

    On AWS the second stage only adds resources to the first:

    \b
      pulumi stack init poc                   once
      pulumi up -s poc                        stage 1: network, database, load balancer, image
      pulumi config set ecsEnabled true
      pulumi up -s poc                        stage 2: ECS, which runs the app
      pulumi destroy -s poc                   delete everything

    Environment variables:

    \b
      PYTHON           the Python for .venv; by default it is searched on PATH
      CAREAPP_PULUMI   the pulumi executable; by default it is searched, downloaded or built once
      CAREAPP_HOME     the folder of the local cloud and the rehearsal; by default .rehearsal
      CAREAPP_LANG     en or ja, like --lang; by default from LC_ALL, LC_MESSAGES or LANG
      NO_COLOR         no colours

    eval "$(_CAREAPP_COMPLETE=bash_source ./careapp)" turns on completion (or zsh_source, fish_source).
    Documents: README.md, docs/
    """


main.commands = Commands()  # type: ignore[assignment]
