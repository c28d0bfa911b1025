"""The command ``./careapp test`` of a project: the team's tests, with a PostgreSQL as on RDS."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import uv

from careapp import ROOT
from careapp.project.new import STACK
from careapp.rehearsal import careapp
from careapp.rehearsal.dev import database
from careapp.settings.container import filled
from careapp.settings.settings import Settings
from local_cloud.machine.signals import run_in_front, terminations_raise


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST OPTIONS]...")
def test(words: tuple[str, ...]) -> None:
    """Run the project's tests in the app's own packages, with a local database.

    \b
      ./careapp test                 tests/
      ./careapp test -k health -x    with options of pytest

    The tests import the app from its folder. They have the variables of the app's container: DB_HOST and the
    others of the database, a PostgreSQL with TLS as on RDS, and the appVariables of the stack poc. The packages
    are those of the app's requirements.txt and of tests/requirements.txt, where these exist.

    Exit code: pytest's. 0: all passed. 1: a test failed. 5: there is none.
    """
    careapp.use()
    settings = Settings.read(STACK, ROOT)
    folder = ROOT / settings.image.folder
    files = [file for file in (folder, ROOT / "tests") if (file / "requirements.txt").exists()]
    chosen = [
        word for file in files for word in ("--with-requirements", f"{file}/requirements.txt")
    ]
    command = [uv.find_uv_bin(), "run", "--no-project", "--python", sys.executable, *chosen]
    command += ["--with", "pytest", "--", "python", "-m", "pytest", *(words or ("tests",))]
    with terminations_raise(), database() as variables:
        own = {name: filled(text, variables) for name, text in settings.service.variables.items()}
        sys.exit(run_in_front(command, {**os.environ, **own, **variables, **_python(folder)}, ROOT))


def _python(folder: Path) -> dict[str, str]:
    """Return the variables with which the app is imported from its folder, without those of this Python."""
    return {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "VIRTUAL_ENV": ""}
