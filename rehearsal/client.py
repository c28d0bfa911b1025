"""Starting, finding and stopping the local cloud's process from a command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from rehearsal.cloud import Options
from rehearsal.paths import ROOT, Home

START_LIMIT = 60.0
STOP_LIMIT = 60.0
"""Seconds: tasks may take their stop timeout."""


class CloudError(Exception):
    """The local cloud cannot be started, found or stopped. The message says why and what to do."""


@dataclass(frozen=True)
class Facts:
    """What a running local cloud says of itself."""

    data: dict[str, Any]

    @property
    def pid(self) -> int:
        return int(self.data["pid"])

    @property
    def endpoint(self) -> str:
        """The AWS API's address."""
        return str(self.data["endpoint"])

    @property
    def environment(self) -> dict[str, str]:
        """What leads ``pulumi`` to the stand-ins."""
        return dict(self.data["environment"])

    @property
    def options(self) -> Options:
        return Options(**self.data["options"])

    @property
    def state(self) -> dict[str, Any]:
        """Listeners, databases and tasks, half a second old at most."""
        return dict(self.data.get("state", {}))


def find(home: Home) -> Facts | None:
    """The local cloud that runs in ``home``, if one does."""
    try:
        data = json.loads(home.facts.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Facts(data) if "endpoint" in data and _alive(int(data["pid"])) else None


def require(home: Home) -> Facts:
    """The running local cloud. Raises ``CloudError`` when there is none."""
    found = find(home)
    if found is None:
        raise CloudError("no local cloud runs here: ./careapp cloud start starts one")
    return found


def start(home: Home, options: Options, waiting: Callable[[float], None]) -> Facts:
    """Start a local cloud and wait until it answers; ``waiting`` is told the seconds meanwhile."""
    if find(home):
        raise CloudError(f"a local cloud already runs in {home.folder}: ./careapp cloud stop ends it")
    home.folder.mkdir(parents=True, exist_ok=True)
    home.facts.unlink(missing_ok=True)
    child = _spawn(home, options)
    begun = time.monotonic()
    while time.monotonic() - begun < START_LIMIT:
        found = find(home)
        if found:
            return found
        if child.poll() is not None:
            raise CloudError(f"the local cloud did not start: {_reason(home)}")
        waiting(time.monotonic() - begun)
        time.sleep(0.05)
    child.terminate()
    raise CloudError(f"the local cloud does not answer after {START_LIMIT:.0f} s; see {home.log}")


def stop(home: Home, waiting: Callable[[float], None]) -> bool:
    """Stop the local cloud and wait until it is gone; False when none was running."""
    found = find(home)
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    begun = time.monotonic()
    while time.monotonic() - begun < STOP_LIMIT:
        if not _alive(found.pid):
            return True
        waiting(time.monotonic() - begun)
        time.sleep(0.05)
    raise CloudError(
        f"the local cloud (process {found.pid}) does not end after {STOP_LIMIT:.0f} s; see {home.log}, "
        f"then end it with: kill -9 {found.pid}"
    )


def _spawn(home: Home, options: Options) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "CAREAPP_HOME": str(home.folder),
        "PYTHONPATH": str(ROOT),
        # Tasks are started by fork and exec; gRPC would warn of each.
        "GRPC_ENABLE_FORK_SUPPORT": "0",
    }
    with home.log.open("a") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "rehearsal.cloud"],
            cwd=ROOT,
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


def _reason(home: Home) -> str:
    try:
        return str(json.loads(home.facts.read_text())["failed"])
    except (OSError, ValueError, KeyError):
        return f"see {home.log}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    """Whether the process has ended and only waits for its parent, which may be ourselves, to notice."""
    try:
        return bool(os.waitpid(pid, os.WNOHANG)[0])
    except ChildProcessError:
        return False
