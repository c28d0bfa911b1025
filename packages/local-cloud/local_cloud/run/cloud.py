"""The process of the local cloud."""

import contextlib
import fcntl
import gc
import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from local_cloud import starter
from local_cloud.clock import Clock
from local_cloud.engine import program
from local_cloud.machine.problems import PROBLEMS
from local_cloud.paths import Home, find_home
from local_cloud.run.client import Options
from local_cloud.text import said, t

log = logging.getLogger("local_cloud.run.cloud")

POLL_SECONDS = "0.1"
"""Seconds of this machine between two reads of a program that waits for AWS: those for AWS's own pace are too long."""


class AlreadyRunning(Exception):
    """Another local cloud runs in this folder."""


class Cloud:
    """All parts of one local cloud, started in order and stopped in reverse order."""

    def __init__(self, home: Home, options: Options) -> None:
        self.home, self.options = home, options
        self._stops = contextlib.ExitStack()

    def start(self) -> dict[str, Any]:
        """Start every part and return the facts that clients need. Stop all parts when one fails."""
        if Path(sys.prefix).is_relative_to(starter.current().folder):
            # The program has this Python. The process that it is a fork of imports while this one does.
            program.prepare()
        from local_cloud.cloud.plane import DataPlane
        from local_cloud.run.project import local_cloud_environment
        from local_cloud.run.stand_ins import start_api, start_hosts

        with contextlib.ExitStack() as stops:
            folder = self.home.cloud
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            stops.callback(shutil.rmtree, folder, ignore_errors=True)
            started = starter.current()
            page = started.beside(self.options.page_port) if started.beside else None
            if page:
                stops.callback(page.stop)
            region = self.options.region
            calls, builder = start_api(
                *(region, folder / "images", self.options.docker, stops),
                mounts=self.options.mounts,
                port=self.options.api_port,
            )
            _write_privately(self.home.credentials, calls.access.profile)
            clock = Clock(self.options.speed)
            plane = DataPlane(
                folder=folder / "data",
                clock=clock,
                images=builder.find,
                port=self.options.port,
                client=self.options.client,
                aws_endpoint=calls.access.endpoint,
                namespaces=self.options.namespaces,
                mounts=self.options.mounts,
            )
            plane.start()
            stops.callback(plane.stop)
            variables = local_cloud_environment(calls.access, self.home.facts)
            # The local cloud's identity provider has a certificate of its authority.
            variables["SSL_CERT_FILE"] = plane.shell["SSL_CERT_FILE"]
            if page:
                page.start(self.home.folder, region, variables)
            # A program that waits for AWS reads them: ecs_gate does.
            pace = {
                "LOCAL_CLOUD_SPEED": str(self.options.speed),
                "LOCAL_CLOUD_POLL_SECONDS": POLL_SECONDS,
            }
            hosts = start_hosts(calls, builder, {**variables, **pace}, stops)
            self.describe: Callable[[], dict[str, object]] = lambda: {
                **plane.describe(),
                "left_out": builder.left_out,
            }
            self.now = clock.now
            self._stops = stops.pop_all()
        return {
            "pid": os.getpid(),
            "endpoint": calls.access.endpoint,
            "key": calls.access[2:],
            "page": page.url if page else "",
            "environment": {
                **hosts.environment,
                **plane.shell,
                "PGSSLROOTCERT": str(plane.authorities),
            },
            "options": asdict(self.options),
        }

    def stop(self) -> None:
        self._stops.close()


@contextlib.contextmanager
def hold_lock(home: Home) -> Iterator[IO[str]]:
    """Hold the folder's lock. Raises ``AlreadyRunning``."""
    home.folder.mkdir(parents=True, exist_ok=True)
    with home.lock.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                t("a local cloud already runs in {folder}", folder=str(home.folder))
            ) from None
        yield held


def run(started: starter.Starter) -> int:
    """Run a starter's local cloud in this process until SIGTERM. Its options are on standard input, as JSON."""
    starter.use(started)
    options = Options(**json.loads(sys.stdin.read()))
    # The databases' and tasks' own users enter its folders. What is secret in them is written with mode 600.
    os.umask(0o022)
    home = find_home()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Otherwise every request would be a line of the log.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    stop = threading.Event()
    # A terminal sends Ctrl-C to the whole process group. Only SIGTERM stops the local cloud.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        with hold_lock(home):
            serve(home, options, stop)
    except Exception as problem:
        log.exception("the local cloud could not start")
        _write(home.facts, {"pid": os.getpid(), "failed": str(said(problem))})
        return 1
    return 0


def serve(home: Home, options: Options, stop: threading.Event) -> None:
    """Start, write the facts every half second, and run until ``stop`` is set."""
    cloud = Cloud(home, options)
    # moto's and botocore's modules live until the end. To walk them again and again takes a tenth of a start.
    gc.disable()
    facts = cloud.start()
    gc.collect()
    gc.freeze()
    gc.enable()
    state: dict[str, object] = {}
    linked: Seen = ()
    try:
        while True:
            # A state that cannot be read is the last one that could.
            with PROBLEMS.caught("the link of the program's new files"):
                linked = _link_new(home, linked)
            with PROBLEMS.caught("the description of the state"):
                state = cloud.describe()
            now = {
                "state": {**state, "problems": PROBLEMS.texts()},
                "time": cloud.now().isoformat(),
            }
            with PROBLEMS.caught("the file of the state"):
                _write(home.facts, {**facts, **now})
            if stop.wait(0.5):
                break
    finally:
        cloud.stop()
        home.facts.unlink(missing_ok=True)


Seen = tuple[object, ...]


def _link_new(home: Home, seen: Seen) -> Seen:
    """Link what was made in the program's folder since the last look, so that an open shell and `pulumi` see it.

    Returns what the folders and the program's file look like; nothing is done while they are as in ``seen``.
    """
    from local_cloud.run.project import PROJECT_FILES, current_project

    if not home.project.is_dir():
        return ()
    project = current_project(home, running=True)
    sources = (project.source, *(project.source / name for name in PROJECT_FILES))
    now = (str(project.source), *map(_changed, sources))
    if (*now, _changed(home.project)) != seen:
        project.link()
    return (*now, _changed(home.project))


def _changed(path: Path) -> int:
    """Return when a file, or the list of a folder's entries, was changed; 0 if it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _write(file: Path, facts: dict[str, Any]) -> None:
    _write_privately(file, json.dumps(facts, default=str))


def _write_privately(file: Path, text: str) -> None:
    """Replace a file with the key in one step, so that a reader never reads a part of it."""
    half = file.with_suffix(".part")
    half.touch(mode=0o600)
    half.write_text(text)
    half.replace(file)
