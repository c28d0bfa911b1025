"""The command ``./careapp dev``: the web app with its own database, restarted after every change of a file."""

import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from careapp import ROOT
from careapp.settings.container import APP_VARIABLES, filled
from careapp.settings.file import StackFile, full_key, read, stacks
from careapp.settings.image import (
    APP_COMMAND,
    APP_DOCKERFILE,
    APP_FOLDER,
    APP_TARGET,
    DEPLOY_COMMAND,
)
from careapp.settings.load_balancer import KEEP_ALIVE_SECONDS
from careapp.settings.rules import Key
from ecs_gate.text import Refused, t, text_of, verbatim
from local_cloud import console
from local_cloud.aws.rds import postgres
from local_cloud.aws.rds.postgres import Postgres
from local_cloud.building import dockerfile, plain
from local_cloud.building.dockerfile import Stage
from local_cloud.console import Progress
from local_cloud.machine.authority import Authority
from local_cloud.machine.signals import interrupts_wait, run_in_front, terminations_raise

ADDRESS, DATABASE, USER = "127.0.0.1", "careapp", "postgres"
WATCHED = ("*.html", "*.css", "*.js", "*.sql", "*.svg")
"""Files that Python does not import and whose change must restart the app."""
STOP_SECONDS = 30.0


class DevFailed(Refused):
    """The app cannot be started. The message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class DevApp:
    """The app of a stack: its folder, how its image starts, and what runs before."""

    folder: Path
    stage: Stage
    values: Callable[[Key[Any]], str]
    """The text of a setting."""

    @property
    def command(self) -> list[str]:
        """The words that start it, as ECS would."""
        chosen = shlex.split(self.values(APP_COMMAND)) or self.stage.command
        return [*self.stage.entry_point, *chosen]

    @property
    def working_folder(self) -> Path:
        """The folder of this machine that is the image's WORKDIR, by where a stage copies the context to."""
        for copy in (copy for stage in self.stage.needed for copy in stage.copies):
            if copy.stage is None and {".", "./"} & {*copy.sources}:
                relative = os.path.relpath(self.stage.workdir, copy.target)
                return Path(os.path.normpath(self.folder / relative))
        return self.folder

    @property
    def packages(self) -> list[str]:
        """What pip installs for it. Raises ``DevFailed`` where no file says it."""
        file = self.folder / "requirements.txt"
        if not file.exists():
            raise DevFailed(
                "./careapp dev needs {file}, the app's packages: write it, or run the app as on AWS by "
                "`./careapp rehearse`",
                file=str(file),
            )
        whole = any(word in file.read_text() for word in ("gunicorn", "--hash"))
        return ["-r", str(file), *([] if whole else ["gunicorn"])]


def serve(port: int, log_level: str, source: Path = ROOT) -> int:
    """Serve ``source``'s app on ``port`` of 127.0.0.1 until Ctrl-C. Raises ``DevFailed`` and StackError."""
    app = app_of(source)
    _check_free(port)
    with Progress().phase(t("the app's packages")):
        programs = plain.venv(app.packages)
    with terminations_raise(), database() as variables:
        chosen = {"PORT": str(port), "LOG_LEVEL": log_level, "APP_VERSION": "dev"}
        chosen["KEEP_ALIVE_SECONDS"] = str(KEEP_ALIVE_SECONDS)
        environment = _environment(app, programs, variables | chosen)
        _run_before(app, environment)
        console.print_heading(verbatim(f"http://localhost:{port}"))
        console.print_line(
            t(
                "After a change in {folder}/ the app restarts. The database is PostgreSQL with TLS, as on "
                "RDS, and is created each time. Ctrl-C stops both.",
                folder=app.folder.name,
            )
        )
        return _run(app, environment)


def app_of(source: Path) -> DevApp:
    """Return the app of the stack poc, or of the first one. Raises StackError."""
    found = stacks(source)
    stack = next((name for name in ("poc", *found) if name in found), None)
    file = read(stack, source) if stack else StackFile(project="", stack="", values={})

    def text(key: Key[Any]) -> str:
        return file.values.get(full_key(file.project, key.name), key.default)

    folder = source / text(APP_FOLDER)
    try:
        stage = dockerfile.read(folder / text(APP_DOCKERFILE), {}, folder, text(APP_TARGET))
    except dockerfile.DockerfileError as problem:
        raise DevFailed(text_of(problem)) from problem
    return DevApp(folder=folder, stage=stage, values=text)


def _environment(app: DevApp, programs: Path, variables: Mapping[str, str]) -> dict[str, str]:
    own = json.loads(app.values(APP_VARIABLES) or "{}")
    return {
        **app.stage.environment,
        **{name: filled(str(text), variables) for name, text in own.items()},
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
        "BIND_HOST": ADDRESS,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }


def _run_before(app: DevApp, environment: Mapping[str, str]) -> None:
    """Run `deployCommand`, as before each new version. Raises ``DevFailed`` where it fails."""
    words = shlex.split(app.values(DEPLOY_COMMAND))
    if not words:
        return
    program = shutil.which(words[0], path=environment["PATH"]) or words[0]
    if code := run_in_front([program, *words[1:]], environment, app.working_folder):
        raise DevFailed(
            "deployCommand, {command}, ended with exit code {code}",
            command=shlex.join(words),
            code=code,
        )


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as problem:
            raise DevFailed(
                "port {port} cannot be used ({why}): choose another one with --port",
                port=port,
                why=str(problem.strerror),
            ) from problem


@contextmanager
def database() -> Iterator[dict[str, str]]:
    """Run a PostgreSQL server during the block. Yield the variables with which the app connects to it."""
    folder = Path(tempfile.mkdtemp(prefix="careapp-dev-"))
    folder.chmod(0o711)
    authority = Authority(folder)
    server = Postgres(folder / "database", *authority.issue(["localhost"]))
    password = secrets.token_urlsafe(24)
    try:
        with Progress().phase(t("the database")):
            server.create()
            server.start()
            postgres.add_master(server, USER, password, DATABASE)
        yield {
            "DB_HOST": "localhost",
            "DB_PORT": str(server.port),
            "DB_NAME": DATABASE,
            "DB_USER": USER,
            "DB_PASSWORD": password,
            "DB_SSLROOTCERT": str(authority.path),
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(authority.path),
            "PGHOSTADDR": ADDRESS,
        }
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _reloading(app: DevApp) -> list[str]:
    """Return the app's command, of gunicorn with the options that restart it after a change."""
    watched = [path for pattern in WATCHED for path in app.folder.rglob(pattern)]
    extra = [word for path in watched for word in ("--reload-extra-file", str(path))]
    # A browser keeps its connection open. The restart waits for its end.
    options = ["--reload", "--graceful-timeout", "1", *extra]
    *words, last = app.command
    if words[:1] and Path(words[0]).name == "gunicorn":
        return [*words, last, *options]
    return [*words, f"{last} {shlex.join(options)}" if "gunicorn" in last else last]


def _run(app: DevApp, environment: Mapping[str, str]) -> int:
    """Run the app with reloading. Return 0 after Ctrl-C, and 1 where it failed."""
    program, *words = _reloading(app)
    program = shutil.which(program, path=environment["PATH"]) or program
    # A session of its own, so that a terminal's Ctrl-C reaches only this process, which stops the app.
    with interrupts_wait() as deliver:
        child = subprocess.Popen(
            [program, *words], cwd=app.working_folder, env=environment, start_new_session=True
        )
        try:
            deliver()
            # gunicorn ends with 3 where no worker boots.
            return 1 if child.wait() else 0
        except KeyboardInterrupt:
            console.print_line("")
            return 0
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                try:
                    child.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
