"""Start, find and stop the local cloud's process."""

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local_cloud import starter
from local_cloud.access import Access
from local_cloud.console import Phase, Progress
from local_cloud.machine.signals import interrupts_wait
from local_cloud.paths import ROOT, Home, is_locked
from local_cloud.text import Refused, Text, t, verbatim

SLOW_START = 30.0
"""Seconds after which the log of a local cloud that has not started yet is named."""
STOP_LIMIT = 60.0
"""Seconds: tasks may take their stop timeout."""
FRESH_LIMIT = 2.0
"""Seconds within which a local cloud writes its facts again, unless its machine is busy."""


def none_runs() -> Text:
    """Return the message that no local cloud runs, with the command that starts one."""
    return t("no local cloud runs here: {cloud} start starts one", cloud=starter.current().cloud)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What a user chooses of a local cloud."""

    speed: float
    port: int | None
    watch_port: int | None = None
    client: str = ""
    """The address of all clients of load balancers; "": any that may reach them."""
    api_port: int = 0


@dataclass(frozen=True, kw_only=True)
class Options(Chosen):
    """The options of a local cloud's process."""

    region: str
    docker: bool
    namespaces: bool
    mounts: bool

    @property
    def page_port(self) -> int | None:
        """Return the port of the starter's own page. It is any free port where the first listener's is."""
        return 0 if self.watch_port is None and self.port == 0 else self.watch_port


class CloudError(Refused):
    """The local cloud cannot be started, found or stopped. The message says why and what to do."""


@dataclass(frozen=True)
class RunningCloud:
    """The content of ``cloud.json``, which a running local cloud writes."""

    data: dict[str, Any]

    @property
    def pid(self) -> int:
        return int(self.data["pid"])

    @property
    def endpoint(self) -> str:
        return str(self.data["endpoint"])

    @property
    def access(self) -> Access:
        """Return what its owner's calls of the AWS API need."""
        return Access(self.endpoint, self.options.region, *self.data["key"])

    @property
    def shown(self) -> dict[str, Any]:
        """Return the facts without the secret key."""
        return {name: fact for name, fact in self.data.items() if name != "key"}

    @property
    def page(self) -> str:
        """The URL of the starter's own page; "" if it has none."""
        return str(self.data["page"])

    @property
    def environment(self) -> dict[str, str]:
        """The variables that connect ``pulumi`` to the stand-ins."""
        return dict(self.data["environment"])

    @property
    def options(self) -> Options:
        return Options(**self.data["options"])

    @property
    def time(self) -> datetime:
        """Return AWS's time, at most half a second of this machine old."""
        return datetime.fromisoformat(self.data["time"])

    @property
    def state(self) -> dict[str, Any]:
        """Listeners, databases and tasks, at most half a second old."""
        return dict(self.data.get("state", {}))


def find(home: Home) -> RunningCloud | None:
    """Return the facts of the local cloud that runs in ``home``, or None."""
    try:
        data = json.loads(home.facts.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return RunningCloud(data) if "endpoint" in data and is_locked(home.lock) else None


def refreshed(home: Home) -> RunningCloud | None:
    """Return the facts that the local cloud writes next: those at hand may lack what was made since."""
    last, end = find(home), time.monotonic() + FRESH_LIMIT
    while (found := find(home)) and found == last and time.monotonic() < end:
        time.sleep(0.02)
    return found


def require(home: Home) -> RunningCloud:
    """Return the facts of the running local cloud. Raises ``CloudError`` when there is none."""
    found = find(home)
    if found is None:
        raise CloudError(none_runs())
    return found


def start(home: Home, options: Options) -> RunningCloud:
    """Start a local cloud and wait until it answers. Raises ``CloudError``; then its process has ended."""
    if find(home):
        raise CloudError(
            "a local cloud already runs in {folder}: {cloud} stop ends it",
            folder=str(home.folder),
            cloud=starter.current().cloud,
        )
    home.folder.mkdir(parents=True, exist_ok=True)
    home.facts.unlink(missing_ok=True)
    with interrupts_wait() as deliver:
        child = _spawn(home, options)
        try:
            deliver()
            with Progress().phase(t("starting the local cloud")) as phase:
                return _wait_until_started(home, child, phase)
        except BaseException:
            child.terminate()
            try:
                child.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                child.kill()
            home.facts.unlink(missing_ok=True)
            raise


def _wait_until_started(home: Home, child: subprocess.Popen[str], phase: Phase) -> RunningCloud:
    """Wait as long as the process lives: a machine that is busy, or was asleep, needs minutes."""
    expected = time.monotonic() + SLOW_START
    while (found := find(home)) is None:
        if child.poll() is not None:
            raise CloudError("the local cloud did not start: {why}", why=_start_error(home))
        if time.monotonic() > expected:
            phase.detail = t("see {log}", log=str(home.log))
        time.sleep(0.05)
    return found


def stop(home: Home) -> bool:
    """Stop the local cloud and wait for its end. Return False when none was running."""
    found = find(home)
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT
    with Progress().phase(t("stopping the local cloud")):
        while time.monotonic() < deadline:
            if not is_locked(home.lock) and _has_ended(found.pid):
                return True
            time.sleep(0.05)
    raise CloudError(
        "the local cloud (process {pid}) does not end after {seconds:.0f} s; see {log}, "
        "then end it with: kill -9 {pid}",
        pid=found.pid,
        seconds=STOP_LIMIT,
        log=str(home.log),
    )


def _spawn(home: Home, options: Options) -> subprocess.Popen[str]:
    started = starter.current()
    environment = {
        **os.environ,
        started.home_variable: str(home.folder),
        "PYTHONPATH": os.pathsep.join(map(str, (*started.imports, ROOT))),
        # Tasks are started by fork and exec; gRPC would warn of each.
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        # More than a hundred threads are mostly idle. A malloc arena for each would double the memory.
        "MALLOC_ARENA_MAX": "2",
    }
    with home.log.open("a") as log:
        child = subprocess.Popen(
            started.process,
            cwd=started.folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            env=environment,
            start_new_session=True,
        )
    assert child.stdin is not None  # noqa: S101 - for the type checker; PIPE was asked for
    child.stdin.write(json.dumps(asdict(options)))
    child.stdin.close()
    return child


def _start_error(home: Home) -> Text:
    try:
        return verbatim(str(json.loads(home.facts.read_text())["failed"]))
    except (OSError, ValueError, KeyError):
        return t("see {log}", log=str(home.log))


def _has_ended(pid: int) -> bool:
    """Return whether a process has ended. A zombie counts as ended."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True
    except OSError:
        return False  # Another user's process, or a system without /proc.
