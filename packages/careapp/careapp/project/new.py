"""A project of one's own: a folder with a program, an app, its tests and its locks."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from careapp.project import app as apps
from careapp.project.lock import lock
from careapp.settings.file import read
from careapp.settings.names import StackNames
from careapp.settings.settings import Settings
from ecs_gate.text import Refused, Text, t, verbatim

TEMPLATE = Path(__file__).with_name("template")
STACK = "poc"
NOT_COPIED = shutil.ignore_patterns(
    *(".git", ".venv", "venv", "node_modules", "__pycache__", ".pytest_cache", ".env", "*.pyc")
)
DOCKERFILE = """\
FROM python:3.13-slim
WORKDIR /srv
COPY . .
RUN pip install --no-cache-dir {packages} gunicorn
# The database accepts only TLS connections.
ENV PGSSLMODE=require PYTHONUNBUFFERED=1
# Without it /tmp is root's on Fargate, and gunicorn finds no folder that it may write to.
VOLUME /tmp
CMD exec gunicorn --bind ${{BIND_HOST:-0.0.0.0}}:$PORT --keep-alive $KEEP_ALIVE_SECONDS --graceful-timeout 25 '{app}'
"""
TESTS = '''\
"""The page, the health check and the database. `./careapp test` gives them PostgreSQL with TLS, as on RDS."""

import os

import pytest

from {module} import {name}


@pytest.fixture
def client():
    return {made}.test_client()


def test_the_page_answers(client):
    assert client.get("/", follow_redirects=True).status_code == 200


def test_the_health_check_answers(client):
    assert client.get("{health}").status_code == 200


def test_the_database_answers():
    psycopg = pytest.importorskip("psycopg")
    place = {{name: os.environ[f"DB_{{name.upper()}}"] for name in ("host", "port", "user", "password")}}
    with psycopg.connect(dbname=os.environ["DB_NAME"], **place) as database:
        assert database.execute("SELECT 1").fetchone() == (1,)
'''
URL = "postgresql://${DB_USER}@${DB_HOST}:${DB_PORT}/${DB_NAME}?sslmode=require"
"""Without the password, which libpq takes from PGPASSWORD (docs/your-app.md)."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a person wants of a project. ``app`` is the folder of an app that exists; None: the hello app."""

    folder: Path
    app: Path | None
    region: str
    email: str


def check(folder: Path) -> None:
    """Raise ``Refused`` where a project cannot be made in a folder of this name."""
    problems = StackNames(STACK, folder.name).problems()
    for problem in problems.values():
        raise Refused("choose another name, as in Pulumi.yaml: {problem}", problem=problem)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(
            "{folder} exists and is not empty: give a name that is free, or delete it first",
            folder=str(folder),
        )


def make(wish: Wish) -> list[Text]:
    """Make the project, whole or not at all, and return what is left to a person.

    Raises ``Refused`` for a name, an app or a setting that cannot be used, and where the packages cannot be locked.
    """
    check(wish.folder)
    wish.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".careapp-new-", dir=wish.folder.parent) as made:
        project = Path(made) / "project"
        shutil.copytree(TEMPLATE, project, ignore=shutil.ignore_patterns("__pycache__"))
        settings, left = _take_app(project, wish.app) if wish.app else ({}, [])
        _name(project, wish.folder.name)
        _configure(project / f"Pulumi.{STACK}.yaml", wish, settings)
        # As the program reads them: what is wrong is said before anything is there.
        Settings.of(read(STACK, project), sources=True)
        lock(project)
        project.rename(wish.folder)
    return left


def _name(project: Path, name: str) -> None:
    """Put the project's name in, as `pulumi new` does, and leave out what only that reads."""
    words = {"${PROJECT}": name, "${DESCRIPTION}": f"{name} on ECS Fargate with PostgreSQL on RDS"}
    for file in project.rglob("*"):
        if file.is_file() and not file.is_relative_to(project / "app"):
            text = file.read_text()
            for word, value in words.items():
                text = text.replace(word, value)
            if file.name == "Pulumi.yaml":
                text = text.partition("template:\n")[0]
            file.write_text(text)


def _configure(file: Path, wish: Wish, settings: Mapping[str, str]) -> None:
    text = re.sub(r"(?m)^(  aws:region: ).*", rf"\g<1>{wish.region}", file.read_text())
    if wish.app:
        text = re.sub(r"(?m)^  deployCommand:.*\n", "", text)
    if wish.email:
        text += f"  alarmEmail: {wish.email}\n"
    file.write_text(text + "".join(f"  {key}: {value}\n" for key, value in settings.items()))


def _take_app(project: Path, origin: Path) -> tuple[dict[str, str], list[Text]]:
    """Copy an app into the project. Return the settings that it needs, and what is left to a person."""
    found = apps.look(origin)
    target = project / "app"
    shutil.rmtree(target)
    (project / "tests" / "test_app.py").unlink()
    shutil.copytree(origin, target, ignore=NOT_COPIED)
    if not found.dockerfile:
        (target / "Dockerfile").write_text(_dockerfile(origin, found))
    if found.callable:
        module, _, made = found.callable.partition(":")
        values = {"module": module, "name": made.removesuffix("()"), "made": made}
        text = TESTS.format(health=found.health or "/", **values)
        (project / "tests" / "test_app.py").write_text(text)
    return _settings(found), _left(found)


def _dockerfile(origin: Path, found: apps.App) -> str:
    """Return a Dockerfile for an app that has none. Raises ``Refused`` where it cannot be written."""
    if not found.callable:
        raise Refused(
            "{folder} has no Dockerfile, and no file in it has `app = Flask(…)` or `def create_app()`: "
            "write a Dockerfile, or give the folder of a Flask app",
            folder=str(origin),
        )
    if not found.packages:
        raise Refused(
            "{folder} has no Dockerfile, and neither requirements.txt nor pyproject.toml names its packages: "
            "write one of them",
            folder=str(origin),
        )
    packages = "-r requirements.txt" if found.packages == "requirements.txt" else "."
    return DOCKERFILE.format(packages=packages, app=found.callable)


def _settings(found: apps.App) -> dict[str, str]:
    """Return lines of the stack's file."""
    lines = {"containerPort": f'"{found.port}"'} if found.port else {}
    lines["healthPath"] = found.health or "/"
    urls = found.variables & {*apps.DATABASE_URLS}
    if urls:
        lines["appVariables"] = "".join(f'\n    {name}: "{URL}"' for name in sorted(urls))
        lines["appSecrets"] = '\n    PGPASSWORD: "${DB_PASSWORD}"'
    return lines


def _left(found: apps.App) -> list[Text]:
    """Return what a person has to look at, a sentence each."""
    left = []
    if found.health is None:
        left.append(
            t(
                "No route of the app is called like a health check ({paths}), so `/` is requested. Add one that "
                "answers 200 without the database, and `pulumi config set healthPath /PATH`.",
                paths=", ".join(apps.HEALTH),
            )
        )
    if found.dockerfile and found.port is None:
        left.append(
            t(
                "The Dockerfile names no port: the app must listen on 0.0.0.0:$PORT, which is 3000, or "
                "`pulumi config set containerPort PORT`."
            )
        )
    if unknown := sorted(found.variables - {*apps.DATABASE_URLS}):
        left.append(
            t(
                "The app reads {names}: `pulumi config set --path appVariables.NAME VALUE`, or for a secret its "
                "ARN in appSecrets.NAME.",
                names=", ".join(unknown),
            )
        )
    if found.callable is None:
        left.append(t("No Flask object was found, so tests/ is empty: put the app's tests there."))
    return left


def next_commands(folder: Path) -> list[Text]:
    """Return the two commands that come next."""
    return [verbatim(f"cd {folder}"), verbatim("./careapp rehearse")]
