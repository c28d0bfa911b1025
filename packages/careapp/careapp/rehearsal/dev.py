"""The command ``./careapp dev``: the web app with its own database, restarted after every change of a file."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from careapp import ROOT
from careapp.settings.file import StackFile, full_key, read, stacks
from careapp.settings.image import APP_FOLDER
from careapp.settings.load_balancer import KEEP_ALIVE_SECONDS
from ecs_gate.text import Refused, t, verbatim
from local_cloud import console
from local_cloud.aws.rds import postgres
from local_cloud.aws.rds.postgres import Postgres
from local_cloud.building import plain
from local_cloud.console import Progress
from local_cloud.machine.authority import Authority
from local_cloud.machine.signals import interrupts_wait, terminations_raise

ADDRESS, DATABASE, USER = "127.0.0.1", "careapp", "postgres"
WATCHED = ("*.html", "*.css", "*.js", "*.sql", "*.svg")
"""Files that Python does not import and whose change must restart the app."""
STOP_SECONDS = 30.0


class DevFailed(Refused):
    """The app cannot be started. The message says why and what to do."""


def serve(port: int, log_level: str, source: Path = ROOT) -> int:
    """Serve ``source``'s app on ``port`` of 127.0.0.1 until Ctrl-C. Raises ``DevFailed``."""
    _check_app(source)
    _check_free(port)
    with Progress().phase(t("the app's packages")):
        webapp = source / "webapp"
        programs = plain.venv(["--require-hashes", "-r", str(webapp / "requirements.txt")])
    with terminations_raise(), database() as variables:
        console.print_heading(verbatim(f"http://localhost:{port}"))
        console.print_line(
            t(
                "After a change in webapp/ the app restarts. The database is PostgreSQL with TLS, as on "
                "RDS, and is created each time. Ctrl-C stops both."
            )
        )
        chosen = {"PORT": str(port), "LOG_LEVEL": log_level, "APP_VERSION": "dev"}
        chosen["KEEP_ALIVE_SECONDS"] = str(KEEP_ALIVE_SECONDS)
        return _run_gunicorn(programs, source, variables | chosen)


def _check_app(source: Path) -> None:
    """Raise ``DevFailed`` where the stacks run another app than the one in webapp/, whose command is known here."""
    folders = {stack: _folder(read(stack, source)) for stack in stacks(source)}
    others = {stack: folder for stack, folder in folders.items() if folder != APP_FOLDER.default}
    if others and len(others) == len(folders):
        stack, folder = min(others.items())
        raise DevFailed(
            "./careapp dev runs webapp/, and the app of the stack {stack} is in {folder}/: "
            "`./careapp rehearse -c appFolder={folder}` runs that one as on AWS",
            stack=stack,
            folder=folder,
        )


def _folder(stack: StackFile) -> str:
    return stack.values.get(full_key(stack.project, APP_FOLDER.name), APP_FOLDER.default)


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


def _run_gunicorn(programs: Path, source: Path, variables: Mapping[str, str]) -> int:
    """Run the image's command with reloading. Return 0 after Ctrl-C, and 1 where it failed."""
    watched = [path for pattern in WATCHED for path in (source / "webapp").rglob(pattern)]
    extra = [word for path in watched for word in ("--reload-extra-file", str(path))]
    command = [str(programs / "gunicorn"), "--config", "webapp/gunicorn.conf.py", "--reload"]
    # A browser keeps its connection open. The restart waits for its end.
    command += ["--graceful-timeout", "1"]
    environment = {
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
        "BIND_HOST": ADDRESS,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
    # A session of its own, so that a terminal's Ctrl-C reaches only this process, which stops the app.
    with interrupts_wait() as deliver:
        child = subprocess.Popen(
            [*command, *extra], cwd=source, env=environment, start_new_session=True
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
