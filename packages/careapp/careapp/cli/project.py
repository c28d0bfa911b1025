"""The commands ``careapp new``, ``./careapp lock`` and ``./careapp eject``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from careapp import ROOT
from careapp.project import eject as ejecting
from careapp.project import lock as locking
from careapp.project import new as making
from ecs_gate.text import t


@click.command()
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
@click.option(
    "--app",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of a Flask app that exists; by default a small one is written.",
)
@click.option("--region", help="The AWS region. [default: ap-northeast-1]")
@click.option("--email", help="The e-mail address for alarms; empty: none.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def new(folder: Path, yes: bool, **given: Any) -> None:
    """Make a project of your own in a new folder NAME.

    \b
      careapp new acme                     asks for the app, the region and the e-mail address
      careapp new acme --app ../shop       with a Flask app that exists: what it needs is found and written down
      careapp new acme --yes               asks nothing

    The folder's name is the project's: it begins the names of all resources. Everything is written, or nothing.

    Exit code 0: it is there. 1: nothing was written; the message says why. 2: a setting that cannot be used.
    """
    folder = folder.absolute()
    making.check(folder)
    if not yes:
        given = asked(given)
    wish = making.Wish(
        folder=folder,
        app=given["app"],
        region=given["region"] or "ap-northeast-1",
        email=given["email"] or "",
    )
    click.echo(str(t("locking the packages of the project …")), err=True)
    left = making.make(wish)
    click.echo(str(t("{folder} is there.", folder=str(folder))))
    for each in left:
        click.echo(f"- {each}")
    click.echo("".join(f"\n  {command}" for command in making.next_commands(folder)))


def asked(given: dict[str, Any]) -> dict[str, Any]:
    """Ask for what was not given."""
    if given["app"] is None:
        words = t("Folder of a Flask app that exists (empty: a small one is written)")
        answer = click.prompt(str(words), default="", show_default=False)
        given["app"] = Path(answer) if answer else None
    if given["region"] is None:
        given["region"] = click.prompt(str(t("AWS region")), default="ap-northeast-1")
    if given["email"] is None:
        words = t("E-mail address for alarms (empty: none)")
        given["email"] = click.prompt(str(words), default="", show_default=False)
    return given


@click.command()
@click.option("--upgrade", is_flag=True, help="Take the newest versions that the .in files allow.")
def lock(upgrade: bool) -> None:
    """Lock the packages of requirements.in and requirements-dev.in, with hashes.

    \b
      ./careapp lock             after a change of one of them
      ./careapp lock --upgrade   the newest versions

    Exit code 0: requirements.txt and requirements-dev.txt are written. 1: both are as before.
    """
    locking.lock(ROOT, *(["--upgrade"] if upgrade else []))


@click.group()
def eject() -> None:
    """Make a part of careapp the project's own, to be changed there."""


@eject.command()
def infra() -> None:
    """Copy the components to infra/, and let the program import them from there.

    The types and names in Pulumi's state stay, so `pulumi preview` shows no change. From then on a new version of
    careapp brings settings and commands, and no change of a component: compare them yourself.

    Exit code 0: infra/ is there. 1: nothing was changed.
    """
    ejecting.eject(ROOT)
    click.echo(
        str(t("infra/ is the project's own now; a new version of careapp does not change it."))
    )
