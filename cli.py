"""Every command of ``./careapp``, which runs ``python -m cli COMMAND``."""

from __future__ import annotations

import gc
import importlib
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from ops.command_line import put_into_language, run

ROOT = Path(__file__).parent
MODULES = {
    "cost": "rehearsal.run.cost",
    "db": "ops.cli",
    "delivery": "delivery.cli",
    "pause": "ops.cli",
    "resume": "ops.cli",
    "test": "tests.cli",
    **dict.fromkeys(("doctor", "events", "logs", "preflight", "retry", "run", "status"), "ops.cli"),
    **dict.fromkeys(("cloud", "dev", "rehearse", "shell"), "rehearsal.cli"),
}
"""The module of each command, whose name there is the command's."""


class Commands(Mapping[str, click.Command]):
    """The commands by name. Only the module of the one that is called is imported: all take a second."""

    def __getitem__(self, name: str) -> click.Command:
        """Import the command and put its help into the reader's language. Raises KeyError."""
        command: click.Command = getattr(importlib.import_module(MODULES[name]), name)
        put_into_language(command)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


def version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Print pyproject.toml's version, and the commit where this folder is a repository of its own."""
    if not asked:
        return
    number = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    commit = (
        _git("rev-parse", "--short", "HEAD") if _git("rev-parse", "--show-prefix") == "" else None
    )
    click.echo(f"careapp {number}{f' ({commit})' if commit else ''}")
    context.exit()


def _git(*words: str) -> str | None:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", "-V", is_flag=True, is_eager=True, expose_value=False, callback=version,
              help="Show version and commit.")  # fmt: skip
def main() -> None:
    """careapp: a Flask app on ECS Fargate with PostgreSQL on RDS, rolled out in stages.

    \b
      ./careapp rehearse    the whole roll-out on this machine, without an AWS account
      ./careapp test        the tests

    On AWS the roll-out has two stages, and the second one only adds to the first:

    \b
      pulumi stack init poc                   once
      pulumi up -s poc                        network, database, load balancer, image
      pulumi config set ecsEnabled true
      pulumi up -s poc                        ECS: the app runs
      pulumi destroy -s poc                   all of it goes away

    Variables:

    \b
      PYTHON           the Python to make .venv with; otherwise it is searched
      CAREAPP_PULUMI   the pulumi executable to use; otherwise it is searched, fetched or built once
      CAREAPP_HOME     where the local cloud and the rehearsal keep everything; otherwise .rehearsal here
      CAREAPP_LANG     en or ja, as --lang; otherwise LC_ALL, LC_MESSAGES or LANG decides
      NO_COLOR         no colours

    eval "$(_CAREAPP_COMPLETE=bash_source ./careapp)" lets the Tab key complete words (or zsh_source,
    fish_source). Read on: README.md, docs/
    """


main.commands = Commands()  # type: ignore[assignment]

if __name__ == "__main__":
    # What botocore reads of AWS's models stays: to look through it for garbage took a fifth of a second.
    gc.set_threshold(200_000, 50, 50)
    run(main)
